"""Reads what a service stores."""
