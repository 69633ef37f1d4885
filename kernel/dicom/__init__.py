"""DICOM bytes: bounded looks into untrusted objects, their text, their pixels."""
