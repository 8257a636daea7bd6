"""The books post whatever comes, however often, to whoever has a token in force."""

import json

import pytest

from simulation.downstreams.examples.books import (
    CLIENT_ID,
    CREDIT_NOTES,
    INVOICES,
    NUMBERS_FROM,
    TOKEN,
)
from simulation.downstreams.exchange import Request
from simulation.downstreams.ledger import Ledger, MemoryLedger
from tests.simulation.downstreams.builders import API_KEY, CUSTOMER, Clock, answered
from tests.simulation.downstreams.examples.builders import (
    INVOICE,
    ask_for_token,
    bearer,
    find,
    post,
    set_faults,
    some_books,
)


def test_a_second_posting_is_a_second_posting(ledger: Ledger) -> None:
    books = some_books(ledger)
    first, second = answered(post(books)), answered(post(books))
    assert (first.status, second.status) == (201, 201)
    assert [first.document["id"], second.document["id"]] == [NUMBERS_FROM, NUMBERS_FROM + 1]
    assert find(books).document["count"] == len(ledger.all_entries()) == 2
    assert {(one.customer_id, one.amount) for one in ledger.all_entries()} == {(CUSTOMER, 2665)}


def test_a_lookup_has_what_was_posted_before_what_was_rejected() -> None:
    books = some_books()
    assert find(books).document == {"count": 0, "results": []}
    set_faults(books, refuse_rate=1)
    post(books)
    set_faults(books)
    post(books)
    results = find(books).document["results"]
    assert isinstance(results, list)
    assert [one["state"] for one in results] == ["posted", "rejected"]
    assert find(books, CREDIT_NOTES).document["count"] == 0


@pytest.mark.parametrize("path", [INVOICES, CREDIT_NOTES])
def test_a_lost_answer_is_found_by_looking_it_up(path: str) -> None:
    books = some_books()
    set_faults(books, lose_answers_rate=1)
    assert post(books, path) is None
    set_faults(books)
    assert find(books, path).document["count"] == 1


def test_parts_that_do_not_add_up_are_not_posted() -> None:
    ledger = MemoryLedger()
    answer = answered(post(some_books(ledger), gross=2666))
    assert (answer.status, ledger.all_entries()) == (400, [])


def test_a_posting_says_whether_somebody_had_looked_before_and_found_nothing() -> None:
    """One look is good for one posting: what looked at the same moment had looked too."""
    ledger = MemoryLedger()
    books = some_books(ledger)
    find(books)
    find(books)
    find(books, CREDIT_NOTES)
    for _ in range(2):
        post(books)
    find(books)
    post(books)
    assert [entry.looked_up_at is not None for entry in ledger.all_entries()] == [True, True, False]


def test_a_token_is_in_force_for_as_long_as_it_says() -> None:
    books = some_books()
    clock = books.now_ms
    assert isinstance(clock, Clock)
    token = bearer(books)
    request = Request("POST", INVOICES, token, json.dumps(INVOICE).encode())
    clock.now_ms += books.token_seconds * 1000 - 1
    assert answered(books(request)).status == 201
    clock.now_ms += 1
    assert answered(books(request)).status == 401


def test_the_client_may_name_itself_in_the_form_instead() -> None:
    form = f"grant_type=client_credentials&client_id={CLIENT_ID}&client_secret={API_KEY}"
    assert answered(some_books()(Request("POST", TOKEN, {}, form.encode()))).status == 200


@pytest.mark.parametrize("header", ["Basic ***", "Basic /w==", "Basic", "Bearer x", ""])
def test_who_is_not_the_client_gets_no_token(header: str) -> None:
    request = Request("POST", TOKEN, {"authorization": header}, b"grant_type=client_credentials")
    assert answered(some_books()(request)).status == 401


def test_in_an_outage_there_are_no_tokens_either() -> None:
    books = some_books()
    set_faults(books, outage=True)
    assert answered(books(ask_for_token())).status == 503
