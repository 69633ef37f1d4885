"""Referrals, results and mutual recognition, laboratory, indicators and benefit rules."""
