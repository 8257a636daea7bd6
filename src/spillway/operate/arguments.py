"""What several commands read from their arguments: an order's id, and how long ago."""

import time
from typing import TYPE_CHECKING

from spillway.errors import UsageError

if TYPE_CHECKING:
    from orders.domain.units import OrderId

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def written_id(text: str) -> str:
    """An order id as people paste it, in the form that it is stored in: in lower case, with its
    hyphens, without braces or `urn:uuid:`. Any other text is returned without outer spaces."""
    from orders.domain.order import is_order_id

    bare = text.strip().lower().removeprefix("urn:uuid:").strip("{}").replace("-", "")
    named = "-".join((bare[:8], bare[8:12], bare[12:16], bare[16:20], bare[20:]))
    return named if is_order_id(named) else text.strip()


def order_id_in(text: str) -> "OrderId":
    """The order id that a text is, as people paste it. SpillwayError: it isn't one."""
    from orders.domain.order import is_order_id

    named = written_id(text)
    if not is_order_id(named):
        raise UsageError(
            f"{text!r} isn't an order id: one is a UUID version 7, like"
            " 019aafcf-6ac0-7c3e-b1a5-5f0c8f1f2a10."
        )
    return named


def milliseconds_ago(text: str) -> int:
    """The moment so long ago, like `10m`, in Unix milliseconds.

    SpillwayError: the text isn't a length of time.
    """
    return time.time_ns() // 1_000_000 - milliseconds(text)


def milliseconds(text: str) -> int:
    """A length of time like `10m`. SpillwayError: the text isn't one."""
    count, unit = text[:-1], text[-1:]
    if not (count.isdecimal() and unit in _UNITS):
        raise UsageError(f"{text!r} isn't a length of time: write 30s, 10m, 2h or 1d.")
    return int(count) * _UNITS[unit] * 1000
