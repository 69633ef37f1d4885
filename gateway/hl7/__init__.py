"""The HL7 v2 door: MLLP frames, messages as ER7 text, acknowledgements; no clinical meaning."""
