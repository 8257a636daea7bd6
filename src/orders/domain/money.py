"""Money: whole minor units of an ISO 4217 currency (pence, cents), never a fraction.

The largest real order seen is £168,470 (16,847,000 pence). The bounds leave more than two decimal
orders of magnitude above it and stay far inside the 2^53 that JavaScript clients can count to.
"""

UNIT_PRICE_MAX = 100_000_000
AMOUNT_MAX = 10_000_000_000
