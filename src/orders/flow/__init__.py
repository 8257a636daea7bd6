"""The use cases, one per step of an order's path. They know the ports and nothing else."""
