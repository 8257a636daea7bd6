"""intake: accept an order or refuse it, at once; take cancellation requests; give quotes; make
order ids void.

Promise: `acknowledged_is_durable`, `one_order_per_id`. An order is answered as accepted only when
it is in replicated storage: in the table, or, when the table won't take it in time, in the
overflow queue, from where drain brings it into the table. When both fail the answer is an honest
no, and the client sends it again.

One conditional write tells a new order, a retry and a clash apart, with no read and no second
table; a record of idempotency beside the order would cost two more writes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from orders.domain import saga, void
from orders.domain.caller import Claims
from orders.domain.coupon_limits import Use
from orders.domain.order import (
    AcceptedOrder,
    Order,
    OrderKey,
    VoidId,
    is_order_id,
    with_normalised_texts,
)
from orders.domain.pricing import Priced, Unusable
from orders.domain.quote import QuoteRequest, tries_again_in
from orders.domain.quote import broken_rules as quote_rules
from orders.domain.refusals import (
    PRICE_RULES,
    STORED_ORDERS_MAY_BREAK,
    Refusal,
    Rule,
    Terms,
    broken_rules,
    by_precedence,
    order_id_refusals,
)
from orders.domain.saga import Approval, Facts, Step, Verdict
from orders.domain.status import Status, status
from orders.domain.trace import Trace
from orders.domain.units import CustomerId, Millis
from orders.failures import TransientFailure
from orders.flow.coupons import LimitedCoupons
from orders.flow.prices import Prices, Quote
from orders.ports import Clock, CouponTries, Orders, Overflow, Progress, SigningKeys


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The order is stored durably.

    placed    in the table, as a new order
    there     in the table before: the same order sent again
    buffered  in the overflow queue, with a clash, if there is one, still to be found
    """

    order: AcceptedOrder
    stored: Literal["placed", "there", "buffered"]


@dataclass(frozen=True, slots=True)
class CancellationTaken:
    key: OrderKey
    facts: Facts


@dataclass(frozen=True, slots=True)
class Decided:
    """A held order was released or refused."""

    key: OrderKey
    facts: Facts


@dataclass(frozen=True, slots=True)
class MadeVoid:
    """No order is stored under this id, and none will be. `proofs`: one for each receipt key, and
    each customer that the order could have been for."""

    key: OrderKey
    proofs: Sequence[str]


