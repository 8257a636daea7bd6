"""In-memory stands-in for the ports of orders.ports, proven against the emulator by one suite of
contract tests (tests/orders/contracts)."""
