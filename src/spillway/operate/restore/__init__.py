"""Copies missing orders from a restored backup into the table in service."""
