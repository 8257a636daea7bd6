"""The audit of payments: it names what is ordered and refunded, or neither of both."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orders.domain.promises import Promise
from spillway.prove.audit.payments import PaymentOnRecord, judge_payments, payment_evidence
from spillway.target.records import Record
from tests.builders import NOW, accepted, order_id, order_key
from tests.spillway.prove.audit.builders import scene

DAY = 24 * 60 * 60 * 1000
KEY = order_key("customer-ada", order_id())
ORDER = accepted(KEY).order
assert ORDER.payment is not None
PAID = PaymentOnRecord(ORDER.payment.reference, KEY, ORDER.payment.amount, 0)
BACK = replace(PAID, back=PAID.amount)
OTHER = replace(PAID, reference="pay_other")


def record(*steps: str) -> Record:
    return replace(scene(*steps, key=KEY, status="accepted").record, order=ORDER)


@pytest.mark.parametrize(
    ("payment", "found", "later"),
    [
        (PAID, record("reserve", "ship", "post"), 2 * DAY),
        (BACK, None, 2 * DAY),
        # It may still be ordered, or be looked at.
        (PAID, None, DAY),
        # Accounting gives it back.
        (BACK, record("reserve refused"), 2 * DAY),
        (PAID, record("reserve refused"), 2 * DAY),
        (replace(OTHER, back=PAID.amount), record("reserve"), 2 * DAY),
    ],
)
def test_ordered_or_refunded(payment: PaymentOnRecord, found: Record | None, later: int) -> None:
    records = {} if found is None else {KEY: found}
    assert not list(judge_payments([payment], records, NOW + later))


@pytest.mark.parametrize(
    ("payment", "found", "detail"),
    [
        (PAID, None, "neither"),
        (replace(PAID, back=1), None, "neither"),
        (OTHER, record("reserve"), "neither"),
        (BACK, record("reserve", "ship", "post"), "went back"),
        (replace(PAID, back=1), record("reserve"), "went back"),
    ],
)
def test_both_or_neither_is_broken(
    payment: PaymentOnRecord, found: Record | None, detail: str
) -> None:
    records = {} if found is None else {KEY: found}
    [violation] = judge_payments([payment], records, NOW + 2 * DAY)
    assert violation.promise is Promise.PAID_IS_ORDERED_OR_REFUNDED
    assert detail in violation.detail


def test_it_says_by_how_much_it_was_judged() -> None:
    [said] = payment_evidence(
        [PAID, replace(BACK, key=order_key("c", order_id()))], {KEY: record()}
    ).values()
    assert said == "2 payments: 1 ordered, 1 given back"
    assert not payment_evidence([], {})
