"""The FHIR R4 door: what every resource has in common; what is in one stays in its room."""
