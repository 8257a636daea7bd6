"""Whether each order costs what the price book says that it was checked against, and has a payment
of its own.

The book is read again from the bucket, by the version that the order records. A price that the
store's own engine signed is in no book, nor is that of an order from before there were any.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from infra.stage import load
from orders.domain import pricing
from orders.domain.book import Book
from orders.domain.order import OrderKey, Payment, order_id_time
from orders.domain.promises import Promise
from orders.domain.units import Millis
from spillway.errors import SpillwayError
from spillway.operate.customers.erasing import ERASED
from spillway.operate.prices.bucket import PriceBucket
from spillway.prove.audit.verdicts import Violation
from spillway.target.records import Record
from spillway.target.service import Service

#: The book of a version. SpillwayError: it cannot be read.
ReadBook = Callable[[str], Book]


@dataclass(slots=True)
class PriceAudit:
    """Judges orders one by one, and counts: `checked`, and the others by why they could not be.

    `grace_ms`: the stage's, within which an order's own time decides what it costs.
    """

    read: ReadBook
    grace_ms: int
    checked: int = 0
    unchecked: Counter[str] = field(default_factory=Counter)
    _books: dict[str, Book | None] = field(default_factory=dict)
    #: Hashes: a million orders fit into memory.
    _payments: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, service: Service) -> PriceAudit:
        orders = load(service.stage).orders
        return cls(PriceBucket.of(service).book, orders.price_grace_seconds * 1000)

    def judge(self, record: Record) -> Iterator[Violation]:
        """priced_by_the_store: what the order's book says otherwise, and a payment that has paid an
        order of this id for another customer too. Each order once, with its content."""
        order, accepted_at = record.order, record.accepted_at
        if order is None or accepted_at is None:
            return
        if order.payment is not None:
            yield from self._paid(record.key, order.payment)
        if record.book is None:
            self.unchecked["by no book"] += 1
            return
        book = self._book(record.book)
        if book is None:
            self.unchecked["by a book that cannot be read"] += 1
        elif order.address.name == ERASED:
            # The tax may depend on the state that was erased with the address.
            self.unchecked["erased"] += 1
        else:
            self.checked += 1
            made_at = order_id_time(record.key.order_id)
            at = Millis(min(max(made_at, accepted_at - self.grace_ms), accepted_at))
            for refusal in pricing.check(order, book, at).refusals:
                detail = f"{refusal.pointer} by the book {record.book}: {refusal.detail}"
                yield Violation(Promise.PRICED_BY_THE_STORE, record.key, detail)

    def _paid(self, key: OrderKey, payment: Payment) -> Iterator[Violation]:
        paid = hash((key.order_id, payment.reference))
        if paid in self._payments:
            detail = "has the payment of another customer's order"
            yield Violation(Promise.PRICED_BY_THE_STORE, key, detail)
        self._payments.add(paid)

    @property
    def evidence(self) -> dict[Promise, str]:
        """What it was judged by; nothing where no order could be checked."""
        if not self.checked:
            return {}
        return {Promise.PRICED_BY_THE_STORE: f"{self.checked:,} orders priced again{self._others}"}

    @property
    def not_judged(self) -> dict[Promise, str]:
        return {Promise.PRICED_BY_THE_STORE: f"not judged: no order to price again{self._others}"}

    @property
    def _others(self) -> str:
        counts = ", ".join(f"{count:,} {why}" for why, count in self.unchecked.items())
        return f"; cannot be: {counts}" if counts else ""

    def _book(self, version: str) -> Book | None:
        if version not in self._books:
            try:
                self._books[version] = self.read(version)
            except SpillwayError:
                self._books[version] = None
        return self._books[version]
