"""Orders are found by whatever an operator has at hand, and lists are filtered and sorted."""

from __future__ import annotations

import re
import time
from dataclasses import astuple, replace

import pytest

from orders.aws import items
from orders.aws.items import Location
from orders.domain.order import AcceptedOrder
from orders.domain.saga import Approval, Facts, Outcome, Step
from orders.domain.units import Millis
from spillway.errors import CheckFailed, SpillwayError, UsageError
from spillway.operate.arguments import order_id_in, written_id
from spillway.operate.orders import finding
from spillway.operate.orders.finding import (
    Filters,
    Sought,
    check_id_or_prefix,
    customer_of_email,
    find,
    key_of,
)
from spillway.operate.orders.reading import Listed, Summary
from tests.builders import CUSTOMER, NOW, OTHER_CUSTOMER, accepted, order_id, order_key
from tests.spillway.operate.fakes import CONFIRMED, FakeTable, outcome_of, service

RESERVED = Facts({Step.RESERVE: Outcome(NOW)})
ID = "019aafcf-6ac0-7c3e-b1a5-5f0c8f1f2a10"
DAY_MS = 86_400_000


def order(customer: str = CUSTOMER, id_: str | None = None) -> AcceptedOrder:
    return accepted(order_key(customer, id_ or order_id()))


def with_content(
    purchase_order: str | None = None, email: str = "", channel: str = "wholesale"
) -> AcceptedOrder:
    plain = order(OTHER_CUSTOMER)
    address = replace(plain.order.address, email=email)
    assert plain.order.payment is not None
    content = replace(
        plain.order,
        payment=replace(plain.order.payment, reference="Pay-77"),
        channel=channel,  # type: ignore[arg-type]
        purchase_order=purchase_order,
        address=address,
    )
    return replace(plain, order=content)


def ids(table: FakeTable, text: str, *, unsettled_only: bool = False) -> list[str]:
    found = find(service(dynamodb=table), Sought(text), unsettled_only=unsettled_only)
    return [one.order_id for one in found.orders]


@pytest.mark.parametrize("page", [1, 2, 3, 100])
def test_unsettled_orders_are_found_however_their_items_fall_on_pages(page: int) -> None:
    table = FakeTable(page=page)
    new, begun, done = order(), order(), order(OTHER_CUSTOMER)
    table.add(done, outcome_of(CONFIRMED))
    table.add(new)
    table.add(begun, outcome_of(RESERVED))
    found = find(service(dynamodb=table), unsettled_only=True)
    listed = Filters().apply(found.orders, NOW)
    assert [(one.customer_id, one.order_id, list(one.owed)) for one in listed] == [
        (*astuple(begun.key), ["post", "ship"]),
        (*astuple(new.key), ["reserve"]),
    ]
    assert found.complete
    assert table.queries == 0


def test_an_order_that_is_held_has_not_settled() -> None:
    """An earlier release would begin it: an operator who goes back to one asks for these."""
    table = FakeTable()
    held = replace(order(), held_until=Millis(NOW + 1))
    table.add(held, items.held_progress_item(held))
    refused = items.approval_attribute(Approval(NOW, "refused"))
    table.add(order(), {items.HELD_UNTIL: {"N": "1"}, items.APPROVAL: refused})
    table.add(order(), outcome_of(CONFIRMED))
    found = find(service(dynamodb=table), unsettled_only=True).orders
    [listed] = Filters(status="held").apply(found, NOW)
    assert (listed.order_id, listed.settled, len(found)) == (held.key.order_id, False, 2)


@pytest.mark.parametrize(
    "text",
    [
        ID,
        ID.upper(),
        f"  {ID.title()} ",
        ID.replace("-", ""),
        f"{{{ID.upper()}}}",
        f"urn:uuid:{ID}",
        f"https://shop.example/order?id={ID}",
        f"Order {ID.upper()}, please",
        f"post-{ID}-0123456789abcdef",
        f"00-{ID.replace('-', '')}-00f067aa0ba902b7-01",
        ID[:8],
        ID[:8].upper(),
        ID[:15],
        ID[:15].replace("-", ""),
        f'"{ID[:13]}"',
        f" #{ID[:14]}",
        f"({ID[:20].upper()})",
        ID[-12:].upper(),
        ID[-17:],
    ],
)
def test_an_order_is_found_by_its_id_as_people_paste_it_or_the_first_digits(text: str) -> None:
    table, wanted = FakeTable(page=2), order(OTHER_CUSTOMER, ID)
    for _ in range(5):
        table.add(order(), outcome_of(CONFIRMED))
    table.add(wanted)
    aws = service(dynamodb=table)
    assert ids(table, text) == [ID]
    assert key_of(aws, text) == wanted.key


