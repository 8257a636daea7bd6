"""What a client gets for its request, status by status."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from orders.domain.order import AcceptedOrder, OrderKey
from orders.domain.receipt import sign
from orders.domain.saga import Outcome, Step
from orders.domain.void import is_proven
from orders.handlers.http import BODY_BYTES_MAX
from orders.handlers.intake import handle
from orders.ports import SigningKeys
from simulation.world.runtime import FixedSigningKeys, MemoryLog, MemoryOverflow
from simulation.world.table import MemoryOrders, ThrottledOrders
from tests.builders import (
    CUSTOMER,
    FREE,
    KEY,
    KEY_ID,
    NOW,
    an_intake,
    line,
    order_body,
    order_id,
    order_key,
)
from tests.orders.handlers.api_events import as_the_gateway_says, request, token_of

PUT = "PUT /orders/{order_id}"
WITH = {"sub": CUSTOMER, "cognito:groups": ["no", "wholesale"]}
CANCEL = "PUT /orders/{order_id}/cancellation"


class Bench:
    def __init__(self, orders: MemoryOrders | None = None, keys: SigningKeys | None = None) -> None:
        self.orders = orders or MemoryOrders()
        self.log = MemoryLog()
        self.overflow = MemoryOverflow()
        self.intake = an_intake(self.orders, self.overflow, keys=keys)

    def put(self, id_: str, body: Any, **event: Any) -> tuple[int, dict[str, Any]]:
        return self.send(request(PUT, order_id=id_, body=body, **event))

    def cancel(self, id_: str, **event: Any) -> tuple[int, dict[str, Any]]:
        return self.send(request(CANCEL, order_id=id_, **event))

    def send(self, event: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.answer = handle(event, self.intake, self.log)
        return self.answer["statusCode"], json.loads(self.answer["body"])


@pytest.fixture
def bench() -> Bench:
    return Bench()


def rules(problem: dict[str, Any]) -> list[str]:
    return [violation["rule"] for violation in problem["violations"]]


def test_a_new_order_is_201_and_the_same_again_200_with_the_same_body(bench: Bench) -> None:
    id_ = order_id()
    body = order_body(id_)
    created = bench.put(id_, body)
    assert created == (
        201,
        {
            "order_id": id_,
            "accepted_at": "2026-11-23T10:00:00.000Z",
            "total": 905,
            "currency": "GBP",
        },
    )
    assert bench.put(id_, body) == (200, created[1])


def test_a_body_in_base64_is_the_same_body(bench: Bench) -> None:
    id_ = order_id()
    assert bench.put(id_, order_body(id_), as_base64=True)[0] == 201
    assert bench.put(id_, order_body(id_))[0] == 200


def test_other_content_under_the_id_is_409(bench: Bench) -> None:
    id_ = order_id()
    bench.put(id_, order_body(id_))
    status, problem = bench.put(id_, order_body(id_, lines=[line(quantity=9)]))
    assert (status, rules(problem)) == (409, ["order_id_taken"])


def test_a_broken_order_is_422_with_every_rule_named_and_pointed_to(bench: Bench) -> None:
    id_ = order_id()
    body = order_body(id_, lines=[line(quantity=0)], currency="USD")
    status, problem = bench.put(id_, body)
    assert status == 422
    assert problem["violations"] == [
        {
            "rule": "currency_not_accepted",
            "pointer": "/currency",
            "detail": "The store accepts only GBP.",
        },
        {
            "rule": "quantity_out_of_range",
            "pointer": "/lines/0/quantity",
            "detail": "A quantity is 1 to 1000000.",
        },
        {
            "rule": "payment_currency_differs",
            "pointer": "/payment/currency",
            "detail": "The payment's currency differs from the order's.",
        },
    ]
    assert problem["violation_count"] == 3
    assert bench.answer["headers"]["content-type"] == "application/problem+json"


def test_a_thousand_broken_lines_are_counted_and_the_first_thousand_named(bench: Bench) -> None:
    id_ = order_id()
    body = order_body(id_, lines=[line(f"SKU-{n}", 0) for n in range(1_500)])
    _, problem = bench.put(id_, body)
    assert len(problem["violations"]) == 1_000
    assert problem["violation_count"] >= 1_500


@pytest.mark.parametrize("before", [":", ": ", ":\n\t", ": -"])
@pytest.mark.parametrize("digits", [19, 20, 4_000])
def test_a_number_beyond_all_bounds_is_refused_and_no_bug(
    bench: Bench, digits: int, before: str
) -> None:
    id_ = order_id()
    body, number = json.dumps(order_body(id_)), before + "9" * digits
    body = body.replace('"quantity": 2', f'"quantity"{number}').replace(": 255", number)
    status, problem = bench.put(id_, body)
    assert status == 422
    assert rules(problem) == ["field_wrong_type"] * 2
    assert [one["pointer"] for one in problem["violations"]] == [
        "/lines/0/quantity",
        "/lines/0/unit_price",
    ]


@pytest.mark.parametrize("body", ["{", "", None])
def test_what_is_not_json_is_400(bench: Bench, body: str | None) -> None:
    status, problem = bench.put(order_id(), body)
    assert (status, rules(problem)) == (400, ["body_not_json"])


def test_a_body_over_the_limit_is_413_before_it_is_read(bench: Bench) -> None:
    status, problem = bench.put(order_id(), " " * (BODY_BYTES_MAX + 1))
    assert (status, rules(problem)) == (413, ["body_too_large"])


@pytest.mark.parametrize("sub", ["", "x" * 257, "customer-\ud83d", None, 90417, ["ada"]])
def test_a_token_without_a_customer_is_401_and_no_bug(bench: Bench, sub: object) -> None:
    id_ = order_id()
    status, problem = bench.put(id_, order_body(id_), claims={"sub": sub})
    assert (status, rules(problem)) == (401, ["customer_unknown"])


def test_wholesale_without_its_group_is_403(bench: Bench) -> None:
    id_ = order_id()
    body = order_body(id_, channel="wholesale", purchase_order="PO-1")
    status, problem = bench.put(id_, body, claims={"cognito:groups": "[staff]"})
    assert (status, rules(problem)) == (403, ["wholesale_not_allowed"])


@pytest.mark.parametrize("groups", ["[wholesale]", "wholesale", ["sales staff", "wholesale"]])
def test_wholesale_with_its_group_is_accepted(bench: Bench, groups: object) -> None:
    id_ = order_id()
    body = order_body(id_, channel="wholesale", purchase_order="PO-1")
    assert bench.put(id_, body, claims={"cognito:groups": groups})[0] == 201


@pytest.mark.parametrize(
    "groups",
    [
        "[not-wholesale]",
        # An issuer's names may hold what parts names here: each text may mean another group.
        "a wholesale",
        "wholesale,staff",
        "wholesale, pending",
        "[no  wholesale]",
        "[ wholesale]",
        "[[wholesale] staff]",
        '["wholesale" "staff"]',
        "[no\u00a0member wholesale]",
        "wholesale;former",
        "WHOLESALE",
        ["no wholesale", {"wholesale": 1}, 7],
        {"wholesale": True},
        None,
        7,
    ],
)
def test_a_group_whose_name_only_resembles_it_is_not_enough(bench: Bench, groups: object) -> None:
    id_ = order_id()
    body = order_body(id_, channel="wholesale", purchase_order="PO-1")
    assert bench.put(id_, body, claims={"cognito:groups": groups})[0] == 403


@pytest.mark.parametrize(
    ("groups", "allowed"),
    [
        (["staff", "wholesale"], True),
        (["no", "wholesale"], True),
        (["no wholesale"], False),
        (["wholesale applicants", "staff"], False),
        (["wholesale, pending"], False),
        ("wholesale applicants", False),
    ],
)
def test_a_group_s_name_may_hold_a_blank(bench: Bench, groups: Any, allowed: bool) -> None:
    """The gateway's text is the same for two groups and for one: the token itself tells."""
    id_ = order_id()
    body = order_body(id_, channel="wholesale", purchase_order="PO-1")
    text = groups if isinstance(groups, str) else as_the_gateway_says(groups)
    token = token_of({"sub": CUSTOMER, "cognito:groups": groups})
    status, _ = bench.put(id_, body, claims={"cognito:groups": text}, token=token)
    assert status == (201 if allowed else 403)


