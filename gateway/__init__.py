"""The front door: HTTP shell, sign-in, DICOM services, routing, uploads, the township node."""
