"""The orders table: an order's items, the migration's own state, and the writing of both."""