@pytest.mark.parametrize(
    "token",
    [
        token_of({"sub": "customer-bob", "cognito:groups": ["no", "wholesale"]}),
        token_of({"sub": CUSTOMER, "cognito:groups": {"wholesale": 1}}),
        token_of({"sub": CUSTOMER}),
        token_of([]),
        # Two headers are one text, and the gateway has verified one of them.
        *(f"{token_of(WITH)}{between}{token_of(WITH)}" for between in (",", ", Bearer ")),
        f"{token_of(WITH)}.more",
        "eyJraWQ.*.c2lnbmVk",
        "eyJraWQ.e.c2lnbmVk",
        f"eyJraWQ.{base64.urlsafe_b64encode(b'[' * 100_000).decode().rstrip('=')}.c2lnbmVk",
        "",
    ],
)
def test_a_token_that_does_not_tell_makes_nobody_a_member(bench: Bench, token: str) -> None:
    id_ = order_id()
    body = order_body(id_, channel="wholesale", purchase_order="PO-1")
    claims = {"cognito:groups": "[no wholesale]"}
    assert bench.put(id_, body, claims=claims, token=token)[0] == 403


def test_a_cancellation_is_taken_once_and_answered_the_same_again(bench: Bench) -> None:
    id_ = order_id()
    bench.put(id_, order_body(id_))
    first = bench.cancel(id_)
    assert first == (202, {"order_id": id_, "status": "cancelling"})
    writes = len(bench.orders.stream)
    assert bench.cancel(id_) == first
    assert len(bench.orders.stream) == writes


