"""Earlier studies of a patient, fetched from other archives when a new one comes."""
