"""A bad line between two programs of this machine, as bytes on loopback; and what crosses it."""
