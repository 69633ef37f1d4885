"""The whole program, started as people start it."""
