"""The world that the service runs in when it is simulated: models of AWS below its SDK.

- scheduler, chance: virtual time, and one seed for everything
- faults, calls: what can go wrong, and where it is injected
- dynamodb (expressions, stream), sqs, topic, parameters, network, functions, event_sources: the
  models, checked against the emulator by tests/simulation/world/test_contracts.py
- invariants: what must hold at every instant; trace: what happened, for people
- world: all of it, put together for one schedule
- table, runtime: parts of it for unit tests of the service
"""
