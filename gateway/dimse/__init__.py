"""The DICOM network door: upper layer, negotiation, C-ECHO and C-STORE as provider."""
