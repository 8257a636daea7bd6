"""`spillway simulate`: the promises under any number of fault schedules, each from its seed.

- plan, customers, operator: what a seed decides, and who acts in a schedule
- schedule: one schedule from its plan to its verdict; tally, running: many, over processes
- exhaustive: every single fault at every place of one order; saga_states: the saga's state space
- shrink, rendering: a broken schedule made small, and its trace for people
- kill: the same schedules on mutants of the service (spillway.prove.mutants)

The world and the fakes that a schedule runs in are in simulation/.
"""
