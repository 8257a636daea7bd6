"""Who says what an order costs: a stage's price book, or nobody but the client.

Promise: `priced_by_the_store`. An order's prices are those of the book that was in force when its
client made its id, which is when the customer saw the sum. That time is the client's word, so it
counts only within a grace period: nobody can order at last week's prices.
"""

from __future__ import annotations

from dataclasses import dataclass

from orders.domain import pricing
from orders.domain.order import Order, is_order_id, order_id_time
from orders.domain.pricing import Priced
from orders.domain.units import Millis
from orders.ports import PriceBooks


@dataclass(frozen=True, slots=True)
class Prices:
    """`books` is None where the client says what things cost."""

    books: PriceBooks | None = None
    grace_ms: int = 0

    def check(self, order_id: str, order: Order, now: Millis) -> Priced:
        """What the order costs, with a refusal for each price that is not the store's.

        Raises TransientFailure when there is no book to look into.
        """
        if self.books is None:
            return Priced()
        at = self._priced_at(order_id, now)
        return pricing.check(order, self.books.in_force(at), at)

    def _priced_at(self, order_id: str, now: Millis) -> Millis:
        made_at = order_id_time(order_id) if is_order_id(order_id) else now
        return Millis(min(max(made_at, now - self.grace_ms), now))
