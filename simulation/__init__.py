"""The fakes of what the service does not own, for local runs and for simulation.

- downstreams: inventory, fulfilment and accounting, as their contracts describe them
- world: AWS in memory and in virtual time, with a fault at any call
- catalogue: the orders that customers send in a world

Schedules are in spillway.prove.simulate, mutants of the service in spillway.prove.mutants.
"""
