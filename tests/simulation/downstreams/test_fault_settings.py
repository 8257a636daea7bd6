"""Every switch does what it says, and a wrong one changes nothing."""

import json

import pytest

from simulation.downstreams.exchange import Request, Response
from simulation.downstreams.fake import FakeDownstream
from simulation.downstreams.ledger import MemoryLedger
from tests.simulation.downstreams.builders import (
    API_KEY,
    CUSTOMER,
    ORDER,
    Clock,
    Dice,
    answered,
    command,
    fake,
    lookup,
    set_faults,
)

AT_FIRST = {
    "latency_ms": 0,
    "error_rate": 0.0,
    "outage": False,
    "misconfigured": None,
    "lose_answers_rate": 0.0,
    "lose_callbacks_rate": 0.0,
    "idempotency_keys": True,
    "refuse_rate": 0.0,
    "refuse_skus": (),
    "too_late": False,
    "dispatch_after_ms": None,
}


def order_ids(count: int) -> list[str]:
    return [f"01933f2e-8a00-7000-8000-{number:012x}" for number in range(count)]


def fault_settings_of(service: FakeDownstream) -> Response:
    return answered(service(Request("GET", "/fault-settings", {"x-api-key": API_KEY})))


def test_at_first_nothing_goes_wrong() -> None:
    assert fault_settings_of(fake("inventory")).document == AT_FIRST


def test_a_put_replaces_the_whole_set() -> None:
    service = fake("fulfilment")
    set_faults(service, outage=True, error_rate=0.25)
    assert set_faults(service, too_late=True).document == {**AT_FIRST, "too_late": True}
    assert fault_settings_of(service).document == {**AT_FIRST, "too_late": True}
    assert set_faults(service).document == AT_FIRST


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"latency": 5}, 422, "fault_setting_unknown"),
        ({"outage": False, "outtage": True}, 422, "fault_setting_unknown"),
        ({"latency_ms": -1}, 422, "fault_setting_out_of_range"),
        ({"latency_ms": 60_001}, 422, "fault_setting_out_of_range"),
        ({"latency_ms": 0.5}, 422, "fault_setting_out_of_range"),
        ({"error_rate": 1.01}, 422, "fault_setting_out_of_range"),
        ({"lose_answers_rate": -0.01}, 422, "fault_setting_out_of_range"),
        ({"refuse_rate": "all"}, 422, "fault_setting_out_of_range"),
        ({"outage": "yes"}, 422, "fault_setting_out_of_range"),
        ({"misconfigured": "api_key"}, 422, "fault_setting_out_of_range"),
        ({"idempotency_keys": 0}, 422, "fault_setting_out_of_range"),
        ({"refuse_skus": "TEAPOT"}, 422, "fault_setting_out_of_range"),
        ({"refuse_skus": ["TEAPOT"] * 1001}, 422, "fault_setting_out_of_range"),
        ({"dispatch_after_ms": -1}, 422, "fault_setting_out_of_range"),
        ([], 400, "body_malformed"),
    ],
)
def test_a_wrong_fault_setting_is_named_and_changes_nothing(
    body: object, status: int, code: str
) -> None:
    service = fake("inventory")
    set_faults(service, error_rate=0.125)
    request = Request("PUT", "/fault-settings", {"x-api-key": API_KEY}, json.dumps(body).encode())
    answer = answered(service(request))
    assert (answer.status, answer.document["code"]) == (status, code)
    assert fault_settings_of(service).document == {**AT_FIRST, "error_rate": 0.125}


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_the_fault_settings_need_the_api_key(method: str) -> None:
    answer = answered(fake("inventory")(Request(method, "/fault-settings", {}, b"{}")))
    assert answer.status == 401


def test_an_outage_stops_everything_but_health_and_fault_settings() -> None:
    ledger = MemoryLedger()
    service = fake("inventory", ledger)
    set_faults(service, outage=True)
    assert answered(service(command("reserve"))).status == 503
    assert answered(service(lookup("reserve"))).status == 503
    assert answered(service(Request("GET", "/nowhere"))).status == 503
    assert answered(service(Request("GET", "/health"))).status == 200
    assert ledger.all_entries() == []
    assert set_faults(service).status == 200
    assert answered(service(command("reserve"))).status == 201


@pytest.mark.parametrize(
    ("misconfigured", "status", "body"),
    [
        ("wrong_key", 401, b'"code":"api_key_wrong"'),
        ("moved", 308, b"{}"),
        ("page", 200, b"<title>"),
    ],
)
def test_what_is_misconfigured_answers_beside_the_point_and_does_nothing(
    misconfigured: str, status: int, body: bytes
) -> None:
    ledger = MemoryLedger()
    service = fake("inventory", ledger)
    set_faults(service, misconfigured=misconfigured)
    for request in (command("reserve"), lookup("reserve"), Request("GET", "/nowhere")):
        answer = answered(service(request))
        assert (answer.status, body in answer.body) == (status, True)
    assert ledger.all_entries() == []
    set_faults(service, misconfigured=misconfigured, outage=True)
    assert answered(service(command("reserve"))).status == 503
    assert set_faults(service).status == 200
    assert answered(service(command("reserve"))).status == 201


