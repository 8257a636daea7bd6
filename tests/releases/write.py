"""What the code as it is stores and sends: one sample and more of each kind."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from itertools import pairwise, product
from typing import Any

from orders.aws import archive_file, items, messages
from orders.aws.topic import cloud_event
from orders.domain import events
from orders.domain.order import AcceptedOrder, OrderKey, Payment, VoidId
from orders.domain.saga import Cancellation, Facts, Outcome, Step
from orders.domain.trace import parsed
from orders.domain.units import CustomerId, Millis
from orders.ports import Check, Command, Taken
from tests.builders import CUSTOMER, FREE, NOW, accepted, line, order_key

# Written out: what a release wrote must not change with the tests' counters.
KEY = order_key(CUSTOMER, "01a0ac2b-8e00-7000-8000-000000000001")
LARGE = order_key(CUSTOMER, "01a0ac2b-8e00-7000-8000-000000000002")
NOTHING_TO_PAY = order_key(CUSTOMER, "01a0ac2b-8e00-7000-8000-000000000003")
EXPRESS = order_key(CUSTOMER, "01a0ac2b-8e00-7000-8000-000000000004")
STUB = items.stub_item(KEY, items.Location("2026/11/23", "1a341fd0d00a1b2", 4_711, 1_026))
TRACE = parsed("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
TAKEN = [Taken(NOW), Taken(NOW, "/jobs/4711", times=2)]


def written() -> dict[str, list[Any]]:
    """Samples by kind, as they lie in the table, the stream, the queues and the topic."""
    express = replace(accepted(EXPRESS), express=True)
    orders = [_retail(), _wholesale(), accepted(NOTHING_TO_PAY, **FREE), express]
    return {
        "order_item": [as_json(items.order_item(order)) for order in orders],
        "void_item": [items.void_item(VoidId(KEY, NOW))],
        "stub_item": [STUB],
        "archive_line": [
            archive_file.line_of(items.order_item(order), progress_item(order.key, facts)).decode()
            for order, facts in product(orders, _facts())
        ],
        "progress_item": [
            *(progress_item(KEY, facts) for facts in _facts()),
            *(progress_item(EXPRESS, facts, express=True) for facts in _facts()[1:]),
        ],
        "stream_record": [*map(placed, orders), *_progressed(), _archived(orders[0])],
        "command": [*map(messages.message_of, _commands(orders))],
        "overflow": [*map(messages.overflow_message_of, orders)],
        "check": [
            messages.check_message_of(Check(KEY)),
            messages.check_message_of(Check(KEY, force=True)),
        ],
        "batch": [
            *messages.batch_messages_of([*map(messages.message_of, _commands(orders))], 5),
            *messages.batch_messages_of(
                [messages.check_message_of(Check(key)) for key in (KEY, LARGE)], 10
            ),
        ],
        "event": [
            cloud_event(event) for facts in _facts() for event in events.all_true(KEY, NOW, facts)
        ],
    }


def as_json(value: Any) -> Any:
    """Bytes become base64 text on the way through JSON, as in a stream record."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {name: as_json(inner) for name, inner in value.items()}
    return value


def _retail() -> AcceptedOrder:
    order = accepted(KEY, discounts=[{"coupon": "XMAS10", "amount": 150}], shipping=545)
    return replace(order, trace=TRACE, book="2026-11-23-1")


def _wholesale() -> AcceptedOrder:
    """Of a company, on terms; too large to travel in a command."""
    skus = (hashlib.sha256(str(number).encode()).hexdigest()[:16] for number in range(500))
    lines = [line(sku, 1 + number % 9, 255) for number, sku in enumerate(skus)]
    address = {
        "name": "山田 太郎",
        "lines": ["1-2-3 Kanda"],
        "city": "千代田区",
        "country": "JP",
        "state": "東京都",
        "phone": "+81 3 1234 5678",
        "email": "yamada@example.com",
    }
    order = accepted(
        LARGE, lines=lines, channel="wholesale", purchase_order="PO-4711", address=address
    )
    content = replace(order.order, payment=Payment("cr_1", 1, "GBP", "credit.k1.0", "net30"))
    return replace(order, buyer=CustomerId("its-buyer"), order=content)


def _facts() -> list[Facts]:
    """Nothing yet, confirmed, rejected, cancelled: every attribute that a progress item can have
    is in one of them."""
    done = {step: Outcome(Millis(NOW + 1_000), reference=f"{step}-1") for step in Step}
    confirmed = {step: done[step] for step in (Step.RESERVE, Step.SHIP, Step.POST)}
    rejected = {
        Step.RESERVE: Outcome(Millis(NOW + 1_000), refusal="out_of_stock"),
        Step.REFUND: done[Step.REFUND],
    }
    return [
        Facts(),
        Facts(confirmed),
        Facts(rejected),
        Facts(done, Cancellation(Millis(NOW + 500), before_reservation=False)),
    ]


def _commands(orders: list[AcceptedOrder]) -> list[Command]:
    return [
        *(Command(order.key, Step.RESERVE, order.order, TRACE) for order in orders),
        *(Command(KEY, step) for step in Step),
        # Who does not know that it was taken gives it again, under its key.
        *(Command(KEY, step, taken=taken) for step in Step for taken in TAKEN),
    ]


def progress_item(key: OrderKey, facts: Facts, *, express: bool = False) -> dict[str, Any]:
    """`express`: with the note of one write that recorded several steps."""
    item: dict[str, Any] = {
        **items.progress_key(key),
        **{step: items.outcome_attribute(outcome) for step, outcome in facts.outcomes.items()},
    }
    if facts.cancellation is not None:
        item[items.CANCELLATION] = items.cancellation_attribute(facts.cancellation)
    if express:
        item[items.EXPRESS] = items.express_note(facts.outcomes)
    return item


def placed(order: AcceptedOrder) -> dict[str, Any]:
    """The stream's record of an order that was stored."""
    images = {"NewImage": items.order_item(order)}
    return _record("INSERT", items.order_key(order.key), images)


def _archived(order: AcceptedOrder) -> dict[str, Any]:
    images = {"OldImage": items.order_item(order), "NewImage": STUB}
    return _record("MODIFY", items.order_key(order.key), images)


def _progressed() -> list[dict[str, Any]]:
    """From each state of the facts to the next, and those of an order that was archived."""
    images = [progress_item(KEY, facts) for facts in _facts()]
    return [
        *(progressed(before, after) for before, after in pairwise(images)),
        _record("REMOVE", items.progress_key(KEY), {"OldImage": images[-1]}),
    ]


def progressed(before: dict[str, Any] | None, after: dict[str, Any]) -> dict[str, Any]:
    """The stream's record of a write to a progress item."""
    keys = {name: after[name] for name in ("pk", "sk")}
    if before is None:
        return _record("INSERT", keys, {"NewImage": after})
    return _record("MODIFY", keys, {"OldImage": before, "NewImage": after})


def _record(name: str, keys: dict[str, Any], images: dict[str, Any]) -> dict[str, Any]:
    return {
        "eventName": name,
        "dynamodb": {"Keys": as_json(keys), **{at: as_json(image) for at, image in images.items()}},
    }
