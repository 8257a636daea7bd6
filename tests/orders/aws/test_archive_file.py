"""A line of the archive has all that an order's two items had, and never changes its length."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from types import UnionType
from typing import Any, Literal, NewType, Union, get_args, get_origin

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from orders.aws import archive_file, items
from orders.aws.archive_file import LineInvalid, NotArchivable
from orders.domain.order import AcceptedOrder
from orders.domain.parcels import News, What
from orders.domain.saga import Approval, Cancellation, Outcome, Step, Verdict
from orders.domain.trace import Trace
from orders.domain.units import CustomerId, Millis
from spillway.operate.customers.erasing import without_person
from tests.builders import FREE, NOW, OTHER_CUSTOMER, accepted, line, order_id, order_key

CONTRACT = Path(__file__).parents[3] / "docs" / "contracts" / "archive.yaml"
SCHEMA = msgspec.yaml.decode(CONTRACT.read_text())
RUN = "19a7b3c4d5e"
#: More of them each night.
CASES = int(os.environ.get("SPILLWAY_FUZZ_CASES", "40"))

_texts = some.text(min_size=1, max_size=20)
_times = some.integers(NOW, NOW + 10**9).map(Millis)
_outcomes = some.builds(Outcome, _times, some.none() | _texts, some.none() | _texts)
_news = some.builds(
    News,
    some.text(max_size=3),
    some.sampled_from(What),
    _times,
    some.none() | _texts,
    some.none() | _texts,
)
_traces = some.builds(
    Trace,
    some.integers(1, 2**128 - 1).map(lambda number: f"{number:032x}"),
    some.integers(1, 2**64 - 1).map(lambda number: f"{number:016x}"),
    some.booleans(),
)
_FIELDS: list[dict[str, Any]] = [
    {},
    FREE,
    {"channel": "wholesale", "purchase_order": "PO-1\n2"},
    {"lines": [line(f"TEA-COSY ☕ {number}", 12, 1299) for number in range(40)]},
]


@some.composite
def stored_orders(draw: some.DrawFn) -> tuple[items.Item, items.Item]:
    """The two items of any order, with whatever the service, a coupon, an erasure or the migration
    leaves on them."""
    order = replace(
        accepted(**draw(some.sampled_from(_FIELDS))),
        key=order_key(draw(_texts), order_id()),
        trace=draw(some.none() | _traces),
        book=draw(some.none() | _texts),
    )
    item = items.order_item(order)
    progress: dict[str, items.Attribute] = items.progress_key(order.key)
    for step, outcome in draw(some.dictionaries(some.sampled_from(Step), _outcomes)).items():
        progress[step.value] = items.outcome_attribute(outcome)
    cancellation = draw(some.none() | some.builds(Cancellation, _times, some.booleans()))
    if cancellation is not None:
        progress[items.CANCELLATION] = items.cancellation_attribute(cancellation)
    if draw(some.booleans()):
        item[items.CLAIMS] = {"SS": sorted(draw(some.sets(_texts, min_size=1)))}
        progress[items.COUPONS_RETURNED] = {"N": str(draw(_times))}
    if draw(some.booleans()):
        item[items.BUYER] = {"S": draw(_texts)}
        item[items.HELD_UNTIL] = progress[items.HELD_UNTIL] = {"N": str(draw(_times))}
        verdict, by = draw(some.sampled_from(get_args(Verdict))), CustomerId(draw(_texts))
        approval = Approval(draw(_times), verdict, by)
        progress[items.APPROVAL] = items.approval_attribute(approval)
    count = draw(some.none() | some.integers(1, 100))
    for told in draw(some.lists(_news, max_size=4, unique_by=lambda one: one.key)):
        progress = items.with_news(progress, replace(told, parcels=count))
    if draw(some.booleans()):
        item[items.ERASED_AT] = {"N": str(draw(_times))}
    if draw(some.booleans()):
        number = {"S": draw(_texts)}
        item[items.IMPORTED] = number
        mark = {"key": number, "facts": {"B": draw(some.binary(min_size=1))}}
        progress[items.IMPORTED] = {"M": mark}
    return item, progress


@settings(max_examples=CASES)
@given(stored_orders())
def test_a_line_becomes_the_same_two_items_again(stored: tuple[items.Item, items.Item]) -> None:
    written = archive_file.line_of(*stored)
    assert archive_file.items_of(written) == stored
    assert b"\n" not in written


def test_the_contract_has_what_a_line_has() -> None:
    assert _shape(SCHEMA) == _struct_shape(archive_file.Line)
    assert SCHEMA["properties"]["facts"]["propertyNames"]["enum"] == [*Step]


def _struct_shape(struct: type[msgspec.Struct]) -> dict[str, object]:
    """What each field is, and whether it is always there."""
    return {
        field.name: (_kind(field.type), field.required) for field in msgspec.structs.fields(struct)
    }


def _kind(annotation: Any) -> object:
    given = [each for each in get_args(annotation) if each is not type(None)]
    if get_origin(annotation) in (Union, UnionType):
        return _kind(given[0])
    if get_origin(annotation) is Literal:
        return "string"
    if get_origin(annotation) is dict:
        return {"any": _struct_shape(given[1])}
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return _struct_shape(annotation)
    if isinstance(annotation, NewType):
        return _kind(annotation.__supertype__)
    kinds = {str: "string", int: "integer", bool: "boolean", msgspec.Raw: "object", tuple: "array"}
    return kinds[get_origin(annotation) or annotation]


def _shape(schema: dict[str, Any]) -> dict[str, object]:
    return {
        name: (_schema_kind(field), name in schema["required"])
        for name, field in schema["properties"].items()
    }


def _schema_kind(schema: dict[str, Any]) -> object:
    if "properties" in schema:
        assert schema["additionalProperties"] is False
        return _shape(schema)
    if "additionalProperties" in schema:
        return {"any": _shape(schema["additionalProperties"])}
    return schema["type"]


@settings(max_examples=CASES)
@given(some.lists(stored_orders(), min_size=1, max_size=4))
def test_an_object_is_read_by_what_its_stubs_say(
    stored: list[tuple[items.Item, items.Item]],
) -> None:
    lines = {items.key_of(order): archive_file.line_of(order, rest) for order, rest in stored}
    made = archive_file.new_object("2026/11/23", RUN, lines)
    assert made.key == f"orders/2026/11/23/{RUN}.jsonl"
    for order, progress in stored:
        key = items.key_of(order)
        stub = items.stub_item(key, made.locations[key])
        assert items.is_stub(stub)
        location = items.location_of(stub)
        found = made.content[location.begins :][: location.length]
        assert archive_file.items_at(stub, found) == (order, progress)
    assert archive_file.lines_in(made.key, made.content) == made.locations


def test_a_line_that_is_taken_out_moves_no_other() -> None:
    orders = [accepted(order_key(f"customer-{number}", order_id())) for number in range(3)]
    made = archive_file.new_object("2026/11/23", RUN, {each.key: _line(each) for each in orders})
    content = archive_file.without(made.content, [made.locations[orders[1].key]])
    assert len(content) == len(made.content)
    left = archive_file.lines_in(made.key, content)
    assert left == {each.key: made.locations[each.key] for each in (orders[0], orders[2])}
    assert orders[1].key.customer_id.encode() not in content
    assert [*map(msgspec.json.decode, content.splitlines())][1] == {}


def test_a_line_never_grows_over_the_next_one() -> None:
    made = archive_file.new_object("2026/11/23", RUN, {(order := accepted()).key: _line(order)})
    location = made.locations[order.key]
    with pytest.raises(ValueError, match="does not fit"):
        archive_file.replaced(made.content, location, b"x" * (location.length + 1))


@pytest.mark.parametrize("length", [1, 6, 60])
def test_an_erased_order_fits_in_its_line(length: int) -> None:
    """Also where everything that is replaced was shorter."""
    order = accepted()
    assert order.order.payment is not None
    short = replace(
        order.order.address, name="A" * length, lines=("1" * length,), city="Y", postal_code=""
    )
    payment = replace(order.order.payment, receipt="")
    order = replace(order, order=replace(order.order, address=short, payment=payment))
    item = items.order_item(without_person(order)) | {items.ERASED_AT: {"N": str(NOW)}}
    erased = archive_file.line_of(item, items.progress_key(order.key))
    made = archive_file.new_object("2026/11/23", RUN, {order.key: _line(order)})
    content = archive_file.replaced(made.content, made.locations[order.key], erased)
    assert archive_file.lines_in(made.key, content) == made.locations


def test_a_line_of_another_order_is_none() -> None:
    mine, theirs = accepted(), accepted(order_key(OTHER_CUSTOMER, order_id()))
    stub = items.stub_item(mine.key, items.Location("2026/11/23", RUN, 0, 900))
    no_order = msgspec.json.encode({**msgspec.json.decode(_line(mine)), "order": {"lines": []}})
    for wrong in (_line(theirs), b"{}", b"", _line(mine)[:-1], no_order):
        with pytest.raises(LineInvalid):
            archive_file.items_at(stub, wrong)


def test_what_a_line_would_lose_is_not_archived() -> None:
    """As what a later release stores, also inside of what this one knows."""
    order = accepted()
    item, progress = items.order_item(order), items.progress_key(order.key)
    fact = {"M": {"at": {"N": "1"}, "tracking": {"S": "JD01"}}}
    for more, facts, lost in (
        ({"gift_wrap": {"S": "yes"}}, {}, "gift_wrap"),
        ({}, {"ship": fact}, "ship"),
        ({}, {"deliver": fact}, "deliver"),
        ({"content": {"B": b"?"}}, {}, "error"),
    ):
        with pytest.raises(NotArchivable, match=lost):
            archive_file.line_of(item | more, progress | facts)


def test_an_orders_day_is_that_of_its_acceptance_in_utc() -> None:
    assert archive_file.day_of(Millis(NOW)) == "2026/11/23"
    assert archive_file.day_of(Millis(NOW - 10 * 3_600_000 - 1)) == "2026/11/22"


def test_a_stub_is_small() -> None:
    key = order_key("0190a8b4-5f6e-4c7d-8e9f-000000000000", order_id())
    stub = items.stub_item(key, items.Location("2026/11/23", RUN, 12_345_678, 2_048))
    size = sum(len(name) + len(value["S"]) for name, value in stub.items())
    assert size <= 128


def _line(order: AcceptedOrder) -> bytes:
    return archive_file.line_of(items.order_item(order), items.progress_key(order.key))
