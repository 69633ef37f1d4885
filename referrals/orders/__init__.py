"""Orders: who is registered, what is to be examined, and how far that is."""
