"""How a running service is: its parts, its alarms, and charts of the last while."""
