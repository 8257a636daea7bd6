"""Orders as an operator looks at them: one order's life, lists, and resuming lost ones."""
