"""Which rule an arriving study follows, and why."""
