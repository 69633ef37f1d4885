"""Earlier studies from other archives."""
