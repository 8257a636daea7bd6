"""What the service promises: each promise is an invariant with a name, an alarm and a test.

ARCHITECTURE.md says how each is kept. No function needs this when it runs; alarms, audit and
simulation name their findings by it.
"""

from enum import StrEnum


class Promise(StrEnum):
    ACKNOWLEDGED_IS_DURABLE = "acknowledged_is_durable"
    ONE_ORDER_PER_ID = "one_order_per_id"
    ONE_EFFECT_PER_STEP = "one_effect_per_step"
    ALWAYS_SETTLES = "always_settles"
    NEVER_HALF_DONE = "never_half_done"
    OWN_ORDERS_ONLY = "own_orders_only"
    FAILURE_STAYS_LOCAL = "failure_stays_local"
    ZERO_IDLE = "zero_idle"
    PRICED_BY_THE_STORE = "priced_by_the_store"
    COUPON_WITHIN_LIMITS = "coupon_within_limits"
    PAID_IS_ORDERED_OR_REFUNDED = "paid_is_ordered_or_refunded"
