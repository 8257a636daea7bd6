"""The switch and the way back: orders placed on both sides of it are in both tables in the end."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace
from pymysql.err import OperationalError

from orders.aws.table import DynamoOrders
from orders.domain.order import OrderKey, VoidId
from orders.domain.saga import Outcome, Step
from orders.domain.units import Millis
from spillway.errors import SpillwayError
from spillway.migrate.back.going_back import GoBack
from spillway.migrate.back.streaming import ENDED, PAGES_A_ROUND, Stream
from spillway.migrate.copying import Copy
from spillway.migrate.cutting_over import Cutover
from spillway.migrate.following import Follow
from spillway.migrate.running import Parts
from spillway.run.stack.aws import client
from tests.builders import accepted, order_id, order_key
from tests.spillway.archived import FakeS3, archive_in, leave
from tests.spillway.migrate.legacy import Shop, lines, order
from tests.spillway.migrate.tables import config_for, make_orders_table, migration
from tests.waiting import PATIENCE_SECONDS, eventually

NOTHING: Any = lambda *_: None  # noqa: E731
#: A connection that has ended by itself.
NO_SUCH_THREAD = 1094


def switched(parts: Parts) -> list[tuple[str, bool | None]]:
    """Go through the whole checklist with a follower at work."""
    follow = Follow(parts, NOTHING)
    ended: list[BaseException] = []

    def work() -> None:
        try:
            follow.run()
        except BaseException as error:  # noqa: BLE001 -- judged below
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    eventually(parts.state.standing, lambda standing: standing.work == "follow")
    steps: list[tuple[str, bool | None]] = []
    cutover = Cutover(
        parts=parts,
        on_step=lambda step, _, done: steps.append((step, done)),
        confirmed=lambda _: True,
    )
    cutover.run()
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive(), "the follower goes on after the switch"
    assert [str(error) for error in ended] == [
        "The switch has been made: nothing is left to follow."
    ]
    return steps


def going_back(parts: Parts) -> GoBack:
    """Without a rest: the emulator takes any number of requests."""
    return GoBack(parts, NOTHING, pause_seconds=0.0)


def new_order(table: DynamoOrders, customer: str = "legacy|77", **fields: Any) -> OrderKey:
    """An order that the new service took after the switch."""
    now = time.time_ns() // 1_000_000
    key = order_key(customer, order_id(now))
    assert table.place(accepted(key, Millis(now), **fields)) is None
    return key


def confirm(table: DynamoOrders, key: OrderKey) -> None:
    """What the saga does for it."""
    for step in (Step.RESERVE, Step.SHIP, Step.POST):
        table.record(key, {step: Outcome(Millis(time.time_ns() // 1_000_000))})


@pytest.mark.parametrize("shop", ["row-per-line"], indirect=True)
def test_orders_placed_on_both_sides_of_the_switch_are_in_both_tables(
    shop: Shop, aws: str, tmp_path: Path
) -> None:
    dynamodb = client(aws, "dynamodb")
    rng = random.Random(1)
    shop.fill(row for number in range(40) for row in lines(rng, f"I{number}"))
    config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    s3, streams = FakeS3(), client(aws, "dynamodbstreams")
    with migration(shop, dynamodb, config, streams, archive_in(s3)) as parts:
        Copy(parts, NOTHING).run()
        shop.insert(lines(rng, "LAST")[0])

        assert all(done for step, done in switched(parts) if step != "open orders")

        table = DynamoOrders(dynamodb, parts.place.orders_table)
        placed = [new_order(table) for _ in range(5)]
        # An id that its customer made void is no order, neither for `back` nor for the comparison.
        now = Millis(time.time_ns() // 1_000_000)
        assert table.void(VoidId(order_key("legacy|77", order_id(now)), now)) is None
        # One has left the table before `back` has seen it.
        confirm(table, placed[4])
        leave(dynamodb, parts.place.orders_table, s3, placed[4])
        assert parts.verify(NOTHING).whole().differences == []
        going_back(parts).run(until_caught_up=True)
        confirm(table, placed[0])
        confirm(table, placed[1])
        assert going_back(parts).run(until_caught_up=True) > 0
        # A second helper, or one that was killed before it noted its place, does it all again.
        shop.run("DELETE FROM spillway_back_shards")
        going_back(parts).run(until_caught_up=True)

        for key in placed[:2]:
            leave(dynamodb, parts.place.orders_table, s3, key)
        assert going_back(parts).run(until_caught_up=True) == 0

        verdict = parts.verify_back(NOTHING).run()
        assert verdict.differences == []
        written = shop.run("SELECT COUNT(*) FROM spillway_back WHERE old_key IS NOT NULL")
        assert written == [(5,)]


def test_an_old_order_that_the_new_service_changes_changes_in_the_old_table(
    shop: Shop, aws: str, tmp_path: Path
) -> None:
    dynamodb = client(aws, "dynamodb")
    number = shop.insert(order(random.Random(1), status="paid", customer_id="5"))
    config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    with migration(shop, dynamodb, config, streams=client(aws, "dynamodbstreams")) as parts:
        Copy(parts, NOTHING).run()
        switched(parts)
        (item,) = parts.state.listed("open")
        table = DynamoOrders(dynamodb, parts.place.orders_table)
        confirm(table, order_key(item["customer"]["S"], item["order"]["S"]))

        going_back(parts).run(until_caught_up=True)

        assert shop.run(f"SELECT status FROM orders WHERE id = {number}")[0][0] == "shipped"
        assert parts.verify_back(NOTHING).run().differences == []


@pytest.fixture
def moved(shop: Shop, aws: str, tmp_path: Path) -> Iterator[Parts]:
    """One order was copied, and the switch is made."""
    dynamodb = client(aws, "dynamodb")
    config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    shop.insert(order(random.Random(1)))
    with migration(shop, dynamodb, config, streams=client(aws, "dynamodbstreams")) as parts:
        Copy(parts, NOTHING).run()
        switched(parts)
        yield parts


def test_an_order_that_the_old_table_cannot_hold_is_named_and_not_lost(
    shop: Shop, aws: str, moved: Parts, tmp_path: Path
) -> None:
    address = {
        "name": "Ada 🎁",  # the old column is Latin-1
        "lines": ["1 High Street"],
        "city": "Leeds",
        "postal_code": "LS1 4AP",
        "country": "GB",
    }
    key = new_order(
        DynamoOrders(client(aws, "dynamodb"), moved.place.orders_table), address=address
    )

    going_back(moved).run(until_caught_up=True)

    ((reason,),) = shop.run("SELECT reason FROM spillway_back WHERE old_key IS NULL")
    assert "customer_name" in reason
    assert key.order_id in (tmp_path / "quarantine.jsonl").read_text()
    judge = moved.verify_back(NOTHING)
    judge.pause_seconds = 0.0
    (difference,) = judge.run().differences
    assert difference.kind.startswith("not in the old table: `back` could not write it (")


def test_an_order_that_came_back_wrong_is_found(shop: Shop, aws: str, tmp_path: Path) -> None:
    """Its number has zeros before it that MySQL does not count."""
    dynamodb = client(aws, "dynamodb")
    shop.run("ALTER TABLE orders MODIFY id INT(8) UNSIGNED ZEROFILL NOT NULL AUTO_INCREMENT")
    config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    shop.insert(order(random.Random(1)))
    with migration(shop, dynamodb, config, streams=client(aws, "dynamodbstreams")) as parts:
        Copy(parts, NOTHING).run()
        switched(parts)
        key = new_order(DynamoOrders(dynamodb, parts.place.orders_table))
        going_back(parts).run(until_caught_up=True)
        assert parts.verify_back(NOTHING).run().differences == []

        shop.run("UPDATE orders SET customer_id = '9', customer_name = 'Bob', city = 'York'")
        judge = parts.verify_back(NOTHING)
        judge.pause_seconds = 0.0
        (ours,) = (one for one in judge.run().differences if one.key == "00000002")
        assert set(ours.fields) == {"customer", "address.name", "address.city"}
        assert ours.fields["customer"] == {
            "column": "customer_id",
            "old": "9",
            "new": key.customer_id.removeprefix("legacy|"),
        }


def test_nothing_is_written_that_the_condition_on_rows_would_hide(
    shop: Shop, aws: str, tmp_path: Path
) -> None:
    """Neither a new order nor a new state of an old one."""
    dynamodb = client(aws, "dynamodb")
    shop.insert(order(random.Random(1), status="paid", city="Leeds"))
    config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    hides = "city NOT LIKE 'Y%' AND status <> 'shipped'"
    config = replace(config, source=replace(config.source, where=hides))
    with migration(shop, dynamodb, config, streams=client(aws, "dynamodbstreams")) as parts:
        Copy(parts, NOTHING).run()
        switched(parts)
        (item,) = parts.state.listed("open")
        table = DynamoOrders(dynamodb, parts.place.orders_table)
        confirm(table, order_key(item["customer"]["S"], item["order"]["S"]))
        address = {"name": "Ada", "lines": ["1 High Street"], "postal_code": "Y", "country": "GB"}
        new_order(table, address={**address, "city": "York"})
        new_order(table, address={**address, "city": "Leeds"})

        going_back(parts).run(until_caught_up=True)

        reasons = shop.run("SELECT reason, old_key FROM spillway_back ORDER BY old_key")
        assert [key for _, key in reasons] == [None, None, "3"]
        assert all("would be no order, by source.where" in reason for reason, _ in reasons[:2])
        cities = shop.run("SELECT city, status FROM orders ORDER BY id")
        assert cities == [("Leeds", "paid"), ("Leeds", "paid")]


def test_an_address_of_more_lines_than_the_old_table_has_is_not_cut(
    shop: Shop, aws: str, moved: Parts
) -> None:
    address = {"name": "Ada", "lines": ["1", "2", "3"], "city": "Leeds", "country": "GB"}
    new_order(DynamoOrders(client(aws, "dynamodb"), moved.place.orders_table), address=address)
    going_back(moved).run(until_caught_up=True)
    ((reason,),) = shop.run("SELECT reason FROM spillway_back WHERE old_key IS NULL")
    assert "address.lines would be ['1', '2'], not ['1', '2', '3']" in reason


def test_before_the_switch_nothing_is_written_back_and_after_it_nothing_forward(
    shop: Shop, aws: str, tmp_path: Path
) -> None:
    dynamodb = client(aws, "dynamodb")
    shop.insert(order(random.Random(1)))
    config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    with migration(shop, dynamodb, config, streams=client(aws, "dynamodbstreams")) as parts:
        Copy(parts, NOTHING).run()
        with pytest.raises(SpillwayError):
            going_back(parts).run(until_caught_up=True)
        switched(parts)
        for again in (False, True):
            with pytest.raises(SpillwayError, match="would overwrite what customers have done"):
                Copy(parts, NOTHING).run(again=again)


def test_a_rehearsal_changes_nothing(shop: Shop, aws: str, tmp_path: Path) -> None:
    dynamodb = client(aws, "dynamodb")
    shop.insert(order(random.Random(1)))
    config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    with migration(shop, dynamodb, config) as parts:
        Copy(parts, NOTHING).run()
        steps: list[tuple[str, bool | None]] = []
        rehearsal = Cutover(
            parts=parts,
            on_step=lambda step, _, done: steps.append((step, done)),
            confirmed=lambda _: False,
            dry_run=True,
        )
        assert not rehearsal.run()
        assert steps == [("copy complete", True), ("follow is running", False)]
        assert parts.state.standing().phase == "following"


def test_back_waits_for_an_old_server_that_cut_its_connection(
    shop: Shop, aws: str, moved: Parts
) -> None:
    table = DynamoOrders(client(aws, "dynamodb"), moved.place.orders_table)
    back = going_back(moved)
    thread = threading.Thread(target=back.run)
    thread.start()
    try:
        new_order(table)
        _wait_for_written(shop, 1)
        _cut_others(shop)
        new_order(table)
        _wait_for_written(shop, 2)
    finally:
        back.stop.set()
        thread.join()


def _wait_for_written(shop: Shop, count: int) -> None:
    there = "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'spillway_back'"
    eventually(
        lambda: (
            shop.run(f"{there} AND table_schema = DATABASE()")[0][0]
            and shop.run("SELECT COUNT(old_key) FROM spillway_back")[0][0]
        ),
        lambda written: written == count,
    )


def _cut_others(shop: Shop) -> None:
    (mine,) = shop.run("SELECT CONNECTION_ID()")
    for other in shop.run("SELECT id FROM information_schema.processlist WHERE db = DATABASE()"):
        if other != mine:
            try:
                shop.server.run(f"KILL {other[0]}")
            except OperationalError as error:
                if error.args[0] != NO_SUCH_THREAD:
                    raise


def test_an_order_waits_for_its_customer_and_comes_back_then(
    shop: Shop, aws: str, tmp_path: Path
) -> None:
    dynamodb = client(aws, "dynamodb")
    shop.run("CREATE TABLE people (id VARCHAR(40) PRIMARY KEY, sub VARCHAR(40))")
    config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    known = {"by": "table", "table": "people", "key": "id", "subject": "sub"}
    config = replace(config, customers=replace(config.customers, **known))
    with migration(shop, dynamodb, config, streams=client(aws, "dynamodbstreams")) as parts:
        Copy(parts, NOTHING).run()
        switched(parts)
        table = DynamoOrders(dynamodb, parts.place.orders_table)
        new_order(table, "legacy|new")
        back = going_back(parts)
        assert back.run(until_caught_up=True) == 0
        assert back.waiting == {"back_customer_unknown": 1}
        assert parts.state.standing().waiting == 1

        shop.run("INSERT INTO people VALUES ('9001', 'new')")
        back = going_back(parts)
        assert back.run(until_caught_up=True) == 1
        assert (back.waiting, parts.state.standing().waiting) == ({}, 0)
        assert shop.run("SELECT customer_id FROM orders") == [("9001",)]
        assert json.loads(_last_line(tmp_path / "quarantine.jsonl"))["resolved"]
        assert parts.verify_back(NOTHING).run().differences == []


def _last_line(path: Path) -> str:
    return path.read_text().splitlines()[-1]


def test_a_gap_in_the_stream_ends_back_until_all_is_read_again(
    shop: Shop, aws: str, moved: Parts
) -> None:
    table = DynamoOrders(client(aws, "dynamodb"), moved.place.orders_table)
    going_back(moved).run(until_caught_up=True)
    shop.run("UPDATE spillway_back_shards SET place = place - 90000 WHERE shard = '#read_until'")
    with pytest.raises(SpillwayError, match="back --resync"):
        going_back(moved).run(until_caught_up=True)

    new_order(table)
    going_back(moved).run(until_caught_up=True, resync=True)
    assert shop.run("SELECT COUNT(*) FROM orders") == [(2,)]
    # Killed in the middle of that reading: the next one does it again.
    shop.run("INSERT INTO spillway_back_shards VALUES ('#resync', '1')")
    shop.run("DELETE FROM spillway_back")
    shop.run("DELETE FROM orders WHERE id > 1")
    going_back(moved).run(until_caught_up=True)
    assert shop.run("SELECT COUNT(*) FROM orders") == [(2,)]
    assert shop.run("SELECT shard FROM spillway_back_shards WHERE shard = '#resync'") == []


def test_a_shard_that_is_gone_before_its_end_was_read_is_a_gap() -> None:
    streams = SimpleNamespace(
        describe_stream=lambda **_: {"StreamDescription": {"Shards": [{"ShardId": "s-2"}]}},
        get_shard_iterator=lambda **_: {"ShardIterator": "i"},
        get_records=lambda **_: {"Records": []},
    )
    assert [page.place for page in Stream(streams, "arn", {"s-1": ENDED}).round()] == [ENDED]
    with pytest.raises(SpillwayError, match="back --resync"):
        list(Stream(streams, "arn", {"s-1": "100"}).round())


def test_a_stream_that_never_rests_is_known_to_be_read_all_the_same() -> None:
    record = {"dynamodb": {"SequenceNumber": "7"}}
    answers: list[list[Any]] = [[record], [], *[[record]] * PAGES_A_ROUND]
    streams = SimpleNamespace(
        describe_stream=lambda **_: {"StreamDescription": {"Shards": [{"ShardId": "s-1"}]}},
        get_shard_iterator=lambda **_: {"ShardIterator": "i"},
        get_records=lambda **_: {"Records": answers.pop(0), "NextShardIterator": "i"},
    )
    stream = Stream(streams, "arn", {})
    assert len(list(stream.round())) == 1
    assert not stream.behind
    assert len(list(stream.round())) == PAGES_A_ROUND
    assert stream.behind
