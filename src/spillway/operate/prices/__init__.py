"""The price book in service: what it says, what a new one changes, and publishing it."""
