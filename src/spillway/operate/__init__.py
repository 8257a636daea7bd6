"""What an operator asks a running service, answered: on this machine's emulator and on AWS alike.

Reads only; each answer is bounded, paged, and by key wherever there is one. Nothing here is a
terminal's or a browser's: the commands and the console stand on it.

- service: where the service is and how it is reached
- parts: the path of an order, part by part: what waits, how long, how often it runs, dead letters
- promises: what the alarms say of each promise
- orders: one order's whole life; a customer's orders; the unsettled ones
- history: charts over time; messages: what lies in the emulator's queues about an order
- logs: what the functions said; letters: what lies with the dead letters, and moving it back
- report: all of it for a terminal and for scripts; command, reaching: the options
"""
