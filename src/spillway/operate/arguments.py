"""What several commands read from their arguments: an order's id, and how long ago."""

import time

from spillway.errors import UsageError

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def check_order_id(text: str) -> None:
    """SpillwayError: the text isn't an order id."""
    from orders.domain.order import is_order_id

    if not is_order_id(text):
        raise UsageError(
            f"{text!r} isn't an order id: one is a UUID version 7 in lower case, like"
            " 019aafcf-6ac0-7c3e-b1a5-5f0c8f1f2a10."
        )


def milliseconds_ago(text: str) -> int:
    """The moment so long ago, like `10m`, in Unix milliseconds.

    SpillwayError: the text isn't a length of time.
    """
    count, unit = text[:-1], text[-1:]
    if not (count.isdecimal() and unit in _UNITS):
        raise UsageError(f"{text!r} isn't a length of time: write 30s, 10m, 2h or 1d.")
    return int((time.time() - int(count) * _UNITS[unit]) * 1000)
