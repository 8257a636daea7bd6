"""A customer sees their own orders, and nobody else's."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import pytest

from orders.domain.order import OrderKey
from orders.domain.parcels import News, What
from orders.domain.saga import Outcome, Step
from orders.domain.units import CustomerId, Millis, OrderId
from orders.flow.reads import Reads
from orders.handlers.http import timestamp
from orders.handlers.reads import handle
from orders.ports import Progress
from simulation.world.runtime import MemoryLog, SetClock
from simulation.world.table import MemoryOrders
from tests.builders import CUSTOMER, FREE, NOW, OTHER_CUSTOMER, accepted, line, order_id, order_key
from tests.orders.handlers.api_events import request

ONE = "GET /orders/{order_id}"
MANY = "GET /orders"


@pytest.fixture
def orders() -> MemoryOrders:
    return MemoryOrders()


def get(orders: MemoryOrders, route: str, **event: Any) -> tuple[int, dict[str, Any]]:
    answer = handle(request(route, **event), Reads(orders, SetClock(NOW)), MemoryLog())
    assert answer["headers"]["cache-control"] == "no-store"
    return answer["statusCode"], json.loads(answer["body"])


def placed(orders: MemoryOrders, customer: str = CUSTOMER, **fields: Any) -> OrderKey:
    order = accepted(order_key(customer, order_id()), **fields)
    orders.place(order)
    return order.key


def test_an_order_with_nothing_to_pay_is_shown_without_a_payment(orders: MemoryOrders) -> None:
    key = placed(orders, **FREE)
    status, shown = get(orders, ONE, order_id=key.order_id)
    assert (status, shown["order"]["total"], shown["order"]["payment"]) == (200, 0, None)


def test_an_order_is_shown_with_its_parcels_once_there_is_news(orders: MemoryOrders) -> None:
    key = placed(orders)
    _, before = get(orders, ONE, order_id=key.order_id)
    assert not {"parcels", "returned_at"} & before.keys()
    for news in (
        News("2", What.DELIVERED, NOW),
        News("1", What.SHIPPED, Millis(NOW + 1), "DHL", "00340"),
        News("2", What.SHIPPED, Millis(NOW + 2)),
        News("1", What.RETURNED, Millis(NOW + 3)),
    ):
        orders.record_news(key, news)
    _, shown = get(orders, ONE, order_id=key.order_id)
    nothing = dict.fromkeys(
        ("carrier", "tracking_number", "shipped_at", "delivered_at", "returned_at")
    )
    second = {"delivered_at": timestamp(NOW), "shipped_at": timestamp(Millis(NOW + 2))}
    first = {"carrier": "DHL", "tracking_number": "00340", "shipped_at": timestamp(Millis(NOW + 1))}
    first["returned_at"] = timestamp(Millis(NOW + 3))
    assert shown["parcels"] == [
        nothing | {"parcel": "2"} | second,
        nothing | {"parcel": "1"} | first,
    ]
    assert shown["returned_at"] is None
    orders.record_news(key, News("", What.RETURNED, Millis(NOW + 4)))
    _, shown = get(orders, ONE, order_id=key.order_id)
    assert (len(shown["parcels"]), shown["returned_at"]) == (2, timestamp(Millis(NOW + 4)))
    orders.record_news(key, News("2", What.RETURNED, Millis(NOW + 5), parcels=2))
    _, shown = get(orders, ONE, order_id=key.order_id)
    assert shown["returned_at"] == timestamp(Millis(NOW + 4))


def test_an_order_is_shown_with_its_steps_and_without_its_receipt(orders: MemoryOrders) -> None:
    key = placed(orders)
    orders.record(key, {Step.RESERVE: Outcome(Millis(NOW + 250), reference="RES-1")})
    orders.record(key, {Step.SHIP: Outcome(Millis(NOW + 500), refusal="undeliverable")})
    orders.request_cancellation(key, Millis(NOW + 600), reserved=False)
    status, shown = get(orders, ONE, order_id=key.order_id)
    assert status == 200
    order = shown.pop("order")
    assert order["payment"] == {"reference": "pay_01", "amount": 905, "currency": "GBP"}
    assert order["lines"] == [line()]
    assert shown == {
        "order_id": key.order_id,
        "status": "rejecting",
        "reason": "undeliverable",
        "settled": False,
        "accepted_at": "2026-11-23T10:00:00.000Z",
        "steps": [
            {
                "step": "reserve",
                "outcome": "done",
                "at": "2026-11-23T10:00:00.250Z",
                "reference": "RES-1",
                "reason": None,
            },
            {
                "step": "ship",
                "outcome": "refused",
                "at": "2026-11-23T10:00:00.500Z",
                "reference": None,
                "reason": "undeliverable",
            },
        ],
        "cancellation": {"requested_at": "2026-11-23T10:00:00.600Z", "outcome": "refused"},
    }


@pytest.mark.parametrize(
    ("age_ms", "steps", "seconds"),
    [
        (50, (), "2"),
        (2_000, (), "8"),  # a backlog before its first step
        (2_000, (Step.RESERVE,), "2"),  # what is left takes as long as what is done
        (60_000, (Step.RESERVE, Step.SHIP), "60"),
        (3_600_000, (), "300"),
        (3_600_000, (Step.RESERVE, Step.SHIP, Step.POST), None),
    ],
)
def test_a_look_says_when_the_next_one_is_worth_its_price(
    orders: MemoryOrders, age_ms: int, steps: tuple[Step, ...], seconds: str | None
) -> None:
    key = placed(orders)
    for step in steps:
        orders.record(key, {step: Outcome(NOW)})
    reading = Reads(orders, SetClock(NOW + age_ms))
    answer = handle(request(ONE, order_id=key.order_id), reading, MemoryLog())
    assert answer["headers"].get("retry-after") == seconds


def test_the_age_of_a_cancelled_order_counts_from_its_cancellation(orders: MemoryOrders) -> None:
    key = placed(orders)
    orders.record(key, {Step.RESERVE: Outcome(NOW)})
    day_later = Millis(NOW + 86_400_000)
    orders.request_cancellation(key, day_later, reserved=False)
    reading = Reads(orders, SetClock(day_later))
    answer = handle(request(ONE, order_id=key.order_id), reading, MemoryLog())
    assert answer["headers"]["retry-after"] == "2"


@pytest.mark.parametrize("id_", [order_id(), "no-order-id", "", "a#progress"])
def test_what_is_not_there_is_404(orders: MemoryOrders, id_: str) -> None:
    status, problem = get(orders, ONE, order_id=id_)
    assert (status, problem["violations"][0]["rule"]) == (404, "order_not_found")


def test_another_customers_order_is_404_and_not_in_the_history(orders: MemoryOrders) -> None:
    key = placed(orders, OTHER_CUSTOMER)
    assert get(orders, ONE, order_id=key.order_id)[0] == 404
    assert get(orders, MANY)[1] == {"orders": [], "cursor": None}


def test_the_history_goes_page_by_page_newest_first(orders: MemoryOrders) -> None:
    ids = [placed(orders).order_id for _ in range(7)]
    seen: list[str] = []
    cursor: str | None = None
    pages = 0
    while True:
        query = {"limit": "3", **({"cursor": cursor} if cursor else {})}
        status, page = get(orders, MANY, query=query)
        assert status == 200
        seen += [entry["order_id"] for entry in page["orders"]]
        pages += 1
        cursor = page["cursor"]
        if cursor is None:
            break
    assert seen == ids[::-1]
    assert pages == 3


def test_a_line_of_the_history_says_what_a_list_shows(orders: MemoryOrders) -> None:
    key = placed(orders)
    orders.record(key, {Step.RESERVE: Outcome(NOW, refusal="out_of_stock")})
    _, page = get(orders, MANY)
    assert page["orders"] == [
        {
            "order_id": key.order_id,
            "status": "rejecting",
            "reason": "out_of_stock",
            "settled": False,
            "accepted_at": "2026-11-23T10:00:00.000Z",
            "total": 905,
            "currency": "GBP",
            "channel": "retail",
            "line_count": 1,
        }
    ]


@pytest.mark.parametrize("limit", ["0", "101", "-1", "many", "", "1.5", "٣", "99999"])
def test_a_limit_out_of_range_is_400(orders: MemoryOrders, limit: str) -> None:
    status, problem = get(orders, MANY, query={"limit": limit})
    assert (status, problem["violations"][0]["rule"]) == (400, "limit_invalid")


@pytest.mark.parametrize(
    "cursor", ["x", "ä", "", base64.b64encode(b"someone#progress").decode(), "====", "\x00"]
)
def test_a_cursor_that_no_answer_gave_is_400(orders: MemoryOrders, cursor: str) -> None:
    status, problem = get(orders, MANY, query={"cursor": cursor})
    assert (status, problem["violations"][0]["rule"]) == (400, "cursor_invalid")


class Misled(MemoryOrders):
    """Finds one customer's orders under another's key."""

    def progress(self, key: OrderKey) -> Progress | None:
        return super().progress(order_key(OTHER_CUSTOMER, key.order_id))

    def history(
        self, customer_id: CustomerId, limit: int, before: OrderId | None
    ) -> tuple[Sequence[Progress], OrderId | None]:
        return super().history(OTHER_CUSTOMER, limit, before)


@pytest.mark.parametrize("route", [ONE, MANY])
def test_another_customer_s_order_is_never_shown_however_it_was_found(route: str) -> None:
    orders, log = Misled(), MemoryLog()
    key = placed(orders, OTHER_CUSTOMER)
    answer = handle(request(route, order_id=key.order_id), Reads(orders, SetClock(NOW)), log)
    assert answer["statusCode"] == 500
    assert key.order_id not in answer["body"]
    assert log.lines == [{"step": "reads", "outcome": "foreign_order"}]
