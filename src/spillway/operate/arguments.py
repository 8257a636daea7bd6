"""What several commands read from their arguments: an order's id, and how long ago."""

import re
import time
from typing import TYPE_CHECKING

from spillway.errors import UsageError

if TYPE_CHECKING:
    from orders.domain.units import CustomerId, OrderId

#: A UUID version 7 with or without hyphens, in lower case: `orders.domain.order.is_order_id`.
_ORDER_ID = re.compile(
    r"(?<![0-9a-f])([0-9a-f]{8})-?([0-9a-f]{4})-?(7[0-9a-f]{3})-?([89ab][0-9a-f]{3})-?"
    r"([0-9a-f]{12})(?![0-9a-f])"
)
_AROUND = " \t\r\n\"'`“”„«»()[]{}<>#.,;:\u2018\u2019"
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def written_id(text: str) -> str:
    """An order id as people paste it, in the form that it is stored in: in lower case, with its
    hyphens, and without what is around it, such as braces, an address or a sentence. A text with no
    order id or with several is returned without outer spaces."""
    found = {"-".join(parts) for parts in _ORDER_ID.findall(text.lower())}
    return found.pop() if len(found) == 1 else text.strip()


def unquoted(text: str) -> str:
    """A text as people paste it without what is around it: `"PO-1",` is PO-1."""
    return text.strip(_AROUND)


def order_id_in(text: str) -> "OrderId":
    """The order id that a text is, as people paste it. SpillwayError: it isn't one."""
    from orders.domain.order import is_order_id

    named = written_id(text)
    if not is_order_id(named):
        raise UsageError(
            f"{text!r} isn't an order id: one is a UUID version 7, like"
            " 019aafcf-6ac0-7c3e-b1a5-5f0c8f1f2a10. `spillway orders list TEXT` finds it by"
            " what you know of the order."
        )
    return named


def customer_id_in(text: str) -> "CustomerId":
    """A customer's id as it was typed. UsageError: no customer can have it."""
    from orders.domain.refusals import CUSTOMER_ID_MAX
    from orders.domain.units import CustomerId

    if not 0 < len(text) <= CUSTOMER_ID_MAX:
        raise UsageError(
            f"A customer's id has 1 to {CUSTOMER_ID_MAX} characters, not {len(text)}: it is the"
            " claim `sub` of the customer's tokens."
        )
    return CustomerId(text)


def milliseconds_ago(text: str) -> int:
    """The moment so long ago, like `10m`, in Unix milliseconds.

    SpillwayError: the text isn't a length of time.
    """
    return time.time_ns() // 1_000_000 - milliseconds(text)


def milliseconds(text: str) -> int:
    """A length of time like `10m`. SpillwayError: the text isn't one."""
    count, unit = text.strip()[:-1], text.strip()[-1:]
    if not (count.isdecimal() and unit in _UNITS):
        raise UsageError(f"{text!r} isn't a length of time: write 30s, 10m, 2h or 1d.")
    return int(count) * _UNITS[unit] * 1000
