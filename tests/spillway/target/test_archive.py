"""An order is read as its own two items, wherever they are."""

from __future__ import annotations

import pytest

from orders.aws import archive_file, items
from orders.aws.items import Item
from orders.domain.saga import Facts, Outcome, Step
from spillway.errors import SpillwayError
from spillway.target.archive import TOGETHER_MAX
from spillway.target.reading import PAGE_ITEMS_MAX
from tests.builders import NOW, accepted, order_id, order_key
from tests.spillway.archived import BUCKET, FakeS3, KeptOrders, archive_in, archived
from tests.spillway.operate.fakes import outcome_of

CONFIRMED = outcome_of(Facts({step: Outcome(NOW, step) for step in (*Step,)[:3]}))


def confirmed(customer: str = "ada") -> tuple[Item, Item]:
    order = accepted(order_key(customer, order_id()))
    return items.order_item(order), {**items.progress_key(order.key), **CONFIRMED}


def test_each_stub_becomes_the_two_items_that_it_stands_for_in_its_place() -> None:
    s3, orders = FakeS3(), [confirmed() for _ in range(2 * TOGETHER_MAX + 1)]
    stubs = archived(s3, *orders[1:])
    [*whole] = archive_in(s3).whole([*orders[0], *stubs])
    assert whole == [item for order in orders for item in order]


def test_without_a_stub_no_archive_is_looked_for() -> None:
    s3 = FakeS3()
    assert list(archive_in(s3).whole(confirmed()))
    assert s3.gets == 0


def test_an_archived_order_is_an_order_and_says_where_it_is() -> None:
    kept = KeptOrders()
    first, second = (kept.add(accepted(order_key("ada", order_id())), CONFIRMED) for _ in "ab")
    keys = [items.key_of(order) for order, _ in (first, second)]
    before = [kept.orders.order(key) for key in keys]
    kept.move(first)
    archived_one, other = map(kept.orders.order, keys)
    assert archived_one is not None
    [name] = kept.s3.objects
    assert archived_one.archived == name
    assert [other, archived_one.order, archived_one.facts, archived_one.accepted_at] == [
        before[1],
        before[0] and before[0].order,
        before[0] and before[0].facts,
        NOW,
    ]
    assert {record.key for record in kept.orders.orders()} == {*keys}


def test_an_order_that_is_archived_while_it_is_read_has_not_lost_its_facts() -> None:
    kept, (order, progress) = KeptOrders(), confirmed()
    kept.put(order)  # all that a query sees whose progress has just gone

    def archived_after_the_first_look() -> None:
        kept.client.before["query"] = lambda: kept.put(*archived(kept.s3, (order, progress)))

    kept.client.before["query"] = archived_after_the_first_look
    record = kept.orders.order(items.key_of(order))
    assert record is not None
    assert record.facts == items.facts(progress)


def test_a_table_of_stubs_is_read_in_lists_that_fit_into_memory() -> None:
    kept = KeptOrders()
    kept.move(*(confirmed() for _ in range(PAGE_ITEMS_MAX)))
    lists = [len(each) for each in kept.orders.pages()]
    assert sum(lists) == 2 * PAGE_ITEMS_MAX
    assert max(lists) <= PAGE_ITEMS_MAX


class TestUnreadable:
    @pytest.mark.parametrize(
        "spoil",
        [
            lambda _: b"",
            lambda content: content.replace(b'"facts"', b'"fakts"'),
            lambda content: b"{}".ljust(len(content)),
            # Another order's line, as after somebody has moved the lines.
            lambda content: content[len(content) // 2 :] + content[: len(content) // 2],
        ],
        ids=["cut off", "damaged", "taken out", "another order's"],
    )
    def test_a_line_that_is_not_the_orders_is_said_in_a_sentence(self, spoil: object) -> None:
        s3, orders = FakeS3(), [confirmed(), confirmed()]
        stub, _ = archived(s3, *orders)
        [name] = s3.objects
        s3.objects[name] = spoil(s3.objects[name])  # type: ignore[operator]
        with pytest.raises(SpillwayError) as problem:
            archive_in(s3).items_of([stub])
        assert items.key_of(stub).order_id in str(problem.value)
        assert f"s3://{BUCKET}/{name}" in str(problem.value)
        assert "Fletcher" not in str(problem.value)

    def test_so_is_an_object_that_is_gone(self) -> None:
        s3 = FakeS3()
        [stub] = archived(s3, confirmed())
        s3.objects.clear()
        with pytest.raises(SpillwayError, match="NoSuchKey"):
            archive_in(s3).items_of([stub])


def test_a_line_is_written_over_beside_what_others_write_meanwhile() -> None:
    s3, orders = FakeS3(), [confirmed() for _ in range(3)]
    archive, stubs = archive_in(s3), archived(s3, *orders)
    first, second = map(items.location_of, stubs[:2])
    [name] = s3.objects
    length = len(s3.objects[name])
    s3.before_put = lambda: archive.overwrite(second, None)
    archive.overwrite(first, None)
    assert len(s3.objects[name]) == length
    *taken_out, line = (each.strip() for each in s3.objects[name].splitlines())
    assert taken_out == [b"{}", b"{}"]
    assert archive.items_of(stubs[2:]) == [archive_file.items_of(line)] == [orders[2]]
