"""The FHIR door of the county, through a whole HTTP shell, with foreign clients."""
