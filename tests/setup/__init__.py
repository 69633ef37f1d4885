"""The checkout itself: its locks, its set-up, its house rules."""
