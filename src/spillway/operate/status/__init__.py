"""How a running service is: its parts, its alarms, and charts of the last while.

- `parts`: the path of an order, function by function; `messages`: what the emulator's queues hold
- `alarms`: what CloudWatch's alarms say; `evaluating`: evaluates them where the emulator does not
- `state`: both, as the terminal and the console show them; `history`: charts over time
- `command`, `view`: `spillway status`
"""
