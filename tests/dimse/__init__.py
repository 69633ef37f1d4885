"""The DICOM door, against the standard, DCMTK, pynetdicom and hostile peers."""
