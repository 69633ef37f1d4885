"""Who looked at what, in chains that show every change."""
