"""Send a folder of DICOM files to a node: survey, ledger, the two ways of sending."""
