"""Tests of the imaging centre."""
