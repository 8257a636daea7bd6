"""Any JSON at all is either an order or a list of named faults, never an exception."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orders.domain.refusals import Refusal, Rule
from orders.handlers import wire
from orders.handlers.wire import Content, content_of
from tests.builders import FREE, content, line, order_body, order_id

ID = order_id()


def faults(body: Any) -> list[tuple[Rule, str]]:
    read = content_of(json.dumps(body).encode())
    assert isinstance(read, list), read
    return [(fault.rule, fault.pointer) for fault in read]


def digest(body: Any) -> bytes:
    read = content_of(json.dumps(body).encode())
    assert isinstance(read, Content), read
    return read.digest


def test_an_order_is_read_whole() -> None:
    body = order_body(ID, channel="wholesale", purchase_order="PO-1")
    read = content_of(json.dumps(body).encode())
    assert isinstance(read, Content)
    body["address"] |= {"state": "", "phone": "", "email": ""}
    body["payment"] |= {"terms": None}
    assert json.loads(msgspec.json.encode(read.order)) == body


def test_an_address_has_what_its_country_has() -> None:
    body = order_body(ID)
    del body["address"]["postal_code"]
    body["address"] |= {"country": "HK", "state": "Kowloon"}
    read = content_of(json.dumps(body).encode())
    assert isinstance(read, Content)
    assert (read.order.address.postal_code, read.order.address.state) == ("", "Kowloon")


def test_discounts_payment_and_purchase_order_may_be_left_out() -> None:
    body = order_body(ID)
    del body["discounts"]
    del body["payment"]
    read = content_of(json.dumps(body).encode())
    assert isinstance(read, Content)
    assert read.order.discounts == ()
    assert read.order.payment is None
    assert read.order.purchase_order is None


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff\xfe", b'{"a":NaN}', b"[" * 100_000, b'"\\ud800"', b'{"a":1}x', b"\x00"],
)
def test_what_is_not_json_is_said_to_be_so(body: bytes) -> None:
    read = content_of(body)
    assert isinstance(read, list)
    assert [fault.rule for fault in read] == [Rule.BODY_NOT_JSON]


@pytest.mark.parametrize("body", [None, 1, "order", [], True])
def test_json_that_is_no_object_is_no_order(body: Any) -> None:
    assert faults(body) == [(Rule.FIELD_WRONG_TYPE, "")]


def test_every_fault_is_named_with_its_pointer() -> None:
    body = order_body(ID, lines=[line(), line()], total="10", surprise=1, channel="mail")
    body["lines"][1] = {"sku": 7, "quantity": True, "unit_price": 2.5, "a/b~c": None}
    del body["address"]["city"]
    del body["tax"]
    assert set(faults(body)) == {
        (Rule.FIELD_MISSING, "/tax"),
        (Rule.FIELD_MISSING, "/address/city"),
        (Rule.FIELD_UNKNOWN, "/surprise"),
        (Rule.FIELD_UNKNOWN, "/lines/1/a~1b~0c"),
        (Rule.FIELD_WRONG_TYPE, "/channel"),
        (Rule.FIELD_WRONG_TYPE, "/total"),
        (Rule.FIELD_WRONG_TYPE, "/lines/1/sku"),
        (Rule.FIELD_WRONG_TYPE, "/lines/1/quantity"),
        (Rule.FIELD_WRONG_TYPE, "/lines/1/unit_price"),
    }


@pytest.mark.parametrize("field", ["discounts", "lines", "address", "total"])
def test_null_is_no_value_where_one_is_required(field: str) -> None:
    assert faults({**order_body(ID), field: None}) == [(Rule.FIELD_WRONG_TYPE, f"/{field}")]


def test_the_digest_knows_content_and_not_its_spelling() -> None:
    body = order_body(ID)
    shuffled = dict(reversed(body.items()))
    reissued = {**body, "payment": {**body["payment"], "receipt": "k2.other"}}
    assert digest(shuffled) == digest(body)
    assert digest(reissued) == digest(body)
    assert digest(order_body(ID, lines=[line(quantity=3)])) != digest(body)
    assert digest({**body, "tax": 1}) != digest(body)


def test_a_price_signature_comes_with_an_order_and_is_no_part_of_it() -> None:
    body = order_body(ID)
    read = content_of(json.dumps({**body, "price_signature": "p1.1.ab"}).encode())
    assert isinstance(read, Content)
    assert (read.order, read.digest) == (content(ID).order, digest(body))
    assert read.price_signature == "p1.1.ab"
    without = content_of(json.dumps({**body, "price_signature": None}).encode())
    assert isinstance(without, Content)
    assert without.price_signature is None


def test_a_price_signature_that_is_no_text_is_named_with_the_other_faults() -> None:
    body = {**order_body(ID), "price_signature": 7}
    assert faults(body) == [(Rule.FIELD_WRONG_TYPE, "/price_signature")]
    del body["tax"]
    assert (Rule.FIELD_MISSING, "/tax") in faults(body)
    assert (Rule.FIELD_WRONG_TYPE, "/price_signature") in faults(body)


def test_a_payment_that_is_there_is_read_as_strictly_as_before() -> None:
    body = order_body(ID)
    assert faults({**body, "payment": {**body["payment"], "card": "4242"}}) == [
        (Rule.FIELD_UNKNOWN, "/payment/card")
    ]
    assert faults({**body, "payment": {}}) == [
        (Rule.FIELD_MISSING, f"/payment/{name}")
        for name in ("reference", "amount", "currency", "receipt")
    ]
    assert faults({**body, "payment": "none"}) == [(Rule.FIELD_WRONG_TYPE, "/payment")]


def test_an_order_without_a_payment_has_a_digest_of_its_own_content() -> None:
    free = order_body(ID, **FREE)
    assert "payment" not in free
    assert digest(dict(reversed(free.items()))) == digest(free)
    assert digest({**free, "tax": 1}) != digest(free)
    assert digest(order_body(ID, **{**FREE, "payment": order_body(ID)["payment"]})) != digest(free)


def test_the_digest_of_a_paid_order_is_the_one_that_release_0_2_0_stored() -> None:
    body = order_body("01a0ac2b-8e00-7000-8000-000000000001")
    assert digest(body).hex() == "2df54c72857b0f58ffc22c325451a92d"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_any_json_gets_an_answer(body: Any) -> None:
    read = content_of(msgspec.json.encode(body))
    assert isinstance(read, list)
    assert read


@settings(max_examples=300)
@given(st.data())
def test_what_is_converted_at_once_is_what_the_readers_read(data: st.DataObject) -> None:
    """An order with any one value replaced, or with a field more."""
    body = order_body(ID, lines=[line(), line("MUG")], discounts=[{"coupon": "A", "amount": 1}])
    target: Any = body
    while True:
        at = data.draw(st.sampled_from(sorted(target) if isinstance(target, dict) else [0]))
        if not isinstance(target[at], (dict, list)) or data.draw(st.booleans()):
            break
        target = target[at]
    if isinstance(target, dict):
        at = data.draw(st.just(at) | st.text())
    target[at] = data.draw(json_values)
    both_read_the_same(body)


def steps(body: Any) -> int:
    """Lines of the reader's code that run for it: the same on every machine."""
    content = msgspec.json.encode(body)
    counted = 0

    def count(frame: FrameType, event: str, _argument: object) -> Callable[..., Any] | None:
        nonlocal counted
        if frame.f_code.co_filename != wire.__file__:
            return None  # what a garbage collection calls, for example
        counted += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        content_of(content)
    finally:
        sys.settrace(before)
    return counted


