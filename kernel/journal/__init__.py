"""The ingest journal: one flush for each acknowledgement."""
