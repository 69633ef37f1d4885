"""Everything that is tried, by room."""
