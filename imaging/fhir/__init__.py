"""Studies of the archive as FHIR R4 ImagingStudy."""
