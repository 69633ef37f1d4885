"""Long fault runs, and the short form of those that need the machine itself."""
