"""The line simulator, measured against itself."""
