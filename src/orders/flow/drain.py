"""drain: bring an order that overflowed into the table.

Promise: `acknowledged_is_durable`. We told the customer that the order is stored, so it is either
placed, or, when its id turns out to hold another order, put where a person sees it: never silently
away. Only its own customer can withdraw it meanwhile, who then has the proof that it is void.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from orders.domain.order import AcceptedOrder, VoidId
from orders.failures import PermanentFailure
from orders.ports import Archived, Orders


@dataclass(frozen=True, slots=True)
class Drain:
    orders: Orders

    def place(self, accepted: AcceptedOrder) -> Literal["placed", "there", "void"]:
        """Place the order as intake would have, with the time at which it was accepted.

        It is not checked again: it was checked when it was accepted, and its id may have grown old
        in the queue. Raises TransientFailure to be called again, PermanentFailure for a clash, and
        for an order that comes months late: whether it is the archived one, a person must see.
        """
        try:
            there = self.orders.place(accepted)
        except Archived:
            raise PermanentFailure("the order id holds an archived order") from None
        if there is None:
            return "placed"
        if isinstance(there, VoidId):
            return "void"
        if there.digest == accepted.digest:
            return "there"
        raise PermanentFailure("the order id already holds another order")