@dataclass(frozen=True, slots=True)
class Refused:
    """`retry_after_seconds`: when the same may be asked again, where only that is needed."""

    refusals: tuple[Refusal, ...]
    retry_after_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Intake:
    """The handler reads `claims`."""

    orders: Orders
    overflow: Overflow
    receipt_keys: SigningKeys
    prices: Prices
    clock: Clock
    currencies: frozenset[str]
    claims: Claims
    #: Whether orders may go by the express path.
    express: bool = False
    #: None where no coupon is checked, so that there is nothing to find out.
    coupon_tries: CouponTries | None = None
    #: None on a stage without price books, in which coupons are, that takes a number twice too.
    coupons: LimitedCoupons | None = None
    #: Whether a customer may use a purchase order number for one order only.
    purchase_orders_unique: bool = False
    #: How long an order that is held waits for an approver.
    hold_ms: int = 0

    def place(
        self,
        key: OrderKey,
        order: Order,
        digest: bytes,
        *,
        wholesale_allowed: bool,
        buyer: CustomerId | None = None,
        limit: int | None = None,
        price_signature: str | None = None,
        trace: Trace | None = None,
    ) -> Acknowledged | Refused:
        """Accept an order under the client's id, or name every rule that it breaks.

        `digest` identifies the content as it was sent: the same again is a retry, another is a
        clash. `buyer`: the person who orders, where the customer is another; `limit`: an order of
        theirs above it is held for approval. Raises TransientFailure when neither table nor
        overflow queue took it.
        """
        now = self.clock.now()
        sent, order = order, with_normalised_texts(order)
        terms = Terms(self.currencies, self.receipt_keys.in_force(), wholesale_allowed, now)
        refusals = broken_rules(key, order, terms)
        priced = self.prices.check(key, order, now, sent=sent, signature=price_signature)
        uses, forged = self._uses(order, priced)
        refusals = by_precedence([*refusals, *priced.refusals, *forged])
        held_until = None
        if buyer is not None and limit is not None and order.total > limit:
            held_until = Millis(now + self.hold_ms)
        candidate = AcceptedOrder(
            key, now, digest, order, trace, priced.book, self.express, buyer, held_until
        )
        if refusals:
            return self._refused_unless_stored(candidate, refusals)
        number_once = self.purchase_orders_unique and order.purchase_order is not None
        if self.coupons and (uses or number_once or held_until is not None):
            return self._store_with_claims(candidate, uses, self.coupons, number_once=number_once)
        return self._store(candidate)

    def quote(
        self, customer_id: CustomerId, request: QuoteRequest, *, wholesale_allowed: bool
    ) -> Quote | Refused:
        """What the goods and coupons would cost, before anything is paid. Stores nothing."""
        now = self.clock.now()
        refusals = quote_rules(request, self.currencies, now, wholesale_allowed=wholesale_allowed)
        if refusals:
            return Refused(tuple(refusals))
        if not self._may_try(customer_id, request.coupons, now):
            return Refused((TRIES_TOO_MANY,), tries_again_in(now))
        book = self.prices.book_of(request.id, now)
        if book is None:
            return Refused((QUOTES_NOT_OFFERED,))
        unusable: Unusable = {}
        if self.coupons is not None and request.coupons:
            key = OrderKey(customer_id, request.id)
            unusable = self.coupons.unusable(key, request.coupons, book.rules)
        return self.prices.quote(request, book, now, unusable)

    def cancel(self, *keys: OrderKey) -> CancellationTaken | Refused:
        """Take a cancellation request for the order under the first of these keys that has one. A
        second request changes nothing."""
        for key in keys:
            # Any text can be in a path: `<id>#progress`, the key of another item, or 2,000
            # characters, which no key has. Only an order id may reach the table.
            progress = self.orders.progress(key) if is_order_id(key.order_id) else None
            if progress is not None:
                return self._cancel(key, progress)
        return Refused((NOT_FOUND,))

    def _cancel(self, key: OrderKey, progress: Progress) -> CancellationTaken | Refused:
        if status(progress.facts) in (Status.REJECTING, Status.REJECTED):
            return Refused(
                (Refusal(Rule.ORDER_REJECTED, "", "The order was rejected: nothing to cancel."),)
            )
        if progress.facts.cancellation is not None:
            return CancellationTaken(key, progress.facts)
        now = self.clock.now()
        if progress.archived:
            return CancellationTaken(key, self.orders.reopen(key, now))
        reserved, express = progress.facts.known(Step.RESERVE), progress.order.express
        facts = self.orders.request_cancellation(
            key,
            now,
            reserved=reserved,
            express=express,
            held=saga.awaits_approval(progress.facts),
        )
        return CancellationTaken(key, facts)

    def decide(
        self, *keys: OrderKey, by: CustomerId, verdict: Verdict, approves: bool
    ) -> Decided | Refused:
        """Release or refuse the held order under the first of these keys that has one. `by`: who
        decides, and whether they may (`approves`), but never about an order of their own."""
        for key in keys:
            progress = self.orders.progress(key) if is_order_id(key.order_id) else None
            if progress is not None:
                return self._decide(
                    key, progress, Approval(self.clock.now(), verdict, by), approves
                )
        return Refused((NOT_FOUND,))

    def _decide(
        self, key: OrderKey, progress: Progress, approval: Approval, approves: bool
    ) -> Decided | Refused:
        if not approves or approval.by in (key.customer_id, progress.order.buyer):
            return Refused((APPROVAL_NOT_ALLOWED,))
        facts = progress.facts
        if facts.held_until is None:
            return Refused((ORDER_NOT_HELD,))
        if saga.awaits_approval(facts):
            in_time = approval.at < facts.held_until
            facts = self.orders.decide(
                key, approval if in_time else Approval(approval.at, "expired")
            )
        if facts.approval is None or facts.approval.verdict != approval.verdict:
            return Refused((ORDER_DECIDED,))
        return Decided(key, facts)

    def cancel_or_void(self, *keys: OrderKey) -> CancellationTaken | MadeVoid | Refused:
        """Cancel the order; if there is none, make its id void, so that its payment may go back.

        `keys` have one order id, under each customer that its order may be kept for: it is void
        only under all of them, because the payment may be for any.

        The order and the void id are put under the same key, each on condition that nothing is
        there: whichever comes second, and from wherever, finds the first. An id whose time is still
        to come would be good again when the void id has expired, so it is refused. One that is too
        old is not: its order may wait in the overflow queue.
        """
        now = self.clock.now()
        refusals = [
            refusal
            for refusal in order_id_refusals(keys[0].order_id, now)
            if refusal.rule is not Rule.ORDER_ID_TOO_OLD
        ]
        if refusals:
            return Refused(tuple(refusals))
        for key in keys:
            if self.orders.void(VoidId(key, now)) is not None:
                return self.cancel(key)
        receipt_keys = self.receipt_keys.in_force()
        proofs = [proof for key in keys for proof in void.proofs(key, receipt_keys)]
        return MadeVoid(keys[0], proofs)

    def _uses(self, order: Order, priced: Priced) -> tuple[Sequence[Use], Collection[Refusal]]:
        """The limited coupons that apply, and a refusal for each whose code is not genuine."""
        if self.coupons is None:
            return (), ()
        uses, refusals = self.coupons.uses(order.coupons, priced.coupons)
        return uses, refusals.values()

    def _store(self, accepted: AcceptedOrder) -> Acknowledged | Refused:
        try:
            there = self.orders.place(accepted)
        except TransientFailure:
            # Whether the table has it is unknown. Draining it finds out: placing the same order
            # twice is placing it once.
            self.overflow.buffer(accepted)
            return Acknowledged(accepted, "buffered")
        if there is None:
            return Acknowledged(accepted, "placed")
        return _same_or_clash(there, accepted.digest)

    def _store_with_claims(
        self,
        accepted: AcceptedOrder,
        uses: Sequence[Use],
        coupons: LimitedCoupons,
        *,
        number_once: bool,
    ) -> Acknowledged | Refused:
        """Such an order does not overflow: whether its coupon or its number can still be used, only
        the table can say; and one that is held is two items. Raises TransientFailure to be sent
        again."""
        result = coupons.place(accepted, uses, number_once=number_once)
        if result is None:
            return Acknowledged(accepted, "placed")
        if isinstance(result, AcceptedOrder | VoidId):
            return _same_or_clash(result, accepted.digest)
        return self._refused_unless_stored(accepted, by_precedence(result))

    def _refused_unless_stored(
        self, candidate: AcceptedOrder, refusals: list[Refusal]
    ) -> Acknowledged | Refused:
        """A stored order is not refused for what has changed since it was stored."""
        if all(refusal.rule in STORED_ORDERS_MAY_BREAK for refusal in refusals):
            keys = [candidate.key]
            if candidate.buyer is not None:
                # Where it is if it was placed before the store kept this channel's orders for
                # another customer: its receipt, which names the buyer, is good no more.
                keys.append(OrderKey(candidate.buyer, candidate.key.order_id))
            for key in keys:
                there = self.orders.find(key)
                if there is not None:
                    return _same_or_clash(there, candidate.digest)
        # What is refused says which coupons are good, so it counts as a quote does.
        customer_id, codes = candidate.key.customer_id, candidate.order.coupons
        if not self._may_try(customer_id, codes, candidate.accepted_at):
            refusals = _without_reasons(refusals)
        return Refused(tuple(refusals))

    def _may_try(self, customer_id: CustomerId, codes: Sequence[str], now: Millis) -> bool:
        """Whether the customer may learn of these coupons. Counted before anything is looked up,
        good or not: no crowd of requests learns more, and no answer is quicker than another."""
        if not codes or self.coupon_tries is None:
            return True
        return self.coupon_tries.count(customer_id, codes, now)


