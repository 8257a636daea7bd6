"""How long orders stay in the table before the archive function moves them to the archive.

A settled order is archived after the days of the stage's `[keeping]`, counted from its last fact.
By then nothing can be under way to it: a message waits at most 14 days in its queue and 14 as a
dead letter, a void id is kept for 60 days, and the table can be restored to 35 days back.
"""

from __future__ import annotations

from orders.domain.order import is_order_id, order_id_time
from orders.domain.saga import Facts
from orders.domain.units import Millis, OrderId

DAY_MS = 24 * 60 * 60 * 1000
#: An order that is held waits no longer for its approver: its check is a message, which a queue
#: keeps for 14 days.
HOLD_DAYS_MAX = 12
#: A stage keeps orders no shorter.
KEPT_DAYS_MIN = 60
#: Parts of the table, of which a run looks at one: every order is looked at once a month.
PARTS = 30
#: An id may be ahead of its order's acceptance by minutes, and clocks may differ.
_MARGIN_DAYS = 1


def may_be_archived(order_id: OrderId, now: Millis) -> bool:
    """Whether the order can have left the table. A younger one has not, and that costs no read; nor
    has what is no order id at all, as a message may name it."""
    if not is_order_id(order_id):
        return False
    return now - order_id_time(order_id) > (KEPT_DAYS_MIN - _MARGIN_DAYS) * DAY_MS


def last_changed(facts: Facts) -> Millis:
    """When the last of an order's facts was recorded. It must have one."""
    times = [outcome.at for outcome in facts.outcomes.values()]
    times += [news.at for news in facts.news.values()]
    return max(times if facts.cancellation is None else [*times, facts.cancellation.at])
