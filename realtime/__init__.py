"""Consultations: protocol, rooms, presence, resume, signalling and notifications."""
