"""Tests of the archive as a query/retrieve provider."""
