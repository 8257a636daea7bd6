"""Whether each payment on the gateway's own record is ordered or has gone back: never both, never
neither."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from orders.domain.order import OrderKey, order_id_time
from orders.domain.promises import Promise
from orders.domain.refusals import ORDER_ID_AGE_MAX_MS
from spillway.prove.audit.verdicts import Violation
from spillway.target.records import Record

#: Within this a run of payments has looked at a payment whose order can come no more.
LOOKED_AT_MS = 2 * 60 * 60 * 1000
_NEEDED = frozenset({"reserve", "ship", "post"})


@dataclass(frozen=True, slots=True)
class PaymentOnRecord:
    """As the gateway has it: what was taken, and what of it has gone back, in minor units."""

    reference: str
    key: OrderKey
    amount: int
    back: int


def judge_payments(
    payments: Collection[PaymentOnRecord], records: Mapping[OrderKey, Record], now: int
) -> Iterator[Violation]:
    """`now`: Unix milliseconds of the last run that looked at them."""
    for payment in payments:
        detail = _broken(payment, records.get(payment.key), now)
        if detail is not None:
            yield Violation(Promise.PAID_IS_ORDERED_OR_REFUNDED, payment.key, detail)


def payment_evidence(
    payments: Collection[PaymentOnRecord], records: Mapping[OrderKey, Record]
) -> dict[Promise, str]:
    """What it was judged by; nothing where nothing was paid."""
    if not payments:
        return {}
    ordered = sum(_is_ordered(each, records.get(each.key)) for each in payments)
    back = sum(each.back == each.amount for each in payments)
    said = f"{len(payments):,} payments: {ordered:,} ordered, {back:,} given back"
    return {Promise.PAID_IS_ORDERED_OR_REFUNDED: said}


def _broken(payment: PaymentOnRecord, record: Record | None, now: int) -> str | None:
    if _is_ordered(payment, record):
        if payment.back and not _is_undone(record):
            return "is ordered, and its payment went back"
        return None
    age = now - order_id_time(payment.key.order_id)
    if payment.back != payment.amount and age > ORDER_ID_AGE_MAX_MS + LOOKED_AT_MS:
        return f"was paid with {payment.reference}, which is neither ordered nor given back"
    return None


def _is_ordered(payment: PaymentOnRecord, record: Record | None) -> bool:
    paid = None if record is None or record.order is None else record.order.payment
    return paid is not None and paid.reference == payment.reference


def _is_undone(record: Record | None) -> bool:
    """Money of an order that was refused or cancelled goes back by accounting."""
    if record is None:
        return False
    facts = record.facts
    refused = any(not one.done for step, one in facts.outcomes.items() if step.value in _NEEDED)
    return refused or facts.cancellation is not None
