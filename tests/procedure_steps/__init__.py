"""Tests of gateway/procedure_steps."""
