"""The world that the service runs in when it is simulated: models of AWS below its SDK.

- scheduler, chance: virtual time, and one seed for everything
- faults, calls: what can go wrong, and the border where it does
- dynamodb (expressions, stream), sqs, topic, parameters, network, functions, event_sources: the
  models, held against the emulator by tests/simulation/world/test_contracts.py
- witness: what must hold at every instant; story: what happened, for people
- world: all of it, put together for one schedule
- table, outside: parts of it for unit tests of the service
"""
