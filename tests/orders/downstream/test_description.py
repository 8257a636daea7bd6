"""A description is read strictly, and makes the requests that it says."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from orders.domain.order import OrderKey
from orders.domain.saga import DOWNSTREAM_OF, Step
from orders.domain.units import CustomerId
from orders.downstream.answers import first_that_fits
from orders.downstream.description import (
    DESCRIPTIONS,
    Description,
    DescriptionError,
    described,
)
from orders.downstream.keys import correlated, correlation_id
from orders.downstream.template import Scope
from orders.downstream.transport import Answer
from orders.failures import PermanentFailure
from orders.ports import Command, Needs
from tests.builders import an_order, order_id

DONE = '[[answers]]\nstatus = ["2xx"]\nmeans = "done"\nreference = "/id"\n'
RELEASE = '[release]\npath = "/releases"\n'
KEY = OrderKey(CustomerId("a/b ü@x"), order_id())

Read = Callable[..., Description]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(reserve: str, *, rest: str = RELEASE + DONE) -> Description:
        (tmp_path / "erp.toml").write_text(f'[reserve]\npath = "/holds"\n{reserve}\n{rest}')
        return described("erp", "inventory", tmp_path)

    return read


def sent(
    description: Description, references: Mapping[Step, str] | None = None, **order: Any
) -> Any:
    command = Command(KEY, Step.RESERVE, an_order(**order), references=references or {})
    body = description.requests[Step.RESERVE].body
    assert body is not None
    return json.loads(msgspec.json.encode(body(Scope(command))))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("'{order_id}'", KEY.order_id),
        ("'order {order_id}, {step}'", f"order {KEY.order_id}, reserve"),
        ("'{total}'", 905),
        ("'{total:decimal}'", "9.05"),
        ("'{total:number}'", 9.05),
        ("'costs {total:decimal} {currency}'", "costs 9.05 GBP"),
        ("'{{order_id}} and }}'", "{order_id} and }"),
        ("'{address.city}'", "Leeds"),
        ("['{currency}', 7, true, 1.5]", ["GBP", 7, True, 1.5]),
        ("{ inner = { deep = '{channel}' } }", {"inner": {"deep": "retail"}}),
        ("'{purchase_order}'", None),
        ("'PO: {purchase_order}'", "PO: "),
        (
            "{ for_each = 'lines', item = { a = '{line.sku}', c = '{currency}' } }",
            [{"a": "HEART-LIGHT", "c": "GBP"}],
        ),
        ("{ for_each = 'discounts', item = '{discount.coupon}' }", []),
    ],
)
def test_a_placeholder_becomes_what_it_stands_for(read: Read, written: str, expected: Any) -> None:
    assert sent(read(f"body = {{ field = {written} }}")) == {"field": expected}


@pytest.mark.parametrize(
    ("currency", "amount", "expected"),
    [("GBP", 905, "9.05"), ("GBP", 5, "0.05"), ("JPY", 905, "905"), ("KWD", 905, "0.905")],
)
def test_an_amount_has_the_decimals_of_its_currency(
    read: Read, currency: str, amount: int, expected: str
) -> None:
    description = read('body = { text = "{tax:decimal}", number = "{tax:number}" }')
    body = sent(description, currency=currency, tax=amount)
    assert body == {"text": expected, "number": json.loads(expected)}


def test_a_number_is_written_as_it_is_and_goes_through_no_fraction(read: Read) -> None:
    body = read('body = { number = "{tax:number}" }').requests[Step.RESERVE].body
    assert body is not None
    written = msgspec.json.encode(body(Scope(Command(KEY, Step.RESERVE, an_order(tax=1010)))))
    assert written == b'{"number":10.10}'


def test_a_field_with_a_question_mark_is_left_out_where_there_is_nothing(read: Read) -> None:
    description = read('body = { "po?" = "{purchase_order}", "state?" = "{address.state}" }')
    assert sent(description) == {}
    assert sent(description, channel="wholesale", purchase_order="PO-1") == {"po": "PO-1"}


def test_a_path_is_encoded_whatever_a_customer_is_called(read: Read) -> None:
    request = read(
        "", rest='lookup.path = "/holds/{customer_id}?order={order_id}"\n' + RELEASE + DONE
    )
    lookup = request.requests[Step.RESERVE].lookup
    assert lookup is not None
    path = lookup(Scope(Command(KEY, Step.RESERVE)))
    assert path == f"/holds/a%2Fb%20%C3%BC%40x?order={KEY.order_id}"


@pytest.mark.parametrize("customer", [".", ".."])
def test_a_customer_who_is_called_dots_is_no_other_path(read: Read, customer: str) -> None:
    made = read(
        "",
        rest='lookup.path = "/c/{customer_id}/h?c={customer_id}&p={purchase_order}"\n'
        + RELEASE
        + DONE,
    )
    lookup = made.requests[Step.RESERVE].lookup
    assert lookup is not None

    def of(customer_id: str) -> Any:
        key = OrderKey(CustomerId(customer_id), order_id())
        return lookup(Scope(Command(key, Step.RESERVE, an_order())))

    with pytest.raises(PermanentFailure, match="dots as a name"):
        of(customer)
    assert of(customer + "a") == f"/c/{customer}a/h?c={customer}a&p="


@pytest.mark.parametrize(
    ("body", "needs"),
    [
        ("{ a = '{order_id}' }", Needs()),
        ("{ a = '{correlation_id}' }", Needs()),
        ("{ a = '{total:decimal}' }", Needs(goods=True)),
        ("{ for_each = 'lines', item = '{line.sku}' }", Needs(goods=True)),
        ("{ a = '{address}' }", Needs(order=True)),
        ("{ a = '{total} {payment_reference}' }", Needs(goods=True, order=True)),
        ("{ a = '{reference.reserve}' }", Needs(references=frozenset({Step.RESERVE}))),
    ],
)
def test_what_a_request_is_made_of_is_known_beforehand(read: Read, body: str, needs: Needs) -> None:
    assert read(f"body.x = {body}").requests[Step.RESERVE].needs == needs


def test_an_earlier_reference_must_be_on_record(read: Read) -> None:
    description = read("body = { hold = '{reference.reserve}' }")
    assert sent(description, {Step.RESERVE: "H-1"}) == {"hold": "H-1"}
    with pytest.raises(PermanentFailure, match="by the reference of reserve"):
        sent(description)


@pytest.mark.parametrize("step", list(Step))
@pytest.mark.parametrize("customer", ["ada", "a/b ü@x", "日本", "x" * 256])
def test_a_correlation_id_leads_back_to_its_command(step: Step, customer: str) -> None:
    key = OrderKey(CustomerId(customer), order_id())
    assert correlated(correlation_id(Command(key, step))) == (key, step)


@pytest.mark.parametrize("text", ["", "reserve", "reserve.x.YQ", f"refuse.{order_id()}.YQ", "é"])
def test_any_other_text_correlates_with_nothing(text: str) -> None:
    assert correlated(text) is None
    assert correlated(f"reserve.{order_id()}._") is None


WRONG: list[tuple[str, str, str]] = [
    ("colour = 1", RELEASE + DONE, "unknown field `colour`"),
    ("body = { a = '{orderid}' }", RELEASE + DONE, "{orderid} is nothing that an order has here"),
    ("body = { a = '{line.sku}' }", RELEASE + DONE, "{line.sku} is nothing that an order has here"),
    ("body = { a = '{order_id:decimal}' }", RELEASE + DONE, "is no amount"),
    ("body = { a = '{total' }", RELEASE + DONE, "a brace without its other"),
    ("body = { a = '{Total}' }", RELEASE + DONE, "{Total} is no placeholder"),
    ("body = { a = { for_each = 'goods', item = 1 } }", RELEASE + DONE, "for_each goes with item"),
    ("body = { a = { for_each = 'lines' } }", RELEASE + DONE, "for_each goes with item"),
    ("body = { a = 2026-11-30 }", RELEASE + DONE, "is neither text, number"),
    ("headers = { x = '{customer_id}' }", RELEASE + DONE, "a header takes only"),
    ("method = 'GET'", RELEASE + DONE, "Invalid enum value 'GET'"),
    ("method = 'DELETE'\nbody = {}", RELEASE + DONE, "DELETE takes no body"),
    ("", DONE, "erp.toml: has no [release], and inventory does reserve and release"),
    ("", RELEASE + "[ship]\npath = '/s'\n" + DONE, "has [ship], and inventory does"),
    ("", RELEASE, "no answer is declared"),
    ("", RELEASE + '[[answers]]\nstatus = ["4xy"]\nmeans = "done"', "Invalid enum value '4xy'"),
    ("", RELEASE + '[[answers]]\nstatus = [99]\nmeans = "done"', ">= 100"),
    ("", RELEASE + '[[answers]]\nmeans = "perhaps"', "Invalid enum value 'perhaps'"),
    ("", RELEASE + '[[answers]]\nmeans = "refused"', "goes with a code"),
    ("", RELEASE + '[[answers]]\nmeans = "done"', "name each status"),
    ("", RELEASE + '[[answers]]\nstatus = [422, "4xx"]\nmeans = "wrong"', "name each status"),
    ("lookup.answers = [{ means = 'nothing', status = ['4xx'] }]", RELEASE + DONE, "name each"),
    ("", RELEASE + '[[answers]]\nmeans = "done"\ncode = "x"', 'code goes with means = "refused"'),
    ("", RELEASE + '[[answers]]\nmeans = "done"\nreference = "id"', "matching regex"),
    ("", RELEASE + '[[answers]]\nstatus = ["5xx"]\nmeans = "wrong"', "name each status"),
    ("", RELEASE + '[[answers]]\nstatus = [422]\nmeans = "wrong"', "no answer means that it was"),
    ("", RELEASE + DONE + 'where = { "/a" = [] }', "where has no value for /a"),
    ("", RELEASE + '[[answers]]\nmeans = "refused"\ncode = "no stock"', "code is a pointer, or"),
    ("", RELEASE + '[[answers]]\nmeans = "refused"\ncode = ""', "code is a pointer, or"),
    ("", RELEASE + '[[answers]]\nmeans = "later"\nask = "location"', "ask is a pointer, or"),
    ("", RELEASE + '[[answers]]\nmeans = "later"\nask = "header:"', "ask is a pointer, or"),
    ("body = { a = nan }", RELEASE + DONE, "nan is no number in JSON"),
    ("body = { a = [-inf] }", RELEASE + DONE, "-inf is no number in JSON"),
    ("body = { a = 9223372036854775808 }", RELEASE + DONE, "is too large a number"),
    ("body = { a = 1, 'a?' = 2 }", RELEASE + DONE, "a field is there twice"),
    ("body = { for_each = ['lines'], item = 1 }", RELEASE + DONE, "for_each goes with item"),
    ("body = { a = '{total:number} EUR' }", RELEASE + DONE, "{total:number} is no text"),
    ("body = { a = 'to {address.lines}' }", RELEASE + DONE, "{address.lines} is no text"),
    ("body.a = " + "[" * 900 + "]" * 900, RELEASE + DONE, "nested too deep"),
    ("lookup.path = '/h?x={lines}'", RELEASE + DONE, "{lines} is no text"),
    (
        "lookup.path = '/h/{purchase_order}'",
        RELEASE + DONE,
        "before its question mark a path takes",
    ),
    ("lookup.path = '/h/{address.city}'", RELEASE + DONE, "before its question mark a path takes"),
    ("lookup.path = '/h/../x'", RELEASE + DONE, "leads out of itself"),
    ("lookup.path = '/h#{order_id}'", RELEASE + DONE, "matching regex"),
    ('lookup.path = "/h\\n"', RELEASE + DONE, "matching regex"),
    ("lookup.path = '/ü'", RELEASE + DONE, "matching regex"),
    ("headers = { 'a b' = '' }", RELEASE + DONE, "'a b' is no header"),
    ("headers = { '' = '' }", RELEASE + DONE, "'' is no header"),
    ("headers = { Host = 'x' }", RELEASE + DONE, "'Host' is no header"),
    ("headers = { content-length = '1' }", RELEASE + DONE, "'content-length' is no header"),
    ('headers = { x = "a\\nb: c" }', RELEASE + DONE, "a letter that is not ASCII"),
    ("headers = { x = 'ü' }", RELEASE + DONE, "a letter that is not ASCII"),
    ("headers = { x = '1', X = '2' }", RELEASE + DONE, "a header is there twice"),
    ("", "by = 1\n", "erp.toml"),
    ("= 3", "", "erp.toml is not TOML"),
    ("", 'by_what = "queue"\n', "unknown field"),
]


@pytest.mark.parametrize(("reserve", "rest", "says"), WRONG)
def test_whatever_is_wrong_is_told_in_one_sentence(
    read: Read, reserve: str, rest: str, says: str
) -> None:
    with pytest.raises(DescriptionError) as told:
        read(reserve, rest=rest)
    assert says in str(told.value)
    assert str(told.value).count("\n") == 0
    assert str(told.value).endswith(".")


FULFILMENT = (
    'by = "queue"\n[ship]\n[cancel_shipment]\n[recall_shipment]\n'
    '[[answers]]\nstatus = [200]\nmeans = "later"\n'
)
BY_QUEUE = '[outcomes]\nby = "queue"\ncorrelation_id = "/id"\n'


def outcome(means: str, where: str | None = None, *more: str) -> str:
    asks = [] if where is None else [f"where = {{ {where} }}"]
    return "\n".join(["[[outcomes.answers]]", f'means = "{means}"', *asks, *more, ""])


def returned(where: str) -> str:
    return outcome("returned", where, 'parcel = "/no"')


RET, WHOLE, SCOPE = '"/e" = ["RET"]', '"/e" = ["ALL"]', '"/e" = ["RET"], "/scope" = ["ORDER"]'
OUTCOMES_WRONG: list[tuple[str, str, str]] = [
    (BY_QUEUE, "", "missing required field `answers`"),
    (BY_QUEUE.replace("queue", "callback"), outcome("done", RET), "signature goes with by ="),
    (
        BY_QUEUE + "signature = { header = 'a', timestamp_header = 'b' }\n",
        outcome("done", RET),
        "sign",
    ),
    (BY_QUEUE, outcome("done", RET, "status = [200]"), "an outcome has no status, and is done,"),
    (BY_QUEUE, outcome("unknown", RET), "an outcome has no status, and is done, refused, later,"),
    (BY_QUEUE, outcome("later", RET, 'ask = "/at"'), "an outcome has no ask"),
    # Without a where it would decide about orders by messages that say nothing.
    (BY_QUEUE, outcome("done", None, 'reference = "/r"'), "an outcome has a where"),
    (BY_QUEUE, outcome("refused", None, 'code = "no"'), "an outcome has a where"),
    (BY_QUEUE, outcome("order_returned"), "an outcome has a where"),
    (
        BY_QUEUE,
        outcome("shipped", RET),
        'means = "shipped" goes with a parcel, which says of which',
    ),
    (BY_QUEUE, outcome("delivered", RET), 'means = "delivered" goes with a parcel'),
    (BY_QUEUE, outcome("returned", RET), 'means = "returned" goes with a parcel'),
    (BY_QUEUE, outcome("order_returned", RET, 'parcel = "/no"'), 'not "order_returned"'),
    (BY_QUEUE, outcome("delivered", RET, 'parcel = "/no"', 'carrier = "/c"'), "carrier goes with"),
    # The whole order is told by what a message has, and never by what it lacks.
    (BY_QUEUE, returned(RET) + outcome("order_returned", RET), 'must rule out means = "returned"'),
    (BY_QUEUE, outcome("order_returned", RET) + returned(RET), "must rule out"),
    (BY_QUEUE, outcome("order_returned", RET) + returned(SCOPE), "must rule out"),
    (BY_QUEUE, returned(SCOPE) + outcome("order_returned", RET), "must rule out"),
    (BY_QUEUE, returned(RET) + outcome("order_returned", SCOPE), "and stand before it"),
    (BY_QUEUE, outcome("order_returned", '"/e" = ["ALL", "RET"]') + returned(RET), "must rule out"),
    (
        BY_QUEUE,
        outcome("order_returned", RET) + outcome("shipped", RET, 'parcel = "/no"'),
        'must rule out means = "shipped"',
    ),
]


@pytest.mark.parametrize(("outcomes", "rules", "says"), OUTCOMES_WRONG)
def test_whatever_is_wrong_with_outcomes_is_told_in_one_sentence(
    tmp_path: Path, outcomes: str, rules: str, says: str
) -> None:
    (tmp_path / "a.toml").write_text(FULFILMENT + outcomes + rules)
    with pytest.raises(DescriptionError) as told:
        described("a", "fulfilment", tmp_path)
    assert says in str(told.value)
    assert str(told.value).count("\n") == 0
    assert str(told.value).endswith(".")


@pytest.mark.parametrize(
    ("rules", "message", "means"),
    [
        (returned(RET) + outcome("order_returned", WHOLE), {"e": "RET"}, "returned"),
        (returned(RET) + outcome("order_returned", WHOLE), {"e": "ALL"}, "order_returned"),
        (outcome("order_returned", SCOPE) + returned(RET), {"e": "RET"}, "returned"),
        (
            outcome("order_returned", SCOPE) + returned(RET),
            {"e": "RET", "scope": "ORDER", "no": "1"},
            "order_returned",
        ),
        (
            outcome("order_returned", '"/all" = [true]') + returned('"/all" = [1]'),
            {"all": 1},
            "returned",
        ),
        # What is passed over may fit anything.
        (outcome("later") + outcome("order_returned", WHOLE), {"e": "ALL"}, "later"),
    ],
)
def test_the_whole_order_has_a_rule_that_no_parcel_s_return_fits(
    tmp_path: Path, rules: str, message: dict[str, Any], means: str
) -> None:
    (tmp_path / "a.toml").write_text(FULFILMENT + BY_QUEUE + rules)
    outcomes = described("a", "fulfilment", tmp_path).outcomes
    assert outcomes is not None
    rule = first_that_fits(outcomes.answers, Answer(200, {}, b""), message, lookup=False)
    assert rule is not None
    assert rule.means == means


def test_only_fulfilment_tells_of_parcels_and_only_later(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        f"[reserve]\npath = '/r'\n{RELEASE}{DONE}{BY_QUEUE}{outcome('order_returned', RET)}"
    )
    with pytest.raises(DescriptionError, match="only fulfilment tells of parcels"):
        described("a", "inventory", tmp_path)
    at_once = '[[ship.answers]]\nstatus = [200]\nmeans = "order_returned"\n'
    (tmp_path / "b.toml").write_text(FULFILMENT + at_once)
    with pytest.raises(DescriptionError, match="is told later, by a rule of"):
        described("b", "fulfilment", tmp_path)


@pytest.mark.parametrize("by", ["lambda", "queue"])
def test_only_https_has_paths_and_lookups(tmp_path: Path, by: str) -> None:
    (tmp_path / "a.toml").write_text(f'by = "{by}"\n[reserve]\npath = "/x"\n[release]\n{DONE}')
    (tmp_path / "b.toml").write_text(
        f'by = "{by}"\n[reserve]\nlookup.path = "/x"\n[release]\n{DONE}'
    )
    with pytest.raises(DescriptionError, match="a path goes with"):
        described("a", "inventory", tmp_path)
    with pytest.raises(DescriptionError, match="a lookup goes with"):
        described("b", "inventory", tmp_path)


def test_an_unknown_description_is_told_with_those_that_there_are() -> None:
    with pytest.raises(DescriptionError, match=r"no description 'erpp'; there are: .*inventory"):
        described("erpp", "inventory")


def test_a_bundle_has_descriptions_as_json_and_reads_the_same(tmp_path: Path) -> None:
    import tomllib

    for name in DOWNSTREAM_OF.values():
        written = tomllib.loads((DESCRIPTIONS / f"{name}.toml").read_text())
        (tmp_path / f"{name}.json").write_bytes(msgspec.json.encode(written))
        from_json, from_toml = described(name, name, tmp_path), described(name, name)
        assert from_json.requests.keys() == from_toml.requests.keys()
        for step, request in from_json.requests.items():
            assert request.answers == from_toml.requests[step].answers
            scope = Scope(Command(KEY, step, an_order()))
            other = from_toml.requests[step].body
            assert request.body is not None
            assert other is not None
            assert request.body(scope) == other(scope)
