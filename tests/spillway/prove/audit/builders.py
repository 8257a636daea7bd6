"""Orders with facts and effects that agree, to be spoilt one thing at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from orders.domain.order import Address, Line, Order, OrderKey, Payment
from orders.domain.parcels import News, What
from orders.domain.saga import (
    DOWNSTREAM_OF,
    Approval,
    Cancellation,
    Facts,
    Outcome,
    Step,
    Verdict,
)
from orders.domain.units import Millis
from spillway.prove.audit.judging import judge
from spillway.prove.audit.verdicts import Violation
from spillway.run.load.records import Acknowledgement, Answer
from spillway.target.records import Effect, Record, Size
from tests.builders import order_key

ADA, BOB = "customer-ada", "customer-bob"
KEY = order_key(ADA, "019ab000-0000-7000-8000-000000000001")
ACCEPTED_AT = Millis(1_795_428_000_123)
HELD_UNTIL = Millis(ACCEPTED_AT + 24 * 60 * 60 * 1000)
ACCEPTED_AT_ANSWERED = "2026-11-23T10:00:00.123Z"

ORDER = Order(
    channel="retail",
    currency="GBP",
    lines=(Line("HEART-LIGHT", 2, 255), Line("JAM-JAR", 1, 100)),
    shipping=0,
    tax=0,
    total=610,
    address=Address("Ada Fletcher", ("1 High Street",), "Leeds", "GB", "LS1 4AP"),
    payment=Payment("pay_01", 610, "GBP", "k1.00"),
)
UNITS = 3
SIZE = Size(UNITS, 610, "GBP")

_CODES = {
    Step.RESERVE: "out_of_stock",
    Step.SHIP: "undeliverable",
    Step.POST: "account_blocked",
    Step.CANCEL_SHIPMENT: "too_late",
}


@dataclass(frozen=True)
class Scene:
    """One order as the table, the downstreams and its customer know it."""

    record: Record
    effects: tuple[Effect, ...]
    acknowledgement: Acknowledgement

    def judged(self) -> list[Violation]:
        return judge([self.record], self.effects, [self.acknowledgement])

    def with_record(self, **changes: Any) -> Scene:
        return replace(self, record=replace(self.record, **changes))

    def with_acknowledgement(self, **changes: Any) -> Scene:
        return replace(self, acknowledgement=replace(self.acknowledgement, **changes))

    def with_effects(self, *more: Effect) -> Scene:
        return replace(self, effects=(*self.effects, *more))

    def without_effect(self, step: Step) -> Scene:
        return replace(self, effects=tuple(e for e in self.effects if e.step != step))

    def without_fact(self, *steps: Step) -> Scene:
        left = {s: o for s, o in self.record.facts.outcomes.items() if s not in steps}
        return self.with_record(facts=replace(self.record.facts, outcomes=left))

    def held(self, verdict: Verdict | None = None) -> Scene:
        """The same order, held for an approver; and what came of that."""
        approval = None if verdict is None else Approval(Millis(ACCEPTED_AT + 50), verdict)
        facts = replace(self.record.facts, held_until=HELD_UNTIL, approval=approval)
        return self.with_record(facts=facts)


def scene(*steps: str, status: str, cancelled: str | None = None, key: OrderKey = KEY) -> Scene:
    """An order for which these steps were answered, one after the other: "ship" or "ship refused".

    `cancelled`: its customer cancelled "before" the reservation was known or "after".
    """
    outcomes: dict[Step, Outcome] = {}
    effects = []
    for number, text in enumerate(steps, start=1):
        name, _, refused = text.partition(" ")
        step, at = Step(name), ACCEPTED_AT + 100 * number
        outcomes[step] = Outcome(Millis(at), f"{name}-01", _CODES[step] if refused else None)
        effects.append(effect(step, done=not refused, at=at, key=key))
    cancellation = None
    if cancelled is not None:
        cancellation = Cancellation(
            Millis(ACCEPTED_AT + 50), before_reservation=cancelled == "before"
        )
    return Scene(
        record=Record(key, ACCEPTED_AT, SIZE, Facts(outcomes, cancellation), ORDER),
        effects=tuple(effects),
        acknowledgement=Acknowledgement(
            key=key,
            order=ORDER,
            answers=(Answer(201, ACCEPTED_AT_ANSWERED), Answer(200, ACCEPTED_AT_ANSWERED)),
            status=status,
            cancellation_sent=cancellation is not None,
            cancellation_taken=cancellation is not None,
        ),
    )


def effect(
    step: Step,
    *,
    done: bool = True,
    at: int = ACCEPTED_AT + 100,
    key: OrderKey = KEY,
    idempotency_key: str | None = None,
    **changes: Any,
) -> Effect:
    """An entry as the fakes write it."""
    money = step in {Step.POST, Step.REFUND}
    return replace(
        Effect(
            downstream=DOWNSTREAM_OF[step],
            key=key,
            step=step.value,
            idempotency_key=idempotency_key or f"{step}-{key.order_id}-ada",
            done=done,
            at=at,
            code=None if done else _CODES[step],
            units=UNITS if step in {Step.RESERVE, Step.SHIP} else None,
            amount=ORDER.total if money else None,
            currency=ORDER.currency if money else None,
        ),
        **changes,
    )


def came_back(order: Scene, *parcels: str, of: int | None = None) -> Scene:
    """Fulfilment has told that these parcels came back; "" is all of the order."""
    news = [News(one, What.RETURNED, ACCEPTED_AT, parcels=of) for one in parcels]
    facts = replace(order.record.facts, news={one.key: one for one in news})
    return order.with_record(facts=facts)


def confirmed() -> Scene:
    return scene("reserve", "ship", "post", status="confirmed")


def refunded() -> Scene:
    return scene("reserve", "ship", "post", "refund", status="confirmed")


#: Every way in which an order can rightly end that nobody holds, and that does not come back.
NEVER_HELD: Sequence[tuple[str, Scene]] = (
    ("confirmed", confirmed()),
    ("out of stock", scene("reserve refused", "refund", status="rejected")),
    (
        "undeliverable",
        scene("reserve", "ship refused", "post", "release", "refund", status="rejected"),
    ),
    (
        "account blocked",
        scene(
            "reserve", "ship", "post refused", "recall_shipment", "release", "refund",
            status="rejected",
        ),
    ),
    (
        "both refused",
        scene("reserve", "ship refused", "post refused", "release", "refund", status="rejected"),
    ),
    (
        "cancelled before",
        scene("reserve", "release", "refund", status="cancelled", cancelled="before"),
    ),
    (
        "cancelled before, and out of stock",
        scene("reserve refused", "refund", status="rejected", cancelled="before"),
    ),
    (
        "cancelled after",
        scene(
            "reserve", "ship", "post", "cancel_shipment", "release", "refund",
            status="cancelled", cancelled="after",
        ),
    ),
    (
        "cancelled too late",
        scene(
            "reserve", "ship", "post", "cancel_shipment refused",
            status="confirmed", cancelled="after",
        ),
    ),
    (
        "too late, but the account was blocked",
        scene(
            "reserve", "ship", "cancel_shipment refused", "post refused", "recall_shipment",
            "release", "refund", status="rejected", cancelled="after",
        ),
    ),
)  # fmt: skip


#: Every way in which an order can rightly end.
WHOLE: Sequence[tuple[str, Scene]] = (
    *NEVER_HELD,
    ("returned in one piece", came_back(refunded(), "")),
    ("returned parcel by parcel", came_back(refunded(), "1", "2", of=2)),
    ("returned in part", came_back(confirmed(), "1", of=2)),
    ("returned in parts of which nobody knows how many", came_back(confirmed(), "1")),
    ("released", confirmed().held("released")),
    ("refused by an approver", scene("refund", status="rejected").held("refused")),
    ("not decided about in time", scene("refund", status="rejected").held("expired")),
    (
        "cancelled while it was held",
        scene("refund", status="cancelled", cancelled="before").held(),
    ),
)
