"""Speed comparisons with DCMTK, Orthanc and pynetdicom, in one run on one machine."""
