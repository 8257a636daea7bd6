"""The warehouse answers each message, has one effect for each messageId, and never guesses."""

import pytest

from simulation.downstreams.examples.warehouse import BrokenDownError
from simulation.downstreams.ledger import Ledger, MemoryLedger
from tests.simulation.downstreams.builders import CUSTOMER, ORDER
from tests.simulation.downstreams.examples.builders import (
    SHIP_TO,
    a_warehouse,
    cancel,
    outcome,
    set_faults,
    ship,
    shipped,
)


def test_a_message_that_comes_again_has_the_same_outcome_and_no_second_effect(
    ledger: Ledger,
) -> None:
    warehouse = a_warehouse(ledger)
    first, again = outcome(warehouse, ship()), outcome(warehouse, ship())
    assert first == again
    assert first["correlation"] == f"ship.{ORDER}.N2IxYzllNTI"
    [entry] = ledger.all_entries()
    assert (entry.customer_id, entry.step, entry.units) == (CUSTOMER, "ship", 2)


def test_what_an_address_need_not_have_may_be_null_or_left_out() -> None:
    optional = {"postCode": None, "region": None, "phone": "", "email": None}
    assert outcome(a_warehouse(), ship(shipTo={**SHIP_TO, **optional}))["confirmation"]


def test_a_shipment_that_has_left_is_not_cancelled() -> None:
    warehouse = a_warehouse()
    number = shipped(warehouse)
    set_faults(warehouse, dispatch_after_ms=0)
    answer = outcome(warehouse, cancel(number))
    assert (answer["type"], answer["reasonCode"]) == ("CANCEL_REJECTED", "TOO_LATE")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "MALFORMED"),
        (b"[]", "MALFORMED"),
        (ship(channel="market"), "MALFORMED"),
        (ship(channel="wholesale"), "MESSAGE_ID_REUSED"),
        (cancel("ship_0"), "SHIPMENT_UNKNOWN"),
    ],
)
def test_what_breaks_the_contract_is_given_back_and_has_no_effect(body: bytes, code: str) -> None:
    ledger = MemoryLedger()
    warehouse = a_warehouse(ledger)
    shipped(warehouse)
    answer = outcome(warehouse, body)
    assert (answer["type"], answer["errorCode"]) == ("MESSAGE_REFUSED", code)
    assert len(ledger.all_entries()) == 1


def test_a_message_that_is_not_handled_has_no_effect_and_comes_again() -> None:
    ledger = MemoryLedger()
    warehouse = a_warehouse(ledger)
    set_faults(warehouse, error_rate=1)
    with pytest.raises(BrokenDownError):
        warehouse.handle(ship())
    assert ledger.all_entries() == []


def test_a_lost_outcome_leaves_its_effect_and_is_given_when_asked_again() -> None:
    ledger = MemoryLedger()
    warehouse = a_warehouse(ledger)
    set_faults(warehouse, lose_answers_rate=1)
    assert warehouse.handle(ship()) is None
    set_faults(warehouse)
    assert outcome(warehouse, ship())["confirmation"] == ledger.all_entries()[0].reference
    assert len(ledger.all_entries()) == 1


def test_in_an_outage_it_is_paused() -> None:
    warehouse = a_warehouse()
    set_faults(warehouse, outage=True, latency_ms=5)
    assert (warehouse.paused, warehouse.latency_ms) == (True, 5)