def test_an_error_comes_before_any_effect_and_as_often_as_the_rate_says() -> None:
    ledger = MemoryLedger()
    dice = Dice()
    service = fake("inventory", ledger, random=dice)
    set_faults(service, error_rate=0.3)
    dice.value = 0.29
    assert answered(service(command("reserve"))).status == 503
    assert answered(service(lookup("reserve"))).status == 503
    assert ledger.all_entries() == []
    dice.value = 0.3
    assert answered(service(command("reserve"))).status == 201
    assert answered(service(lookup("reserve"))).status == 200


def test_a_lost_answer_leaves_its_effect_and_is_heard_by_the_retry() -> None:
    ledger = MemoryLedger()
    dice = Dice(0.0)
    service = fake("inventory", ledger, random=dice)
    set_faults(service, lose_answers_rate=0.5)
    assert service(command("reserve")) is None
    (lost,) = ledger.entries(CUSTOMER, ORDER)
    assert service(lookup("reserve")) is None
    dice.value = 0.9
    assert answered(service(command("reserve"))).document == {"reference": lost.reference}
    assert ledger.entries(CUSTOMER, ORDER) == (lost,)


def test_only_an_answer_that_tells_of_a_record_can_be_lost() -> None:
    service = fake("inventory")
    set_faults(service, lose_answers_rate=1)
    assert answered(service(command("reserve", lines=[]))).status == 422
    assert answered(service(command("release"))).status == 422
    assert answered(service(lookup("reserve"))).status == 404


@pytest.mark.parametrize(
    ("downstream", "step", "code"),
    [
        ("inventory", "reserve", "out_of_stock"),
        ("fulfilment", "ship", "undeliverable"),
        ("accounting", "post", "account_blocked"),
    ],
)
def test_the_refused_share_of_orders_is_the_rate_and_a_retry_meets_the_same_fate(
    downstream: str, step: str, code: str
) -> None:
    # Two fakes with ledgers of their own: the outcome is in the order, not in the record.
    first, second = fake(downstream), fake(downstream)
    refused = 0
    for order_id in order_ids(400):
        expected_outcomes = set()
        for service in (first, second):
            set_faults(service, refuse_rate=0.25)
            expected_outcomes.add(
                answered(service(command(step, order_id=order_id))).document.get("code")
            )
        assert expected_outcomes in ({code}, {None})
        refused += expected_outcomes == {code}
    assert 60 <= refused <= 140  # 100 expected, sigma 8.7


def test_the_orders_that_one_step_refuses_are_not_those_that_another_refuses() -> None:
    def refused(downstream: str, step: str) -> set[str]:
        service = fake(downstream)
        set_faults(service, refuse_rate=0.5)
        return {
            order_id
            for order_id in order_ids(200)
            if answered(service(command(step, order_id=order_id))).status == 409
        }

    shared = refused("inventory", "reserve") & refused("fulfilment", "ship")
    assert 20 <= len(shared) <= 80  # 50 expected of 200


@pytest.mark.parametrize("rate", [0, 1])
def test_a_rate_of_none_or_all_has_no_exception(rate: int) -> None:
    service = fake("inventory")
    set_faults(service, refuse_rate=rate)
    statuses = {
        answered(service(command("reserve", order_id=order_id))).status
        for order_id in order_ids(100)
    }
    assert statuses == ({409} if rate else {201})


def test_an_order_that_asks_for_an_empty_shelf_is_refused_by_the_shelf() -> None:
    service = fake("inventory")
    set_faults(service, refuse_skus=["LANTERN"])
    answer = answered(service(command("reserve")))
    assert (answer.status, answer.document["code"]) == (409, "out_of_stock")
    assert "LANTERN" in str(answer.document["detail"])
    only_teapots = command(
        "reserve", order_id=order_ids(1)[0], lines=[{"sku": "TEAPOT", "quantity": 1}]
    )
    assert answered(service(only_teapots)).status == 201


def test_a_shipment_that_has_left_cannot_be_cancelled_but_can_be_recalled() -> None:
    service = fake("fulfilment")
    set_faults(service, too_late=True)
    service(command("ship"))
    answer = answered(service(command("cancel_shipment")))
    assert (answer.status, answer.document["code"]) == (409, "too_late")
    assert answered(service(command("recall_shipment"))).status == 201


@pytest.mark.parametrize(("age_ms", "status"), [(899_999, 201), (900_000, 409)])
def test_a_shipment_leaves_at_its_dispatch_age(age_ms: int, status: int) -> None:
    clock = Clock()
    service = fake("fulfilment", now_ms=clock)
    set_faults(service, dispatch_after_ms=900_000)
    service(command("ship"))
    clock.now_ms += age_ms
    assert answered(service(command("cancel_shipment"))).status == status


def test_latency_holds_commands_back_and_nothing_else() -> None:
    service = fake("inventory")
    set_faults(service, latency_ms=250)
    assert service.delay_ms(command("reserve")) == 250
    assert service.delay_ms(lookup("reserve")) == 250
    assert service.delay_ms(Request("GET", "/health")) == 0
    assert service.delay_ms(Request("GET", "/fault-settings")) == 0
