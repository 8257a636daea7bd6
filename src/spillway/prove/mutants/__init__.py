"""Bugs of the service, planted on purpose: a check that cannot fail proves nothing.

Nothing here imports the service: a process that is to run with a bug must patch it before that.
"""