@pytest.mark.parametrize("query", [None, {"vold": "true"}])
def test_an_id_is_made_void_only_where_the_client_asks_for_it(
    bench: Bench, query: dict[str, str] | None
) -> None:
    """A client that knows no proof would not ask for its money."""
    id_ = order_id()
    assert bench.cancel(id_, query=query)[0] == 404
    assert bench.put(id_, order_body(id_))[0] == 201
    assert bench.cancel(id_, query={"void": "true"})[0] == 202


@pytest.mark.parametrize("void", ["True", "1", "", "false", "true,true"])
def test_any_other_void_is_refused_and_not_taken_for_none(bench: Bench, void: str) -> None:
    """Else a client would hear that there is no order, and give no payment back."""
    id_ = order_id()
    bench.put(id_, order_body(id_))
    status, problem = bench.cancel(id_, query={"void": void})
    assert (status, rules(problem)) == (400, ["void_invalid"])
    assert bench.cancel(order_id(), query={"void": void})[0] == 400
    assert [item["outcome"] for item in bench.log.lines] == ["accepted", "refused", "refused"]


def test_a_void_id_is_200_with_a_proof_and_an_order_under_it_409(bench: Bench) -> None:
    id_ = order_id()
    status, answer = bench.cancel(id_, query={"void": "true"})
    assert (status, answer["order_id"], answer["status"]) == (200, id_, "void")
    assert is_proven(answer["proofs"][0], order_key(CUSTOMER, id_), {KEY_ID: KEY})
    status, problem = bench.put(id_, order_body(id_))
    assert (status, rules(problem)) == (409, ["order_id_void"])
    assert [line["outcome"] for line in bench.log.lines] == ["void", "refused"]


def test_an_unknown_order_cannot_be_cancelled(bench: Bench) -> None:
    status, problem = bench.cancel(order_id())
    assert (status, rules(problem)) == (404, ["order_not_found"])


def test_a_rejected_order_cannot_be_cancelled(bench: Bench) -> None:
    id_ = order_id()
    bench.put(id_, order_body(id_))
    refusal = Outcome(NOW, refusal="out_of_stock")
    bench.orders.record(OrderKey(CUSTOMER, id_), {Step.RESERVE: refusal})
    status, problem = bench.cancel(id_)
    assert (status, rules(problem)) == (409, ["order_rejected"])


