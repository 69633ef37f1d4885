"""Uploads: tus, parcels, receipts, browser intake."""
