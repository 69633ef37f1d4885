"""Patients and orders as FHIR R4 Patient and ServiceRequest."""
