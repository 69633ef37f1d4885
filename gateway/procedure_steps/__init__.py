"""Performed procedure steps: what devices say they are doing and have done (PS3.4 F.7)."""
