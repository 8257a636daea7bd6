"""init: look at the old table and write a first configuration, with a reason for each guess."""