class Broken(MemoryOrders):
    def place(self, order: AcceptedOrder) -> AcceptedOrder | None:
        raise KeyError("1 High Street, Leeds")


def test_an_order_that_overflows_is_202_with_the_same_body() -> None:
    bench = Bench(ThrottledOrders())
    id_ = order_id()
    status, body = bench.put(id_, order_body(id_))
    assert status == 202
    assert body == Bench().put(id_, order_body(id_))[1]
    assert bench.answer["headers"]["retry-after"] == "30"
    assert [order.key.order_id for order in bench.overflow.buffered] == [id_]
    assert bench.log.lines[0]["outcome"] == "buffered"


def test_a_table_and_a_queue_that_are_down_are_an_honest_no() -> None:
    bench = Bench(ThrottledOrders())
    bench.overflow.failing = True
    id_ = order_id()
    status, problem = bench.put(id_, order_body(id_))
    assert status == 503
    assert bench.answer["headers"]["retry-after"] == "2"
    assert "queue" not in json.dumps(problem)


def test_a_bug_is_500_with_nothing_of_its_inside_in_answer_or_log() -> None:
    bench = Bench(Broken())
    id_ = order_id()
    status, problem = bench.put(id_, order_body(id_))
    assert status == 500
    assert "High Street" not in json.dumps([problem, bench.log.lines])
    assert bench.log.lines[0]["error"].startswith("KeyError at place")  # type: ignore[attr-defined]


def test_each_request_is_one_line_in_the_log_without_personal_data(bench: Bench) -> None:
    id_ = order_id()
    bench.put(id_, order_body(id_))
    bench.put(id_, order_body(id_))
    bench.put(order_id(), order_body(id_))
    assert [log["outcome"] for log in bench.log.lines] == ["accepted", "replayed", "refused"]
    assert bench.log.lines[2]["rules"] == ["receipt_invalid"]
    written = json.dumps(bench.log.lines)
    for personal in ("Ada", "Fletcher", "High Street", "Leeds", "pay_01", CUSTOMER):
        assert personal not in written


def test_the_log_says_while_the_gateway_signs_receipts_that_name_no_customer() -> None:
    old_key = b"the gateway's key until now"
    bench = Bench(keys=FixedSigningKeys({KEY_ID: KEY, "k0": old_key}))
    old, new, free = order_id(), order_id(), order_id()
    body = order_body(old)
    terms = {name: body["payment"][name] for name in ("reference", "amount", "currency")}
    signed = sign(old_key, "k0", order_key=order_key(CUSTOMER, old), **terms)
    body["payment"]["receipt"] = signed
    bench.put(old, body)
    bench.put(old, body)
    bench.put(new, order_body(new))
    bench.put(free, order_body(free, **FREE))
    said = [log.get("receipt") for log in bench.log.lines]
    assert said == ["without_customer", None, None, None]


TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_the_trace_that_the_client_names_is_kept_with_the_order_and_logged(bench: Bench) -> None:
    id_ = order_id()
    event = request(PUT, order_id=id_, body=order_body(id_))
    event["headers"]["traceparent"] = TRACE
    assert bench.send(event)[0] == 201
    order = bench.orders.find(OrderKey(CUSTOMER, id_))
    assert order is not None
    assert order.trace is not None
    assert order.trace.header == TRACE
    assert bench.log.lines[0]["trace"] == order.trace.trace_id


@pytest.mark.parametrize("header", ["", "garbage", TRACE.upper(), f"{TRACE},{TRACE}"])
def test_a_malformed_trace_is_ignored(bench: Bench, header: str) -> None:
    id_ = order_id()
    event = request(PUT, order_id=id_, body=order_body(id_))
    event["headers"]["traceparent"] = header
    assert bench.send(event)[0] == 201
    order = bench.orders.find(OrderKey(CUSTOMER, id_))
    assert order is not None
    assert order.trace is None
    assert bench.log.lines[0]["trace"] is None


def test_what_is_no_order_id_is_not_logged(bench: Bench) -> None:
    bench.put("Ada Fletcher", order_body(order_id()))
    assert bench.log.lines[0]["order_id"] is None
    assert "Ada" not in str(bench.log.lines)
