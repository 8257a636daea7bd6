"""The contracts in docs/contracts/examples/ are sound, and the examples keep them: each answer that
is promised is given, and no other, in the form that the contract has."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from simulation.downstreams.examples.books import CREDIT_NOTES, INVOICES, TOKEN, Books
from simulation.downstreams.examples.erp import HOLDS, Erp
from simulation.downstreams.exchange import Request, Response
from tests.simulation.downstreams.builders import API_KEY, answered
from tests.simulation.downstreams.examples.builders import (
    a_warehouse,
    an_erp,
    ask_for_token,
    bearer,
    cancel,
    document,
    find,
    find_hold,
    held,
    hold,
    outcome,
    post,
    recall,
    release,
    set_faults,
    ship,
    shipped,
    some_books,
)

DOWN = {"outage": True}
BUSY = {"error_rate": 1}


def check(name: str, schema: object, value: object) -> None:
    from jsonschema import Draft202012Validator

    assert isinstance(schema, dict)
    components = document(name)["components"]
    Draft202012Validator({**schema, "components": components}).validate(value)


def resolved(name: str, node: Any) -> Any:
    while "$ref" in node:
        target: Any = document(name)
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def codes(name: str, node: Any) -> Iterator[str]:
    """Every code of an error that a schema promises, wherever it is in it."""
    node = resolved(name, node) if isinstance(node, dict) else node
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("Code", "code", "error", "Grund", "reasonCode", "errorCode", "type"):
                yield from value.get("enum", ()) if isinstance(value, dict) else ()
            yield from codes(name, value)
    elif isinstance(node, list):
        for value in node:
            yield from codes(name, value)


# By HTTP.


def of_hold() -> Iterator[Response | None]:
    erp = an_erp()
    yield erp(hold())
    yield erp(hold(Belegwert="1.00"))
    erp.work_off()
    yield erp(hold())
    yield erp(hold(key=" "))
    yield erp(hold(Waehrung="JPY"))
    yield erp(Request("POST", HOLDS))
    set_faults(erp, refuse_rate=1)
    yield erp(hold("another"))
    erp.work_off()
    yield erp(hold("another"))
    yield from when_unavailable(erp, hold())


def of_finding_a_hold() -> Iterator[Response | None]:
    erp = an_erp()
    yield erp(find_hold())
    yield erp(find_hold(BelegNr="1"))
    erp(hold())
    yield erp(find_hold())
    set_faults(erp, refuse_rate=1)
    erp.work_off()
    yield erp(find_hold())
    set_faults(erp)
    erp(release(held_again(erp)))
    yield erp(find_hold())
    yield erp(Request("GET", HOLDS))
    yield from when_unavailable(erp, find_hold())


def held_again(erp: Erp) -> int:
    erp(hold("another"))
    [callback] = erp.work_off()
    number: int = json.loads(callback)["ReservierungsNr"]
    return number


def of_release() -> Iterator[Response | None]:
    erp = an_erp()
    number = held(erp)
    yield erp(release(number))
    yield erp(release(number, key=" "))
    yield erp(release(number + 1))
    yield erp(release(number, key="reserve-01933f2e-8a00-7000-8000-000000000001-c0ffee"))
    yield erp(Request("DELETE", f"{HOLDS}/{number}"))
    yield from when_unavailable(erp, release(number))


def of_a_token() -> Iterator[Response | None]:
    books = some_books()
    yield books(ask_for_token())
    yield books(ask_for_token(grant="password"))
    yield books(ask_for_token(secret="wrong"))
    set_faults(books, **DOWN)
    yield books(ask_for_token())


def of_posting(path: str) -> Iterator[Response | None]:
    books = some_books()
    yield post(books, path)
    yield post(books, path, gross="1")
    yield post(books, path, paid_by=None)
    yield books(Request("POST", path))
    if path == INVOICES:
        set_faults(books, refuse_rate=1)
        yield post(books, path)
    yield from when_unavailable(books, Request("POST", path, bearer(books)))


def of_finding_postings(path: str) -> Iterator[Response | None]:
    books = some_books()
    yield find(books, path)
    yield find(books, path, document="1")
    post(books, path)
    yield find(books, path)
    set_faults(books, refuse_rate=1)
    post(books, path)
    yield find(books, path)
    yield books(Request("GET", path))
    yield from when_unavailable(books, Request("GET", path, bearer(books)))


def when_unavailable(service: Erp | Books, request: Request) -> Iterator[Response | None]:
    for faults in (DOWN, BUSY):
        set_faults(service, **faults)
        yield service(request)


OPERATIONS: list[tuple[str, str, str, Callable[[], Iterator[Response | None]]]] = [
    ("erp", HOLDS, "post", of_hold),
    ("erp", HOLDS, "get", of_finding_a_hold),
    ("erp", f"{HOLDS}/{{ReservierungsNr}}", "delete", of_release),
    ("books", TOKEN, "post", of_a_token),
    ("books", INVOICES, "post", lambda: of_posting(INVOICES)),
    ("books", CREDIT_NOTES, "post", lambda: of_posting(CREDIT_NOTES)),
    ("books", INVOICES, "get", lambda: of_finding_postings(INVOICES)),
    ("books", CREDIT_NOTES, "get", lambda: of_finding_postings(CREDIT_NOTES)),
]


@pytest.mark.parametrize("name", ["erp", "books"])
def test_an_http_contract_is_valid_openapi_and_has_no_operation_beside_the_tested(
    name: str,
) -> None:
    from openapi_spec_validator import OpenAPIV31SpecValidator

    OpenAPIV31SpecValidator(document(name)).validate()
    described = {
        (path, method) for path, methods in document(name)["paths"].items() for method in methods
    }
    assert described == {(path, method) for of, path, method, _ in OPERATIONS if of == name}


@pytest.mark.parametrize(("name", "path", "method", "answers"), OPERATIONS)
def test_each_promised_answer_is_given_in_its_form_and_no_other(
    name: str, path: str, method: str, answers: Callable[[], Iterator[Response | None]]
) -> None:
    promised = document(name)["paths"][path][method]["responses"]
    given: set[tuple[int, str | None]] = set()
    for answer in map(answered, answers()):
        described = resolved(name, promised[str(answer.status)])
        schema = described["content"]["application/json"]["schema"]
        check(name, schema, json.loads(answer.body))
        for header, form in described.get("headers", {}).items():
            check(name, form["schema"], answer.headers[header.lower()])
        given |= {(answer.status, code) for code in code_of(answer)}
    assert {str(status) for status, _ in given} == promised.keys()
    # A code that several operations share may be one of another.
    for status in promised:
        described = resolved(name, promised[status])
        may = set(codes(name, described["content"]["application/json"]["schema"]))
        assert {code for each, code in given if str(each) == status and code} <= may


def code_of(answer: Response) -> list[str | None]:
    match json.loads(answer.body):
        case {"Fehler": {"Code": code}} | {"Grund": code} | {"error": code}:
            return [code]
        case {"errors": [{"code": code}]}:
            return [code]
    return [None]


@pytest.mark.parametrize(
    ("name", "path", "send"),
    [
        ("erp", HOLDS, lambda body: an_erp()(hold(**body))),
        ("books", INVOICES, lambda body: post(some_books(), INVOICES, **body)),
        ("books", CREDIT_NOTES, lambda body: post(some_books(), CREDIT_NOTES, **body)),
    ],
)
def test_the_request_in_a_contract_is_one_that_is_done(
    name: str, path: str, send: Callable[[dict[str, Any]], Response | None]
) -> None:
    content = document(name)["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    check(name, content["schema"], content["example"])
    assert answered(send(content["example"])).status in (201, 202)


def test_a_callback_is_as_the_contract_has_it() -> None:
    callbacks = document("erp")["paths"][HOLDS]["post"]["callbacks"]["decided"]
    [described] = callbacks.values()
    schema = described["post"]["requestBody"]["content"]["application/json"]["schema"]
    for faults in ({}, {"refuse_rate": 1}):
        erp = an_erp()
        set_faults(erp, **faults)
        erp(hold())
        [callback] = erp.work_off()
        check("erp", schema, json.loads(callback))


# By queue.


def outcomes() -> Iterator[dict[str, Any]]:
    warehouse = a_warehouse()
    number = shipped(warehouse)
    yield outcome(warehouse, ship())
    yield outcome(warehouse, ship(channel="wholesale"))
    yield outcome(warehouse, b"{")
    yield outcome(warehouse, recall(f"{number}0"))
    yield outcome(warehouse, recall(number))
    yield outcome(warehouse, cancel(number))
    late, undeliverable = a_warehouse(), a_warehouse()
    number = shipped(late)
    set_faults(late, too_late=True)
    yield outcome(late, cancel(number))
    set_faults(undeliverable, refuse_rate=1)
    yield outcome(undeliverable, ship())


def test_each_outcome_of_the_warehouse_is_given_in_its_form_and_no_other() -> None:
    messages = document("warehouse")["components"]["messages"]
    schemas = [messages[name]["payload"] for name in ("confirmed", "rejected", "refused")]
    given = set()
    for message in outcomes():
        check("warehouse", {"anyOf": schemas}, message)
        given |= {message["type"], message.get("reasonCode"), message.get("errorCode")}
    refused = resolved("warehouse", messages["refused"]["payload"])["properties"]["type"]["const"]
    assert given - {None} == {*codes("warehouse", schemas), refused}


@pytest.mark.parametrize(
    "name",
    [
        *("shipRequest", "cancelRequest", "recallRequest"),
        *("confirmed", "rejected", "refused", "parcel"),
    ],
)
def test_each_message_has_an_example_that_fits_it(name: str) -> None:
    message = document("warehouse")["components"]["messages"][name]
    for shown in message["examples"]:
        check("warehouse", message["payload"], shown["payload"])


def test_the_requests_in_the_warehouse_contract_are_done() -> None:
    messages = document("warehouse")["components"]["messages"]
    warehouse, number = a_warehouse(), ""
    for name in ("shipRequest", "cancelRequest", "recallRequest"):
        [shown] = messages[name]["examples"]
        body = shown["payload"] | ({"shipmentNumber": number} if number else {})
        done = outcome(warehouse, json.dumps(body).encode())
        assert done["type"].endswith("_CONFIRMED")
        number = number or done["confirmation"]


def test_the_examples_open_their_fault_settings_with_their_key_alone() -> None:
    for service in (an_erp(), a_warehouse(), some_books()):
        for key, status in ((API_KEY, 200), ("wrong", 401)):
            request = Request("GET", "/fault-settings", {"x-api-key": key})
            assert answered(service(request)).status == status
