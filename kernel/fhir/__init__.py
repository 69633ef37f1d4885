"""FHIR R4 as values: what rooms hand in at the county's FHIR door, and what they are asked for."""
