"""Objects on their way to other nodes."""
