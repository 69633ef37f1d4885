"""Queries over the archive's index, whatever door they come by."""
