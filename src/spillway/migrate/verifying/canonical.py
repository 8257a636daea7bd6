"""The form in which an order is compared, whichever side it comes from."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from spillway.ui.formatting import rfc3339

DAY_MS = 86_400_000

#: A customer's id and an order's.
Place = tuple[str, str]

_NEEDED = frozenset({"reserve", "ship", "post"})


class State(NamedTuple):
    """What the steps of an order have come to: the ones done, the ones refused with their reasons,
    and the different times of all, each sorted. `missing` names an item that is not there."""

    done: tuple[str, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    cancelled: bool = False
    at: tuple[int, ...] = ()
    missing: str = ""

    @property
    def outcome(self) -> str:
        """`confirmed`, `rejected`, `cancelled`, or `open` while steps are left."""
        refused = {step for step, _ in self.refused}
        undone = "refund" in self.done and ("reserve" not in self.done or "release" in self.done)
        if refused & _NEEDED:
            return "rejected" if undone else "open"
        if self.cancelled and "cancel_shipment" not in refused:
            return "cancelled" if undone else "open"
        return "confirmed" if set(self.done) >= _NEEDED else "open"

    def __str__(self) -> str:
        if self.missing:
            return f"{self.missing} is missing"
        asked = ", cancelled" if self.cancelled else ""
        done = ", ".join(self.done) or "nothing"
        refused = "".join(f", {step} refused: {reason}" for step, reason in self.refused)
        at = "".join(f", at {rfc3339(at)}" for at in self.at)
        return f"{self.outcome} (done: {done}{refused}{asked}{at})"


class Canonical(NamedTuple):
    """All that must agree. Times are Unix ms, amounts minor units."""

    old_key: str
    customer: str
    order_id: str
    accepted_at: int
    state: State
    channel: str = ""
    currency: str = ""
    lines: tuple[tuple[str, int, int], ...] = ()
    discount: int = 0
    coupon: str = ""
    shipping: int = 0
    tax: int = 0
    total: int = 0
    #: The parts that it has, each with its name.
    address: tuple[tuple[str, str], ...] = ()
    payment: str = ""
    purchase_order: str = ""

    @property
    def place(self) -> Place:
        return self.customer, self.order_id

    @property
    def day(self) -> int:
        return self.accepted_at // DAY_MS

    @property
    def digest(self) -> int:
        return int.from_bytes(hashlib.blake2b(repr(self).encode(), digest_size=8).digest())
