"""A restore with archived orders: in the copy, in the table, or archived since the backup."""

from __future__ import annotations

import msgspec
import pytest

from orders.aws import items
from orders.aws.items import Item
from orders.domain.order import OrderKey
from orders.domain.saga import Facts, Outcome, Step
from spillway.operate.restore.copying import Restored, restore
from tests.builders import NOW, accepted, order_id, order_key
from tests.spillway.archived import KeptOrders, archived
from tests.spillway.operate.fakes import outcome_of

CONFIRMED = outcome_of(Facts({step: Outcome(NOW) for step in (Step.RESERVE, Step.SHIP, Step.POST)}))


@pytest.fixture
def kept() -> KeptOrders:
    return KeptOrders()


def confirmed() -> tuple[Item, Item]:
    order = accepted(order_key("ada", order_id()))
    return items.order_item(order), {**items.progress_key(order.key), **CONFIRMED}


def backed_up(kept: KeptOrders, *stored: Item) -> None:
    for item in stored:
        kept.copy.put((item["pk"]["S"], item["sk"]["S"]), item)


def restored(kept: KeptOrders, *, dry_run: bool = False) -> Restored:
    return restore(kept.client, kept.archive, copy="copy", into="orders", dry_run=dry_run)


def stored(kept: KeptOrders) -> list[Item]:
    return sorted(kept.table.items(), key=lambda item: item["sk"]["S"])


def test_an_order_that_was_archived_since_the_backup_gets_no_facts_beside_its_stub(
    kept: KeptOrders,
) -> None:
    order = confirmed()
    backed_up(kept, *order)
    stubs = kept.move(order)
    assert restored(kept, dry_run=True).put_back == 0
    assert restored(kept).put_back == 0
    assert stored(kept) == stubs


def test_nor_does_one_that_is_archived_while_its_facts_are_looked_for(kept: KeptOrders) -> None:
    order = confirmed()
    backed_up(kept, *order)
    kept.client.before["transact_write_items"] = lambda: kept.put(*archived(kept.s3, order))
    assert restored(kept).put_back == 0
    assert all(map(items.is_stub, stored(kept)))


def test_a_lost_stub_comes_back_and_its_order_with_it(kept: KeptOrders) -> None:
    order = confirmed()
    stubs = archived(kept.s3, order)
    backed_up(kept, *stubs)
    assert restored(kept, dry_run=True).put_back == 1
    assert stored(kept) == []
    assert restored(kept).put_back == 1
    assert stored(kept) == stubs
    record = kept.orders.order(items.key_of(order[0]))
    assert record is not None
    assert record.facts == items.facts(order[1])


def test_a_stub_whose_line_is_gone_is_left_out_and_named(kept: KeptOrders) -> None:
    order, other = confirmed(), confirmed()
    [stub, fine] = archived(kept.s3, order, other)
    backed_up(kept, stub, fine)
    kept.archive.overwrite(items.location_of(stub), None)
    done = restored(kept)
    assert (done.put_back, done.unreadable) == (1, [items.key_of(stub).order_id])
    assert stored(kept) == [fine]


def test_an_order_that_came_back_from_the_archive_since_keeps_what_it_is(kept: KeptOrders) -> None:
    order = confirmed()
    backed_up(kept, *archived(kept.s3, order))
    kept.put(*order)
    assert restored(kept).put_back == 0
    assert stored(kept) == [*order]


def test_the_line_of_an_order_that_comes_back_from_before_it_was_archived_is_taken_out(
    kept: KeptOrders,
) -> None:
    """No stub names it any more, so no erasure would find it: the next run takes it out."""
    order = confirmed()
    long_ago = order_key("ada", order_id(1_600_000_000_000))
    old = [{**item, **key} for item, key in zip(order, keys_of(long_ago), strict=True)]
    backed_up(kept, *old)
    archived(kept.s3, (old[0], old[1]))
    [name] = kept.s3.objects
    journal = {"run": "r", "until": 0, "objects": ["orders/other.jsonl"]}
    kept.s3.objects["run.json"] = msgspec.json.encode(journal)
    done = restored(kept)
    assert len(done.days) == 1
    kept.archive.have_tidied(done.days)
    kept.archive.have_tidied(done.days)
    after = msgspec.json.decode(kept.s3.objects["run.json"])
    assert after == {**journal, "objects": [name, "orders/other.jsonl"]}


def test_where_no_run_ever_was_there_is_nothing_to_tidy(kept: KeptOrders) -> None:
    archived(kept.s3, confirmed())
    objects = dict(kept.s3.objects)
    kept.archive.have_tidied(name.split("/", 1)[1].rpartition("/")[0] for name in objects)
    assert kept.s3.objects == objects


def keys_of(key: OrderKey) -> tuple[Item, Item]:
    return items.order_key(key), items.progress_key(key)


def test_the_coupons_of_an_archived_order_are_counted(kept: KeptOrders) -> None:
    order, progress = confirmed()
    backed_up(kept, *archived(kept.s3, ({**order, items.CLAIMS: {"SS": ["A"]}}, progress)))
    assert restored(kept).with_coupons == 1
