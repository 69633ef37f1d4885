"""The exchange between nodes and their county."""
