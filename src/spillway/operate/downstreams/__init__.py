"""Asks a downstream as the deliveries do, and says what its answer means to them."""
