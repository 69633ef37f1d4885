"""``yilian send``."""