def test_an_id_has_one_form() -> None:
    assert written_id(f"{{{ID.upper()}}}") == ID
    assert order_id_in(ID.upper()) == ID
    assert written_id(" PO-1 ") == "PO-1"
    # A UUID of another version is no order id.
    assert written_id(ID.replace("-7c3e-", "-4c3e-").upper()) != ID


def test_what_is_not_the_id_of_one_order_is_said() -> None:
    table = FakeTable(page=2)
    for _ in range(3):
        table.add(order(), outcome_of(CONFIRMED))
    aws = service(dynamodb=table)
    with pytest.raises(CheckFailed, match="There is no order"):
        key_of(aws, ID)
    with pytest.raises(SpillwayError, match="first 4 items"):
        key_of(aws, ID, items_max=4)
    with pytest.raises(UsageError, match="3 orders have the digits"):
        key_of(aws, order_id()[:8])
    for text in ("4711", ID[:7], "PO-2024-117", ""):
        with pytest.raises(SpillwayError, match="isn't an order id"):
            check_id_or_prefix(text)


def test_a_customer_is_found_by_id_and_by_the_hash_in_logs() -> None:
    table, wanted = FakeTable(), order(OTHER_CUSTOMER)
    table.add(order())
    table.add(wanted)
    hashed = wanted.key.customer_hash
    for text in (OTHER_CUSTOMER, OTHER_CUSTOMER.upper(), f'"{OTHER_CUSTOMER}",', hashed):
        assert ids(table, text) == [wanted.key.order_id]
    assert ids(table, hashed[:8].upper()) == [wanted.key.order_id]


def test_an_order_is_found_by_what_its_customer_gave() -> None:
    table = FakeTable()
    table.add(order())
    wanted = with_content("PO-2024/117", "Ada@Example.com")
    table.add(wanted, outcome_of(CONFIRMED))
    for text in ("PO-2024/117", "po 2024 117", "2024/117", "ada@example.COM", "pay-77", "PAY77"):
        assert ids(table, text) == [wanted.key.order_id]
    for text in ("“PO-2024/117”", " <ada@example.com>"):
        assert ids(table, text) == [wanted.key.order_id]
    # A part of an address names somebody else.
    assert ids(table, "example.com") == []
    assert ids(table, "17") == []
    assert ids(table, "PO-2024/117", unsettled_only=True) == []


