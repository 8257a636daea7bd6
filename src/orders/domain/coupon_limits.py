"""What an order uses up: limited coupons, and its purchase order number where a number counts once.

Promise: `coupon_within_limits`. A coupon is never used more often than its limit, and never lost to
an order that does not stand. The same holds of a number.

The first `limit` uses are counted by many counters, because a key takes a few hundred transactions
a second and two that meet on one key disturb each other. Each counter has its share of the limit,
computed from the price book: none has to be made before its first use, and a book with a higher
limit raises every share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from orders.domain.book import Coupon
from orders.domain.units import OrderId

#: 10,000 orders a second are 20 on each counter. More would meet less often, and make the look at
#: all of them dearer (decision 0028).
COUNTERS_MAX = 500

#: What one order can use up: a transaction has 100 operations, and one of them is the order's.
USED_UP_MAX = 99

#: used      by this customer, with another order
#: taken     by somebody else: to be answered as a code that there never was
#: used_up   as often as its limit
Denial = Literal["used", "taken", "used_up"]


@dataclass(frozen=True, slots=True)
class Use:
    """A limited coupon in an order: `code` as the customer wrote it, `place` among the order's
    discounts."""

    coupon: Coupon
    code: str
    place: int


@dataclass(frozen=True, slots=True)
class Denied:
    use: Use
    why: Denial


@dataclass(frozen=True, slots=True)
class NumberUsed:
    """The customer has used the purchase order number before, for this order of theirs."""

    order_id: OrderId


def counters(limit: int) -> int:
    """How many counters share a limit."""
    return min(limit, COUNTERS_MAX)


def share(limit: int, counter: int) -> int:
    """How many uses this counter has. All shares together are the limit.

    One that a higher limit had beyond those of this one has none.
    """
    if counter >= counters(limit):
        return 0
    whole, rest = divmod(limit, counters(limit))
    return whole + (counter < rest)
