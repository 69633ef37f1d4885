"""OHIF as it comes from npm, in front of the county: a foreign viewer that must just work."""
