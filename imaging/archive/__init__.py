"""The archive: what was received, filed once, and found again."""
