"""The servers that are compared, each started on a fresh home and set up fairly."""
