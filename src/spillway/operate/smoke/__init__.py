"""Checks a deployed service through its API, and leaves nothing behind."""
