"""A look at a deployed service through its front door, which leaves nothing behind."""
