"""After the switch: new orders and later states, written into the old table."""
