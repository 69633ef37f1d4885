"""Resumable uploads (tus 1.0.0) for township nodes and browsers, parcels and their receipts."""
