"""Processes and tasks with owners, and how they hint one another."""
