"""Orders from a backup, back into the table that customers use."""
