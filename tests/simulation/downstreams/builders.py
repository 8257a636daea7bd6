"""Requests to the fakes, with defaults, and fakes whose clock and dice the test holds."""

import json
from collections.abc import Callable, Mapping

from simulation.downstreams.exchange import Request, Response
from simulation.downstreams.fake import FakeDownstream
from simulation.downstreams.ledger import Ledger, MemoryLedger

API_KEY = "local-key"
#: Of the fakes that are served.
API_KEYS = {"inventory": "key-i", "fulfilment": "key-f", "accounting": "key-a"}
CUSTOMER = "7b1c9e52-3a7f-4c1e-9f0d-2f6a5b8c1d3e"
ORDER = "01933f2e-8a00-7000-8000-000000000001"

TEAPOT = {"sku": "TEAPOT", "quantity": 2}
LANTERN = {"sku": "LANTERN", "quantity": 5}
ADDRESS = {
    "name": "A. Buyer",
    "lines": ["1 High Street"],
    "city": "Leeds",
    "postal_code": "LS1 4AP",
    "country": "GB",
}

#: What each step asks for besides the two ids, and where.
PATHS = {
    "reserve": "/reservations",
    "release": "/releases",
    "ship": "/shipments",
    "cancel_shipment": "/shipment-cancellations",
    "recall_shipment": "/recalls",
    "post": "/postings",
    "refund": "/refunds",
}
DOWNSTREAM_OF = {
    "reserve": "inventory",
    "release": "inventory",
    "ship": "fulfilment",
    "cancel_shipment": "fulfilment",
    "recall_shipment": "fulfilment",
    "post": "accounting",
    "refund": "accounting",
}
FIELDS: Mapping[str, Mapping[str, object]] = {
    "reserve": {"lines": [TEAPOT, LANTERN]},
    "ship": {"channel": "retail", "lines": [TEAPOT, LANTERN], "address": ADDRESS},
    "post": {
        "channel": "wholesale",
        "currency": "GBP",
        "lines": [{**TEAPOT, "unit_price": 1250}, {**LANTERN, "unit_price": 100}],
        "discounts": [{"coupon": "XMAS10", "amount": 300}],
        "shipping": 395,
        "tax": 20,
        "total": 3115,
        "payment_reference": "pay_01",
        "purchase_order": "PO-4711",
    },
    "refund": {"payment_reference": "pay_01", "amount": 3115, "currency": "GBP"},
}
#: The step without which an undoing step has nothing to undo.
UNDOES = {"release": "reserve", "cancel_shipment": "ship", "recall_shipment": "ship"}


def body_of(
    step: str, order_id: str = ORDER, customer_id: str = CUSTOMER, **changes: object
) -> dict[str, object]:
    return {
        "customer_id": customer_id,
        "order_id": order_id,
        **FIELDS.get(step, {}),
        **changes,
    }


def key_of(step: str, order_id: str = ORDER) -> str:
    return f"{step}-{order_id}-c0ffee"


def command(
    step: str,
    *,
    order_id: str = ORDER,
    customer_id: str = CUSTOMER,
    key: str | None = None,
    **changes: object,
) -> Request:
    """A command for `step` as Spillway would send it, but for `changes` to its body."""
    return post(
        PATHS[step],
        json.dumps(body_of(step, order_id, customer_id, **changes)).encode(),
        {"idempotency-key": key or key_of(step, order_id)},
    )


def lookup(
    step: str, *, order_id: str = ORDER, customer_id: str = CUSTOMER, **changes: str
) -> Request:
    """Asks what is on record for `step`, with `changes` to the query."""
    query = {"customer_id": customer_id, "order_id": order_id, **changes}
    return Request("GET", PATHS[step], {"x-api-key": API_KEY}, query=query)


def post(path: str, body: bytes, headers: Mapping[str, str]) -> Request:
    return Request("POST", path, {"x-api-key": API_KEY, **headers}, body)


class Dice:
    """Falls as the test says: on `value` every time."""

    def __init__(self, value: float = 0.5) -> None:
        self.value = value

    def __call__(self) -> float:
        return self.value


class Clock:
    def __init__(self, now_ms: int = 1_763_892_000_000) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


def fake(
    downstream: str,
    ledger: Ledger | None = None,
    now_ms: Callable[[], int] | None = None,
    random: Callable[[], float] | None = None,
) -> FakeDownstream:
    return FakeDownstream(
        downstream,
        ledger=ledger or MemoryLedger(),
        api_key=API_KEY,
        now_ms=now_ms or Clock(),
        random=random or Dice(),
    )


def set_faults(service: FakeDownstream, **fault_settings: object) -> Response:
    """Put the whole set of fault settings: those not named are off."""
    request = Request(
        "PUT", "/fault-settings", {"x-api-key": API_KEY}, json.dumps(fault_settings).encode()
    )
    return answered(service(request))


def answered(response: Response | None) -> Response:
    assert response is not None, "the answer was lost"
    return response
