"""Both ledgers keep the same promises; the fakes rest on nothing else."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from simulation.downstreams.dynamodb_ledger import dynamodb_ledgers
from simulation.downstreams.ledger import (
    Entry,
    KeyReusedError,
    Ledger,
    LedgerUnavailableError,
)
from tests.simulation.downstreams.builders import CUSTOMER, ORDER

RESERVED = Entry(
    customer_id=CUSTOMER,
    order_id=ORDER,
    step="reserve",
    idempotency_key="reserve-1",
    outcome="done",
    reference="reserve_1",
    at=1_763_892_000_123,
    units=7,
)
REFUSED = replace(
    RESERVED, outcome="refused", reference="reserve_2", code="out_of_stock", detail="None left."
)
REFUNDED = replace(RESERVED, step="refund", units=None, amount=3115, currency="GBP")

#: The fingerprint of the body that came with a key.
BODY = "fingerprint"


@pytest.mark.parametrize("entry", [RESERVED, REFUSED, REFUNDED], ids=lambda e: e.reference)
def test_an_entry_is_read_back_as_it_was_written(ledger: Ledger, entry: Entry) -> None:
    assert ledger.record(entry, BODY) == entry
    assert ledger.entries(CUSTOMER, ORDER) == (entry,)


def test_what_stands_under_a_key_is_never_overwritten(ledger: Ledger) -> None:
    ledger.record(RESERVED, BODY)
    assert ledger.record(REFUSED, BODY) == RESERVED
    assert ledger.entries(CUSTOMER, ORDER) == (RESERVED,)


def test_another_key_another_step_and_another_customer_are_entries_of_their_own(
    ledger: Ledger,
) -> None:
    again = replace(RESERVED, idempotency_key="reserve-2")
    released = replace(RESERVED, step="release")
    other = replace(RESERVED, customer_id="another")
    for entry in (RESERVED, again, released, other):
        assert ledger.record(entry, BODY) == entry
    assert set(ledger.entries(CUSTOMER, ORDER)) == {RESERVED, again, released}


def test_a_key_stays_with_the_body_that_came_first(ledger: Ledger) -> None:
    ledger.claim("key", "first")
    ledger.claim("key", "first")
    with pytest.raises(KeyReusedError):
        ledger.claim("key", "second")
    ledger.claim("other-key", "second")


def test_an_entry_claims_its_key_and_is_not_written_under_the_key_of_another(
    ledger: Ledger,
) -> None:
    ledger.record(RESERVED, "first")
    with pytest.raises(KeyReusedError):
        ledger.claim(RESERVED.idempotency_key, "second")
    elsewhere = replace(RESERVED, customer_id="another")
    with pytest.raises(KeyReusedError):
        ledger.record(elsewhere, "second")
    assert ledger.all_entries() == [RESERVED]


def test_an_entry_is_written_under_a_key_that_its_own_body_has_claimed(ledger: Ledger) -> None:
    ledger.claim(RESERVED.idempotency_key, BODY)
    assert ledger.record(RESERVED, BODY) == RESERVED
    assert ledger.entries(CUSTOMER, ORDER) == (RESERVED,)


def test_all_entries_are_found_and_claims_are_not_among_them(ledger: Ledger) -> None:
    written = {
        replace(RESERVED, customer_id=f"customer-{number % 3}", idempotency_key=f"key-{number}")
        for number in range(11)
    }
    for entry in written:
        ledger.record(entry, BODY)
    found = ledger.all_entries()
    assert len(found) == len(written)
    assert set(found) == written


def test_an_empty_ledger_has_no_entries(ledger: Ledger) -> None:
    assert ledger.all_entries() == []


def test_a_customer_id_with_a_slash_is_kept_apart_from_its_neighbour(ledger: Ledger) -> None:
    ledger.record(replace(RESERVED, customer_id="idp/7"), BODY)
    assert ledger.entries("idp", ORDER) == ()
    assert [entry.customer_id for entry in ledger.entries("idp/7", ORDER)] == ["idp/7"]


def test_of_many_at_once_under_one_key_one_is_written(ledger: Ledger) -> None:
    candidates = [replace(RESERVED, reference=f"reserve_{number}") for number in range(20)]
    with ThreadPoolExecutor(20) as threads:
        standing = set(threads.map(lambda entry: ledger.record(entry, BODY), candidates))
    assert len(standing) == 1
    assert set(ledger.entries(CUSTOMER, ORDER)) == standing


def test_an_unknown_table_is_a_ledger_that_is_unavailable(
    downstream_emulator: str, operation: Callable[[Ledger], object]
) -> None:
    ledgers = dynamodb_ledgers(
        {"any": "no-such-table"},
        endpoint_url=downstream_emulator,
        region="us-east-1",
        access_key_id="test",
        secret_access_key="test",
    )
    with pytest.raises(LedgerUnavailableError):
        operation(ledgers["any"])


@pytest.fixture(
    params=[
        lambda ledger: ledger.claim("key", "fingerprint"),
        lambda ledger: ledger.record(RESERVED, BODY),
        lambda ledger: ledger.entries(CUSTOMER, ORDER),
        lambda ledger: ledger.all_entries(),
    ],
    ids=["claim", "record", "entries", "all entries"],
)
def operation(request: pytest.FixtureRequest) -> Callable[[Ledger], object]:
    chosen: Callable[[Ledger], object] = request.param
    return chosen
