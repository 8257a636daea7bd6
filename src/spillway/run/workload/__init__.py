"""Orders to send: believable ones made from a seed, or real ones read from a file.

Both give `Draft`s: all of an order but its id and its payment, which come into being when a client
places it. So the same seed gives the same drafts on any day, byte for byte.
"""

from spillway.run.workload.draft import CUSTOMERS, Customer, Draft, pay, sign_price
from spillway.run.workload.generator import LIMITED_COUPON, generate, with_coupon
from spillway.run.workload.sales import Sales, read_sales

__all__ = [
    "CUSTOMERS",
    "LIMITED_COUPON",
    "Customer",
    "Draft",
    "Sales",
    "generate",
    "pay",
    "read_sales",
    "sign_price",
    "with_coupon",
]
