"""Pixels: stored frames, other encodings of them, and pictures to look at."""
