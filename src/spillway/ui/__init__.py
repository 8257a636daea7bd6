"""What every command shows and asks in the same way. It knows nothing of orders.

`progress`, `panels` and `charts` import Rich and Matplotlib, which take time to load: a command
imports them inside its function, so that `spillway --help` stays fast.
"""
