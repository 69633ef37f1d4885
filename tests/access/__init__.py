"""Tests of who may see whom."""
