"""Speaks to inventory, fulfilment and accounting, as their descriptions say."""
