"""reconcile: hold the gateway's record against the orders, and send back what bought nothing.

Promise: `paid_is_ordered_or_refunded`. Whether there is an order or a refund, the table decides:
the order id is made void by the conditional write that intake's void ids and orders compete with,
and the money goes back only after that. An order that was acknowledged and is not in the table yet
counts as an order: while anything waits in the overflow queue or its dead letters, no id is made
void. The gateway refunds under a key that is the payment's own, so whatever dies, and however many
do this at once, the money goes back once.

Nothing is remembered between runs: the gateway's record says what has gone back.

A wrong gateway, a wrong stage or a wrong customer id in the payments looks like a store of which
nobody's order arrived. So a run that finds more to give back than `returns_max` gives nothing back;
nor does one that finds no payment's order, where `needs_an_order`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial

from orders.domain import saga
from orders.domain.events import Event, EventType
from orders.domain.order import AcceptedOrder, OrderKey, VoidId
from orders.domain.payments import SURPLUS, Finding, Paid, finding
from orders.domain.units import Millis
from orders.failures import PermanentFailure, TransientFailure
from orders.ports import Buffered, Clock, ConcurrentMap, Events, Gateway, Orders


class Return(StrEnum):
    """What became of money that must go back."""

    #: It would go back, if this run gave anything back.
    DUE = "due"
    #: It had gone back before.
    DONE_BEFORE = "done_before"
    GIVEN_BACK = "given_back"
    #: The next run tries again: an order may be in the overflow queue, or the outcome is unknown.
    LATER = "later"
    #: The gateway takes no requests: a person gives it back.
    BY_HAND = "by_hand"
    #: The gateway will not: a person must see why.
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Reconciled:
    """One payment. `order` is the one under its key; `returned` is None where nothing goes back;
    `detail` is the failure that left it for later or for a person."""

    payment: Paid
    finding: Finding
    order: AcceptedOrder | None = None
    returned: Return | None = None
    detail: str | None = None


@dataclass(slots=True)
class Ran:
    """How many payments were looked at and what they were. `held`: more had to go back than a run
    may give back, so none was. `unfinished`: time ran out before all were looked at."""

    payments: int = 0
    findings: Counter[Finding] = field(default_factory=Counter)
    returns: Counter[Return] = field(default_factory=Counter)
    held: bool = False
    unfinished: bool = False

    def count(self, one: Reconciled) -> None:
        self.findings[one.finding] += 1
        if one.returned is not None:
            self.returns[one.returned] += 1


#: Why nothing goes back where it would be all that there is.
NONE_ORDERED = "no payment that was looked at has its order"
_BACK = frozenset({Return.GIVEN_BACK, Return.DONE_BEFORE})
OnReconciled = Callable[[Reconciled], object]


@dataclass(frozen=True, slots=True)
class Reconcile:
    gateway: Gateway
    orders: Orders
    buffered: Buffered
    clock: Clock
    concurrent_map: ConcurrentMap
    returns_max: int
    #: None where nobody hears of it: a later run of the function tells of what an operator did.
    events: Events | None = None
    needs_an_order: bool = True

    def run(
        self,
        since: Millis,
        until: Millis,
        on_reconciled: OnReconciled,
        *,
        give_back: bool,
        stop_at: Millis | None = None,
    ) -> Ran:
        """Look at each payment that was begun in this time, and tell of it. With `give_back` what
        bought nothing goes back. Nothing new is begun after `stop_at`.

        Raises TransientFailure to be called again.
        """
        returned: list[Event] = []

        def tell(one: Reconciled) -> None:
            on_reconciled(one)
            if one.returned in _BACK:
                returned.extend(_event(one))

        ran = self._run(since, until, tell, give_back=give_back, stop_at=stop_at)
        if self.events is not None:
            self.events.publish(returned)
        return ran

    def _run(
        self,
        since: Millis,
        until: Millis,
        on_reconciled: OnReconciled,
        *,
        give_back: bool,
        stop_at: Millis | None,
    ) -> Ran:
        ran = Ran()
        now = self.clock.now()
        # Asked after `now`: whatever was sent under an id that was too old by then is counted.
        in_table = self.buffered.is_empty()
        due: list[Reconciled] = []
        found_any = not self.needs_an_order

        def tell(one: Reconciled) -> None:
            ran.count(one)
            on_reconciled(one)

        def is_over() -> bool:
            ran.unfinished = stop_at is not None and self.clock.now() > stop_at
            return ran.unfinished

        for page in self.gateway.taken(since, until):
            for one in self.concurrent_map(partial(self._look, now), page):
                ran.payments += 1
                found_any = found_any or one.order is not None
                if one.returned is Return.DUE and len(due) <= self.returns_max:
                    due.append(one)
                    continue
                # What is back does not count, but no order may come after it.
                is_back = give_back and one.returned is Return.DONE_BEFORE
                tell(self._return(one, now, in_table=in_table) if is_back else one)
            if is_over():
                break
        ran.held = give_back and len(due) > self.returns_max
        for one in due:
            if not give_back or ran.held or is_over():
                tell(one)
            elif not found_any:
                tell(replace(one, returned=Return.LATER, detail=NONE_ORDERED))
            else:
                tell(self._return(one, now, in_table=in_table))
        return ran

    def _look(self, now: Millis, payment: Paid) -> Reconciled:
        order = None if payment.key is None else self.orders.find(payment.key)
        return self._reconciled(payment, order, now)

    def _reconciled(self, payment: Paid, order: AcceptedOrder | None, now: Millis) -> Reconciled:
        found = finding(payment, order, now)
        if order is not None:
            found = self._by_the_gateway(found, payment, order)
        returned = None
        if found in SURPLUS:
            returned = Return.DUE if payment.left else Return.DONE_BEFORE
        return Reconciled(payment, found, order, returned)

    def _by_the_gateway(self, found: Finding, payment: Paid, order: AcceptedOrder) -> Finding:
        """What it is when the gateway's record of the order's own payment is known too. No order is
        left without one: its other payment only goes back where the gateway has its own."""
        paid = order.order.payment
        if paid is None or paid.terms or found not in (Finding.ORDERED, Finding.PAID_TWICE):
            return found
        own = payment if found is Finding.ORDERED else self.gateway.find(paid.reference)
        if own is None or own.key != order.key:
            return Finding.UNPAID
        if own.left > 0 or self._goes_back(order.key):
            return found
        return Finding.UNPAID if found is Finding.PAID_TWICE else Finding.RETURNED_AND_ORDERED

    def _goes_back(self, key: OrderKey) -> bool:
        """Whether accounting gives the order's own payment back."""
        progress = self.orders.progress(key)
        if progress is None:
            return False
        return saga.undoing(progress.facts) or saga.returned(progress.facts)

    def _return(self, one: Reconciled, now: Millis, *, in_table: bool) -> Reconciled:
        """Give a payment back, once it is certain that it buys nothing."""
        try:
            if one.finding is Finding.NO_ORDER:
                one = self._voided(one, now, in_table=in_table)
            if one.returned is not Return.DUE:
                return one
            done = self.gateway.give_back(one.payment)
            return replace(one, returned=Return.GIVEN_BACK if done else Return.BY_HAND)
        except TransientFailure as failure:
            return replace(one, returned=Return.LATER, detail=str(failure))
        except PermanentFailure as failure:
            return replace(one, returned=Return.REFUSED, detail=str(failure))

    def _voided(self, one: Reconciled, now: Millis, *, in_table: bool) -> Reconciled:
        """Make the id void, or find the order that was quicker."""
        if one.payment.key is None:
            raise ValueError("a payment without a key has no order to miss")
        if not in_table:
            detail = "orders wait in the overflow queue or among its dead letters"
            return replace(one, returned=Return.LATER, detail=detail)
        order = self.orders.void(VoidId(one.payment.key, self.clock.now()))
        return one if order is None else self._reconciled(one.payment, order, now)


def _event(one: Reconciled) -> Iterator[Event]:
    """Each run that finds the payment back says so, with the same content: its time is that of the
    payment. The payment has a name of its own in the id, which is not the gateway's."""
    key, payment = one.payment.key, one.payment
    if key is not None:
        yield Event(
            EventType.PAYMENT_RETURNED,
            key,
            payment.at,
            one.finding.value,
            about=hashlib.sha256(payment.reference.encode()).hexdigest()[:16],
        )
