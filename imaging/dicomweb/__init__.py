"""DICOMweb: the archive through PS3.18."""
