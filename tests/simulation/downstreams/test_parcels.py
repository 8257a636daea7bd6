"""Fulfilment's fakes tell of a parcel what they are asked to tell, under what the command to ship
carried, and nothing of a shipment that they do not have."""

import json
from collections.abc import Callable

import httpx
import pytest

from orders.domain.units import Millis
from orders.downstream.description import described
from orders.downstream.told import told
from orders.failures import PermanentFailure
from orders.ports import ToldOfParcel
from simulation.downstreams.callback import Callback
from simulation.downstreams.examples.warehouse import Warehouse, parcel_form
from simulation.downstreams.exchange import Request, Response
from simulation.downstreams.parcels import Parcels
from simulation.downstreams.service import Service
from tests.simulation.downstreams.builders import (
    API_KEY,
    CUSTOMER,
    ORDER,
    answered,
    command,
    fake,
    post,
)
from tests.simulation.downstreams.examples.builders import (
    a_warehouse,
    document,
    set_faults,
    shipped,
)
from tests.simulation.downstreams.examples.test_contracts import check

CORRELATION = f"ship.{ORDER}.N2IxYzllNTI"
SHIPPED = {"status": "shipped", "parcel": "1", "parcels": 2, "carrier": "DHL"}


class Listener:
    """Takes messages, unless it is told not to."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        self.takes = True

    def __call__(self, body: bytes) -> bool:
        self.heard.append(json.loads(body))
        return self.takes


@pytest.fixture
def listener() -> Listener:
    return Listener()


def fulfilment(listener: Listener) -> Service:
    service = fake("fulfilment")
    service.parcels = Parcels(listener)
    return service


def warehouse(listener: Listener) -> Warehouse:
    service = a_warehouse()
    service.parcels = Parcels(listener, parcel_form)
    return service


def ship(service: Service, correlation: str | None = CORRELATION) -> None:
    request = command("ship")
    if correlation is not None:
        request = post(
            request.path, request.body, {**request.headers, "correlation-id": correlation}
        )
    assert answered(service(request)).status == 201


def tell(service: Service, **changes: object) -> Response:
    news = {"customer_id": CUSTOMER, "order_id": ORDER, **SHIPPED, **changes}
    body = json.dumps(news).encode()
    return answered(service(Request("POST", "/parcels", {"x-api-key": API_KEY}, body)))


def test_a_parcel_is_told_in_our_form_under_the_shipment_correlation_id(
    listener: Listener,
) -> None:
    service = fulfilment(listener)
    ship(service)
    set_faults(service, outage=True, latency_ms=1_000)  # Of the service, not of who plays it.
    told = tell(service, tracking_number="00340434161094042557")
    assert told.status == 200
    assert listener.heard == [
        {
            "correlation_id": CORRELATION,
            **SHIPPED,
            "tracking_number": "00340434161094042557",
        }
    ]
    assert listener.heard == [told.document]
    assert service.delay_ms(Request("POST", "/parcels")) == 0


def test_that_all_was_returned_is_told_without_the_number_of_a_parcel(listener: Listener) -> None:
    service = fulfilment(listener)
    ship(service)
    tell(service, status="order_returned", parcel=None, parcels=None, carrier=None)
    assert listener.heard == [{"correlation_id": CORRELATION, "status": "order_returned"}]


@pytest.mark.parametrize(
    ("prepared", "changes", "status", "code"),
    [
        (ship, {"order_id": ORDER.replace("1", "2")}, 404, "nothing_on_record"),
        (ship, {"status": "lost"}, 422, "body_invalid"),
        (ship, {"parcel": None}, 422, "parcel_wrong"),
        (ship, {"status": "returned", "parcel": None, "carrier": None}, 422, "parcel_wrong"),
        (ship, {"status": "order_returned", "carrier": None}, 422, "parcel_wrong"),
        (ship, {"status": "delivered"}, 422, "carrier_unexpected"),
        (ship, {"parcels": 101}, 422, "body_invalid"),
        (lambda service: ship(service, None), {}, 409, "correlation_missing"),
        (lambda service: cancelled(service), {}, 409, "shipment_cancelled"),
    ],
)
def test_what_cannot_be_told_is_refused(
    listener: Listener,
    prepared: Callable[[Service], None],
    changes: dict[str, object],
    status: int,
    code: str,
) -> None:
    service = fulfilment(listener)
    prepared(service)
    refused = tell(service, **changes)
    assert (refused.status, refused.document["code"]) == (status, code)
    assert listener.heard == []


def cancelled(service: Service) -> None:
    ship(service)
    assert answered(service(command("cancel_shipment"))).status == 201


def test_a_message_that_nobody_takes_is_not_called_told(listener: Listener) -> None:
    service = fulfilment(listener)
    ship(service)
    listener.takes = False
    assert tell(service).document["code"] == "not_taken"


def test_only_who_has_the_key_can_ask(listener: Listener) -> None:
    refused = answered(fulfilment(listener)(Request("POST", "/parcels", {"x-api-key": "wrong"})))
    assert refused.status == 401


def test_where_nobody_listens_there_is_no_such_path() -> None:
    assert tell(fake("fulfilment")).document["code"] == "path_unknown"


def test_the_warehouse_tells_in_its_own_form(listener: Listener) -> None:
    service = warehouse(listener)
    shipped(service)
    tell(service, tracking_number="JD0146")
    tell(service, status="delivered", carrier=None)
    tell(service, status="returned", carrier=None)
    tell(service, status="order_returned", parcel=None, parcels=None, carrier=None)
    schema = document("warehouse")["components"]["messages"]["parcel"]["payload"]
    described_as = described("warehouse", "fulfilment").outcomes
    assert described_as is not None
    for message in listener.heard:
        check("warehouse", schema, message)
        assert isinstance(told(json.dumps(message).encode(), described_as, Millis(1)), ToldOfParcel)
    assert len(listener.heard) == 4
    without_its_number = {"type": "PARCEL_RETURNED", "correlation": CORRELATION}
    with pytest.raises(PermanentFailure, match="number is missing"):
        told(json.dumps(without_its_number).encode(), described_as, Millis(1))
    assert listener.heard[0] == {
        "type": "PARCEL_DISPATCHED",
        "correlation": CORRELATION,
        "orderNumber": ORDER,
        "parcelNumber": "1",
        "parcelCount": 2,
        "carrierName": "DHL",
        "trackingCode": "JD0146",
    }


@pytest.mark.parametrize(("status", "taken"), [(204, True), (401, False), (503, False)])
def test_a_callback_is_taken_when_it_is_answered_so(status: int, taken: bool) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(status))
    assert Callback("http://store.example/", b"key", transport=transport).send(b"{}") is taken
