"""The ERP decides in batches, once for each key, and is asked by document number."""

import json

import pytest

from simulation.downstreams.examples.erp import HOLD_NUMBERS_FROM, RELEASE_NUMBERS_FROM
from simulation.downstreams.ledger import Ledger, MemoryLedger
from tests.simulation.downstreams.builders import CUSTOMER, ORDER, answered
from tests.simulation.downstreams.examples.builders import (
    CORRELATION,
    an_erp,
    find_hold,
    held,
    hold,
    release,
    set_faults,
)

KEY_TAKEN = {
    "Code": "VORGANG_VERGEBEN",
    "Text": "Der Vorgang kam mit einem anderen Beleg.",
}


def test_a_hold_is_taken_and_decided_with_the_next_batch(ledger: Ledger) -> None:
    erp = an_erp(ledger)
    taken = answered(erp(hold()))
    assert (taken.status, ledger.all_entries()) == (202, [])
    assert answered(erp(find_hold())).document["Status"] == "ANGENOMMEN"
    [callback] = erp.work_off()
    assert json.loads(callback) == {
        "Kennung": CORRELATION,
        "BelegNr": ORDER,
        "Status": "RESERVIERT",
        "ReservierungsNr": HOLD_NUMBERS_FROM,
    }
    [entry] = ledger.all_entries()
    assert (entry.customer_id, entry.step, entry.units) == (CUSTOMER, "reserve", 7)
    assert (entry.amount, entry.currency) == (3115, "GBP")
    assert erp.work_off() == []


def test_the_same_key_has_one_effect_before_and_after_the_batch() -> None:
    ledger = MemoryLedger()
    erp = an_erp(ledger)
    assert answered(erp(hold())).status == 202
    number = held(erp)
    again = answered(erp(hold()))
    assert (again.status, again.document["ReservierungsNr"]) == (200, number)
    assert len(ledger.all_entries()) == 1


def test_another_key_is_another_hold() -> None:
    ledger = MemoryLedger()
    erp = an_erp(ledger)
    erp(hold("first"))
    erp(hold("second"))
    assert len(erp.work_off()) == len(ledger.all_entries()) == 2


def test_a_refusal_is_given_to_whoever_asks_again_too() -> None:
    erp = an_erp()
    set_faults(erp, refuse_skus=["LANTERN"])
    erp(hold())
    [callback] = erp.work_off()
    set_faults(erp)
    assert json.loads(callback)["Grund"] == "FEHLBESTAND"
    assert answered(erp(hold())).status == 422
    assert answered(erp(find_hold())).document["Status"] == "ABGELEHNT"


@pytest.mark.parametrize(
    ("amount", "currency", "minor_units"),
    [("31.15", "GBP", 3115), ("0", "EUR", 0), ("1.5", "EUR", 150), ("700", "JPY", 700)],
)
def test_amounts_are_decimals_of_their_currency(
    amount: str, currency: str, minor_units: int
) -> None:
    ledger = MemoryLedger()
    erp = an_erp(ledger)
    erp(hold(Belegwert=amount, Waehrung=currency))
    erp.work_off()
    assert ledger.all_entries()[0].amount == minor_units


@pytest.mark.parametrize(
    ("amount", "currency"), [("31.155", "GBP"), ("1.5", "JPY"), ("31,15", "EUR"), (3115, "GBP")]
)
def test_an_amount_that_its_currency_has_not_is_turned_away(amount: object, currency: str) -> None:
    assert answered(an_erp()(hold(Belegwert=amount, Waehrung=currency))).status == 400


def test_a_hold_is_released_once_by_its_number() -> None:
    ledger = MemoryLedger()
    erp = an_erp(ledger)
    number = held(erp)
    first, again = answered(erp(release(number))), answered(erp(release(number)))
    assert first.document == {"StornoNr": RELEASE_NUMBERS_FROM, "ReservierungsNr": number}
    assert again == first
    assert [entry.step for entry in ledger.all_entries()] == ["reserve", "release"]
    assert answered(erp(find_hold())).document["Status"] == "STORNIERT"


def test_a_key_stays_with_the_document_that_it_first_came_with() -> None:
    erp = an_erp()
    number = held(erp)
    key = release(number).headers["x-vorgang"]
    erp(release(number))
    for request in (hold(Belegwert="7"), hold(key), release(number, hold().headers["x-vorgang"])):
        answer = answered(erp(request))
        assert (answer.status, answer.document["Fehler"]) == (409, KEY_TAKEN)


def test_in_an_outage_nothing_is_decided_and_nothing_is_lost() -> None:
    erp = an_erp()
    erp(hold())
    set_faults(erp, outage=True)
    assert (erp.work_off(), answered(erp(hold())).status) == ([], 503)
    set_faults(erp)
    assert len(erp.work_off()) == 1


def test_lost_answers_and_lost_callbacks_leave_their_effect() -> None:
    ledger = MemoryLedger()
    erp = an_erp(ledger)
    set_faults(erp, lose_answers_rate=1, lose_callbacks_rate=1)
    assert erp(hold()) is None
    assert erp.work_off() == []
    assert len(ledger.all_entries()) == 1
    set_faults(erp)
    assert answered(erp(find_hold())).document["Status"] == "RESERVIERT"
