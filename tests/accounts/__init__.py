"""Accounts, sign-in and administration."""