@pytest.mark.parametrize(
    "broken",
    [
        lambda size: {"lines": [{**line(), "quantity": "1"}] * size},
        lambda size: {"lines": [{"sku": None, "colour": "red"}] * size},
        lambda size: {"discounts": [[]] * size},
        lambda size: {f"field/{number}": 1 for number in range(size)},
        lambda size: {"address": {f"field~{number}": 1 for number in range(size)}},
    ],
)
def test_twice_as_many_faults_take_twice_the_work(
    broken: Callable[[int], dict[str, Any]],
) -> None:
    """Whoever may order may send 256 KB of them."""
    few, more, most = (steps({**order_body(ID), **broken(size)}) for size in (100, 200, 300))
    assert most - more == more - few > 0


@pytest.mark.parametrize("signature", ["p1.1.ab", "", None, 7, {}])
def test_a_price_signature_is_taken_out_before_the_order_is_read(signature: object) -> None:
    both_read_the_same({**order_body(ID), "price_signature": signature})
    inside = order_body(ID)
    inside["address"]["price_signature"] = signature
    both_read_the_same(inside)
    assert faults(inside) == [(Rule.FIELD_UNKNOWN, "/address/price_signature")]


def both_read_the_same(body: Any) -> None:
    sent = msgspec.json.encode(body)
    raw = msgspec.json.decode(sent)
    found: list[Refusal] = []
    wire._read_price_signature(raw, found)  # noqa: SLF001
    read_out = wire._ORDER.reader(raw, "", found)  # noqa: SLF001
    read = content_of(sent)
    if isinstance(read, Content):
        assert (read.order, []) == (read_out, found)
    else:
        assert read == found != []