def test_a_date_finds_the_orders_that_were_accepted_on_that_day_in_utc() -> None:
    table = FakeTable()
    days = [
        replace(order(), accepted_at=Millis(at))
        for at in (
            1_795_391_999_999,  # 2026-11-22T23:59:59.999Z
            1_795_392_000_000,
            1_795_392_000_000 + DAY_MS - 1,
            1_795_392_000_000 + DAY_MS,
        )
    ]
    for one in days:
        table.add(one)
    assert set(ids(table, "2026-11-23")) == {one.key.order_id for one in days[1:3]}
    for text in (" '2026-11-23' ", "23.11.2026", "23 Nov 2026", "23 november 2026"):
        assert len(ids(table, text)) == 2
    # 11 March or 3 November: never guessed.
    for text in ("2026-13-45", "11/03/2026", "tomorrow"):
        assert ids(table, text) == []
    now = Millis(time.time_ns() // 1_000_000)
    for age_days, text in enumerate(("today", "Yesterday")):
        table.add(replace(order(), accepted_at=Millis(now - age_days * DAY_MS)))
        assert len(ids(table, text)) == 1


def test_archived_orders_are_found_by_key_and_counted_where_they_cannot_be() -> None:
    table, there = FakeTable(), with_content("PO-1234")
    stub = items.stub_item(order_key(CUSTOMER, ID), Location("2026/11/20", "run", 0, 10))
    table.items.append(stub)
    table.add(there)
    aws = service(dynamodb=table)
    [by_id] = find(aws, Sought(ID)).orders
    assert (by_id.status, by_id.settled) == ("archived", True)
    by_number = find(aws, Sought("PO-1234"))
    assert [one.order_id for one in by_number.orders] == [there.key.order_id]
    assert by_number.archived == 1
    assert find(aws, unsettled_only=True).archived == 0


def test_an_order_that_cannot_be_read_is_listed_all_the_same() -> None:
    table, broken, other = FakeTable(), order(), order()
    table.items.append({**items.order_item(broken), "content": {"B": b"from a newer release"}})
    table.items.append({**items.progress_key(broken.key), **outcome_of(RESERVED)})
    table.items.append({"pk": {"S": CUSTOMER}, "sk": {"S": "no id"}})
    table.add(other)
    orders = find(service(dynamodb=table)).orders
    assert {one.order_id for one in orders} == {broken.key.order_id, other.key.order_id, "no id"}
    [listed] = find(service(dynamodb=table), Sought(broken.key.order_id)).orders
    assert (list(listed.owed), listed.channel) == (["post", "ship"], None)


def test_a_reading_that_ends_at_its_limit_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    table = FakeTable(page=2)
    for _ in range(6):
        table.add(order())
    aws = service(dynamodb=table)
    part = find(aws, items_max=2)
    # Whether the last one has any progress is not known.
    assert (len(part.orders), part.complete) == (1, False)
    monkeypatch.setattr(finding, "FOUND_MAX", 3)
    few = find(aws)
    assert (len(few.orders), few.complete) == (3, False)


def summary(age_minutes: int, step: Step | None, channel: str = "retail") -> Summary:
    at, owed = NOW - age_minutes * 60_000, () if step is None else (step,)
    status = "confirmed" if step is None else "accepted"
    return Summary(f"{age_minutes:03}", "hash", status, at, owed, CUSTOMER, None, channel)


LIST = [
    summary(6, Step.SHIP),
    summary(4, Step.POST, "wholesale"),
    summary(9, None),
    summary(5, Step.POST),
]


@pytest.mark.parametrize(
    ("filters", "ages"),
    [
        (Filters(), [4, 5, 6, 9]),
        (Filters(sort="oldest"), [9, 6, 5, 4]),
        (Filters(status="accepted"), [4, 5, 6]),
        (Filters(waits_for="accounting"), [4, 5]),
        (Filters(channel="wholesale"), [4]),
        (Filters(older_than_ms=5 * 60_000), [6, 9]),
        (Filters(younger_than_ms=5 * 60_000), [4, 5]),
        (Filters("accepted", "accounting", "retail", sort="oldest"), [5]),
    ],
)
def test_lists_are_filtered_and_sorted(filters: Filters, ages: list[int]) -> None:
    assert [int(one.order_id) for one in filters.apply(LIST, NOW)] == ages


def test_a_list_that_is_cut_says_how_much_is_left_out() -> None:
    listed = Listed(LIST)
    assert listed.filtered(LIST, 3).left_out == 1
    assert not listed.filtered(LIST, 3).complete
    assert listed.filtered(LIST, 4).complete
    assert re.search("filters", listed.filtered([], 4).empty)


class Pool:
    """A user pool with one user, and the stack that has it."""

    def __init__(self, *outputs: str) -> None:
        self.outputs = [{"OutputKey": name, "OutputValue": name} for name in outputs]
        self.asked: list[str] = []

    def __call__(self, _: str) -> Pool:
        return self

    def describe_stacks(self, **_: str) -> dict[str, object]:
        return {"Stacks": [{"StackName": "spillway-dev-identity", "Outputs": self.outputs}]}

    def list_users(self, UserPoolId: str, Filter: str, **_: int) -> dict[str, object]:  # noqa: N803
        self.asked.append(Filter)
        users = [{"Attributes": [{"Name": "sub", "Value": CUSTOMER}]}] if UserPoolId else []
        return {"Users": users}


def test_an_e_mail_address_is_a_customer_where_the_stage_has_a_pool_of_its_own() -> None:
    pool = Pool("UserPoolId")
    aws = replace(service(), client=pool, stage="dev")
    assert customer_of_email(aws, "ada@example.com") == CUSTOMER
    assert pool.asked == ['email = "ada@example.com"']
    # What would end the filter's text is no address.
    assert customer_of_email(aws, 'ada" or email ^= "a@b') is None
    assert customer_of_email(replace(aws, client=Pool()), "ada@example.com") is None
    assert len(pool.asked) == 1