QUOTES_NOT_OFFERED = Refusal(
    Rule.QUOTES_NOT_OFFERED, "", "This store has no price book to make a quote from."
)
TRIES_TOO_MANY = Refusal(
    Rule.COUPON_TRIES_TOO_MANY,
    "",
    "Too many different coupons were tried: wait, as Retry-After says.",
)
REASON_WITHHELD = Refusal(
    Rule.COUPON_REASON_WITHHELD,
    "",
    "The order cannot be accepted, and too many different coupons were tried to say why.",
)
APPROVAL_NOT_ALLOWED = Refusal(
    Rule.APPROVAL_NOT_ALLOWED,
    "",
    "Only an approver decides, and never about an order of their own.",
)
ORDER_NOT_HELD = Refusal(Rule.ORDER_NOT_HELD, "", "This order was not held for approval.")
ORDER_DECIDED = Refusal(
    Rule.ORDER_DECIDED, "", "This order was decided about otherwise, cancelled, or has expired."
)
NOT_FOUND = Refusal(Rule.ORDER_NOT_FOUND, "", "This customer has no order under this id.")


def _without_reasons(refusals: Sequence[Refusal]) -> list[Refusal]:
    """What is wrong with an order, without what the price book says: that would tell which coupons
    are good. So would leaving it out only where the book has nothing to say.

    A final no, because an order without a fault is accepted however much was tried: its customer
    may have paid, and gets the money back now.
    """
    return by_precedence(
        [REASON_WITHHELD, *(each for each in refusals if each.rule not in PRICE_RULES)]
    )


ORDER_ID_VOID = Refusal(
    Rule.ORDER_ID_VOID, "", "This order id was made void: make a new one, and pay for that."
)


def _same_or_clash(there: AcceptedOrder | VoidId, digest: bytes) -> Acknowledged | Refused:
    if isinstance(there, VoidId):
        return Refused((ORDER_ID_VOID,))
    if there.digest == digest:
        return Acknowledged(there, "there")
    return Refused(
        (
            Refusal(
                Rule.ORDER_ID_TAKEN,
                "",
                "This order id already holds another order: make a new id for this one.",
            ),
        )
    )
