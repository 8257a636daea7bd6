"""The old database: connect to it, read and map its orders, follow its binary log."""
