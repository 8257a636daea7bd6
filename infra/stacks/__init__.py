"""The stacks. Wiring only: what holds data apart from what runs, so that each deploys alone."""
