"""Performed procedure steps: what devices say they did."""
