"""Tests of what keeps stored objects whole, and of what comes back after a loss."""
