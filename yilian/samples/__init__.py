"""Synthetic patients and studies for the demo county; nobody in it exists."""
