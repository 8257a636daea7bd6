"""Payments: whether each one that the gateway has taken is ordered, or goes back."""
