"""copy and follow, on a real old database and the emulator: whatever happens, both sides agree."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from orders.aws import items
from orders.aws.table import DynamoOrders
from orders.domain.order import OrderKey
from orders.domain.units import CustomerId, Millis
from spillway.errors import SpillwayError
from spillway.migrate.config import Config
from spillway.migrate.copying import Copy
from spillway.migrate.following import Follow
from spillway.migrate.new.state import Standing, State
from spillway.migrate.old.connection import account, connected
from spillway.migrate.old.table import OldTable
from spillway.migrate.running import Parts
from spillway.run.stack.aws import client
from tests.spillway.migrate.legacy import HOSTILE, Shop, lines, order, rows, writer
from tests.spillway.migrate.servers import on_every_server
from tests.spillway.migrate.tables import config_for, make_orders_table, migration
from tests.waiting import eventually

NOTHING: Any = lambda *_: None  # noqa: E731
WRITES = ("batch_write_item", "put_item", "update_item", "delete_item")


class Killed(BaseException):
    """Not an Exception: nothing in the code may survive it."""


class Mortal:
    """A DynamoDB client that dies with one of its writes: before it is made, or after."""

    def __init__(self, real: Any, dies_at: int, *, after: bool) -> None:
        self._real, self._dies_at, self._after = real, dies_at, after
        self._lock = threading.Lock()
        self.writes = 0

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._real, name)
        return self._counted(call) if name in WRITES else call

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(**request: Any) -> Any:
            with self._lock:
                self.writes += 1
                place = self.writes
            if place > self._dies_at or (place == self._dies_at and not self._after):
                raise Killed
            answer = call(**request)
            if place == self._dies_at:
                raise Killed
            return answer

        return counted


def differences(parts: Parts) -> list[Any]:
    return parts.verify(NOTHING).whole().differences


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_kill_at_any_write_of_copy_and_follow_loses_and_doubles_nothing(
    shop: Shop, aws: str, tmp_path: Path, after: bool
) -> None:
    """Each write in turn is the last; everything between the kills changes orders' customers,
    times, numbers and states, so that each of them has to be found again at its old place."""
    real = client(aws, "dynamodb")
    rng = random.Random(3)
    config = config_for(shop, make_orders_table(real), tmp_path)
    shop.fill(order(rng) for _ in range(4))
    dies_at, phase = 1, "copy"
    while phase != "done":
        mortal = Mortal(real, dies_at, after=after)
        number = rng.randint(1, 4)
        shop.run(
            "UPDATE orders SET customer_id = %s, placed_at = %s, status = %s WHERE id = %s",
            (rng.randint(1, 99), order(rng)["placed_at"], rng.choice(("paid", "shipped")), number),
        )
        shop.run("DELETE FROM orders WHERE id = %s", (rng.randint(9, 60),))
        shop.insert(order(rng))
        shop.run("UPDATE orders SET total = %s WHERE id = %s", (-1, rng.randint(1, 60)))
        try:
            with migration(shop, mortal, config) as parts:
                if phase == "copy":
                    Copy(parts, NOTHING).run()
                else:
                    Follow(parts, NOTHING).run(until_caught_up=True)
        except Killed:
            dies_at += 1
            if phase == "copy" and _standing(real, config).phase == "following":
                # Killed with its very last word: that it is complete.
                dies_at, phase = 1, "follow"
        else:
            dies_at, phase = 1, "follow" if phase == "copy" else "done"
        assert dies_at < 200, "it never gets to its end"
    with migration(shop, real, config) as parts:
        assert differences(parts) == []
        index = sum(1 for page in _pages(real, parts) for key in page if key.startswith("order/"))
    assert index + len(parts.quarantined()) == shop.run("SELECT COUNT(*) FROM orders")[0][0]


def _standing(dynamodb: Any, config: Config) -> Standing:
    return State(dynamodb, f"{config.target.orders_table}-migration").standing()


def _pages(dynamodb: Any, parts: Parts) -> Any:
    for page in dynamodb.get_paginator("scan").paginate(TableName=parts.state.table):
        yield [item["pk"]["S"] for item in page["Items"]]


@pytest.mark.parametrize(
    ("old_server", "shop"),
    [("mariadb", "row-per-order"), ("mariadb", "row-per-line"), ("mysql", "row-per-line")],
    indirect=True,
)
def test_both_sides_agree_while_somebody_writes_and_afterwards(
    shop: Shop, aws: str, tmp_path: Path
) -> None:
    dynamodb = client(aws, "dynamodb")
    rng = random.Random(2)
    if shop.shape == "row-per-order":
        shop.fill(rows(2, 600, hostile=0.3))
    else:
        shop.fill(row for number in range(400) for row in lines(rng, f"I{number}"))
    config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    with migration(shop, dynamodb, config) as parts:
        with writer(shop, 4, pause=0.01) as changes:
            Copy(parts, NOTHING).run()
            follow = Follow(parts, NOTHING)
            thread = threading.Thread(target=follow.run)
            thread.start()
            try:
                assert differences(parts) == []
                assert changes() > 30
            except BaseException:
                follow.stop.set()
                raise
        assert differences(parts) == []
        follow.stop.set()
        thread.join()


def test_every_hostile_row_is_either_there_or_in_quarantine_with_its_reasons(
    shop: Shop, aws: str, tmp_path: Path
) -> None:
    dynamodb = client(aws, "dynamodb")
    rng = random.Random(1)
    shop.fill(make(rng) for make in HOSTILE)
    shop.run("UPDATE orders SET id = 1 WHERE id = 2")  # a key of two rows
    config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    with migration(shop, dynamodb, config) as parts:
        tally = Copy(parts, NOTHING).run()
        assert tally.written + tally.quarantined == len(HOSTILE) - 1
        assert differences(parts) == []
        listed = [
            json.loads(line)
            for line in (tmp_path / "quarantine.jsonl").read_text().split("\n")
            if line
        ]
        rules = {reason["rule"] for line in listed for reason in line["reasons"]}
        assert {"key_not_unique", "date_impossible", "date_missing", "date_implausible"} <= rules
        assert {"status_unknown", "lines_not_json", "total_does_not_add_up"} <= rules
        assert len(listed) == len(parts.quarantined()) == tally.quarantined
    assert (tmp_path / "quarantine.jsonl").stat().st_mode & 0o077 == 0


def test_a_row_that_is_mended_leaves_the_quarantine(shop: Shop, aws: str, tmp_path: Path) -> None:
    dynamodb = client(aws, "dynamodb")
    number = shop.insert(order(random.Random(1), status="lost"))
    config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    with migration(shop, dynamodb, config) as parts:
        Copy(parts, NOTHING).run()
        assert list(parts.quarantined()) == [str(number)]
        shop.run(f"UPDATE orders SET status = 'paid' WHERE id = {number}")
        assert Copy(parts, NOTHING).run_quarantined().written == 1
        assert parts.quarantined() == {}
        assert '"resolved": true' in (tmp_path / "quarantine.jsonl").read_text()
        assert differences(parts) == []


def test_an_order_that_the_new_service_has_touched_is_never_overwritten(
    shop: Shop, aws: str, tmp_path: Path
) -> None:
    dynamodb = client(aws, "dynamodb")
    number = shop.insert(order(random.Random(1), status="paid", customer_id="5"))
    config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    with migration(shop, dynamodb, config) as parts:
        Copy(parts, NOTHING).run()
        (listed,) = parts.state.listed("open")
        key = OrderKey(listed["customer"]["S"], listed["order"]["S"])
        table = DynamoOrders(dynamodb, parts.place.orders_table)
        table.request_cancellation(key, Millis(1_795_428_000_000), reserved=False)

        shop.run(f"UPDATE orders SET status = 'delivered', customer_id = '6' WHERE id = {number}")
        Follow(parts, NOTHING).run(until_caught_up=True)
        shop.run(f"DELETE FROM orders WHERE id = {number}")
        Follow(parts, NOTHING).run(until_caught_up=True)

        progress = table.progress(key)
        assert progress is not None
        assert progress.facts.cancellation is not None
        assert parts.quarantined() == {str(number): True}


def test_a_new_copy_is_refused_where_its_orders_are_already(
    shop: Shop, aws: str, tmp_path: Path
) -> None:
    """It would overwrite what the live service has done to them since."""
    dynamodb = client(aws, "dynamodb")
    shop.fill(rows(1, 3, hostile=0.0))
    config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    with migration(shop, dynamodb, config) as parts:
        Copy(parts, NOTHING).run()
        dynamodb.delete_table(TableName=parts.place.state_table)
        parts.state.make_table()
        shop.run("DELETE FROM orders WHERE id < 3")
        with pytest.raises(SpillwayError, match=r"has orders of this old table, and .* of none"):
            Copy(parts, NOTHING).run()
        assert parts.state.standing().phase == "new"


@on_every_server
def test_a_read_does_not_pass_a_transaction_that_is_about_to_be_seen(
    shop: Shop, tmp_path: Path
) -> None:
    """The binary log may tell of a row before others can see it; its lock is still held then."""
    number = shop.insert(order(random.Random(1), status="paid"))
    config = config_for(shop, "unused", tmp_path)
    other = shop.server.connect(shop.database)
    other.begin()
    with other.cursor() as cursor:
        cursor.execute("UPDATE orders SET status = 'shipped' WHERE id = %s", (number,))
    old = account(config.source, {"OLD_SHOP": shop.server.url(shop.database)})
    with connected(old) as connection:
        reader = OldTable(connection, config, lambda old: old)
        (plain,) = reader.of([str(number)])
        assert plain.own[0]["status"] == "paid"
        committer = threading.Timer(0.4, other.commit)
        began = time.monotonic()
        committer.start()
        (settled,) = reader.of([str(number)], settled=True)
        assert settled.own[0]["status"] == "shipped"
        assert time.monotonic() - began >= 0.3
        committer.join()
    other.close()


def test_the_snapshot_and_its_place_belong_together_with_and_without_mariadbs_own(
    shop: Shop, tmp_path: Path
) -> None:
    config = config_for(shop, "unused", tmp_path)
    old = account(config.source, {"OLD_SHOP": shop.server.url(shop.database)})
    for own in (True, False):
        with connected(old) as connection:
            table = OldTable(connection, config, lambda old: old)
            table.table.is_mariadb = own
            shop.insert(order(random.Random(1)))
            with table.snapshot() as position:
                before = len(list(table.after(None)))
                shop.insert(order(random.Random(2)))  # no lock is held any more
                assert len(list(table.after(None))) == before
                at = shop.run("SHOW MASTER STATUS")[0]
                assert (position.file, position.offset) < (at[0], at[1])


@on_every_server
def test_the_copy_waits_for_what_is_prepared_in_two_phases(shop: Shop, tmp_path: Path) -> None:
    """Its rows are in the log before the copy's position, and nobody sees them yet."""
    config = config_for(shop, "unused", tmp_path)
    number = shop.insert(order(random.Random(1), status="paid"))
    other = shop.server.connect(shop.database)
    with other.cursor() as cursor:
        for statement in (
            "XA START 'x'",
            f"UPDATE orders SET status = 'shipped' WHERE id = {number}",
            "XA END 'x'",
            "XA PREPARE 'x'",
        ):
            cursor.execute(statement)
    old = account(config.source, {"OLD_SHOP": shop.server.url(shop.database)})
    with connected(old) as connection:
        table = OldTable(connection, config, lambda old: old)
        with pytest.raises(SpillwayError, match="XA RECOVER"), table.snapshot(patience=0):
            pass
        committer = threading.Timer(0.3, other.cursor().execute, ["XA COMMIT 'x'"])
        committer.start()
        with table.snapshot():
            (read,) = table.after(None)
        committer.join()
    other.close()
    assert read.own[0]["status"] == "shipped"


def test_a_second_process_is_turned_away_and_a_dead_ones_place_is_free(
    shop: Shop, aws: str, tmp_path: Path
) -> None:
    dynamodb = client(aws, "dynamodb")
    config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    with migration(shop, dynamodb, config) as parts, migration(shop, dynamodb, config) as second:
        parts.state.owner = "elsewhere/1"
        with (
            parts.state.lease("copy", ["new"]),
            pytest.raises(SpillwayError, match=r"is at work \(elsewhere/1\)"),
        ):
            Copy(second, NOTHING).run()
        Copy(parts, NOTHING).run()


def test_a_hold_that_grew_old_is_renewed_unless_another_process_has_taken_over(
    shop: Shop, aws: str, tmp_path: Path
) -> None:
    dynamodb = client(aws, "dynamodb")
    config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    with migration(shop, dynamodb, config) as parts, migration(shop, dynamodb, config) as second:
        second.state.owner = "elsewhere/1"
        with parts.state.lease("copy", ["new"]):
            parts.state._sure_until = 0.0  # noqa: SLF001 -- as after a long pause
            parts.state.ensure()
            dynamodb.update_item(
                TableName=parts.state.table,
                Key={"pk": {"S": "migration"}, "sk": {"S": "state"}},
                UpdateExpression="SET #owner = :other",
                ExpressionAttributeNames={"#owner": "owner"},
                ExpressionAttributeValues={":other": {"S": second.state.owner}},
            )
            parts.state._sure_until = 0.0  # noqa: SLF001
            with pytest.raises(SpillwayError, match="lost its hold"):
                parts.state.ensure()


def test_a_statement_that_the_log_holds_without_rows_ends_the_following_with_a_sentence(
    shop: Shop, aws: str, tmp_path: Path
) -> None:
    dynamodb = client(aws, "dynamodb")
    shop.insert(order(random.Random(1)))
    shop.insert({**order(random.Random(3)), "total": -1})
    config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    with migration(shop, dynamodb, config) as parts:
        assert Copy(parts, NOTHING).run().quarantined == 1
        shop.run("TRUNCATE TABLE orders")
        shop.insert(order(random.Random(2)))
        with pytest.raises(SpillwayError, match=r"TRUNCATE TABLE orders.*copy --again"):
            Follow(parts, NOTHING).run(until_caught_up=True)
        shop.run("UPDATE orders SET id = 3")
        Copy(parts, NOTHING).run(again=True)
        Follow(parts, NOTHING).run(until_caught_up=True)
        assert differences(parts) == []
        assert parts.quarantined() == {}


def test_columns_may_come_and_go_as_long_as_those_that_are_mapped_stay(
    shop: Shop, aws: str, tmp_path: Path
) -> None:
    dynamodb = client(aws, "dynamodb")
    shop.insert(order(random.Random(1)))
    config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    with migration(shop, dynamodb, config) as parts:
        Copy(parts, NOTHING).run()
        shop.insert(order(random.Random(2)))
        shop.run("ALTER TABLE orders DROP COLUMN notes, ADD COLUMN gift INT FIRST")
        shop.insert(_without_notes(3))
        Follow(parts, NOTHING).run(until_caught_up=True)
        assert differences(parts) == []
        shop.run("ALTER TABLE orders DROP COLUMN city")
        shop.run("UPDATE orders SET status = 'paid'")
        with pytest.raises(SpillwayError, match="has no column city"):
            Follow(parts, NOTHING).run(until_caught_up=True)


def _without_notes(seed: int) -> dict[str, Any]:
    return {name: value for name, value in order(random.Random(seed)).items() if name != "notes"}


@pytest.mark.parametrize("old_server", ["mysql"], indirect=True)
def test_where_the_log_names_no_columns_they_may_come_at_the_end_and_not_move_unseen(
    shop: Shop, aws: str, tmp_path: Path
) -> None:
    """As every log of MySQL 5.6 and 5.7."""
    dynamodb = client(aws, "dynamodb")
    shop.insert(order(random.Random(1)))
    config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    with migration(shop, dynamodb, config) as parts:
        Copy(parts, NOTHING).run()
        shop.insert(order(random.Random(2)))
        shop.run("ALTER TABLE orders ADD COLUMN gift INT, ADD KEY (city)")
        shop.insert(order(random.Random(3)))
        Follow(parts, NOTHING).run(until_caught_up=True)
        assert differences(parts) == []
        # The same types as before: only the log's statements tell that the key has moved.
        shop.insert(order(random.Random(4)))
        shop.run("ALTER TABLE orders ADD COLUMN old_id INT UNSIGNED NOT NULL DEFAULT 1 FIRST")
        shop.run("ALTER TABLE orders MODIFY gift INT AFTER old_id")
        shop.insert(order(random.Random(5)))
        with pytest.raises(SpillwayError, match=r"were changed while.*copy --again"):
            Follow(parts, NOTHING).run(until_caught_up=True)
        with pytest.raises(SpillwayError, match=r"were changed while.*copy --again"):
            Follow(parts, NOTHING).run(until_caught_up=True)
        Copy(parts, NOTHING).run(again=True)
        shop.run("ALTER TABLE orders MODIFY old_id INT AFTER city")
        shop.insert(order(random.Random(6)))
        Follow(parts, NOTHING).run(until_caught_up=True)
        assert differences(parts) == []


@on_every_server
def test_a_log_that_was_reset_is_never_followed_by_its_old_positions(
    shop: Shop, aws: str, tmp_path: Path
) -> None:
    """They are places in the new log too, which has a file of the same name."""
    dynamodb = client(aws, "dynamodb")
    config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    rng = random.Random(1)
    with migration(shop, dynamodb, config) as parts:
        Copy(parts, NOTHING).run()
        old = parts.position()
        # The log's files are told apart by the second in which they began.
        time.sleep(1.01 - time.time() % 1)
        shop.run("RESET MASTER")
        while parts.position().file < old.file:
            shop.run("FLUSH BINARY LOGS")
        while not parts.position().reached(old):
            shop.insert(order(rng))
        with pytest.raises(SpillwayError, match=r"is not the one .*copy --again"):
            Follow(parts, NOTHING).run(until_caught_up=True)
        Copy(parts, NOTHING).run(again=True)
        assert differences(parts) == []
        # And while it is followed: there the server goes on saying that the old log has no more.
        follow = Follow(parts, NOTHING, proof_seconds=0)
        with ThreadPoolExecutor() as pool:
            running = pool.submit(follow.run)
            eventually(lambda: parts.state.standing().heard_at)
            shop.run("RESET MASTER")
            with pytest.raises(SpillwayError, match="copy --again"):
                running.result(timeout=60)


def test_an_old_server_that_went_away_is_waited_for(shop: Shop, aws: str, tmp_path: Path) -> None:
    """Its connections are cut, amid whatever they did; nothing is skipped."""
    dynamodb = client(aws, "dynamodb")
    shop.fill(rows(1, 50))
    config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    with migration(shop, dynamodb, config) as parts:
        Copy(parts, NOTHING).run()
        follow = Follow(parts, NOTHING)
        thread = threading.Thread(target=follow.run)
        thread.start()
        try:
            with writer(shop, 9, pause=0.005):
                for _ in range(3):
                    time.sleep(0.3)
                    _cut(shop)
            assert differences(parts) == []
        finally:
            follow.stop.set()
            thread.join()


def _cut(shop: Shop) -> None:
    mine = {shop.run("SELECT CONNECTION_ID()")[0][0]}
    for thread, kind, query in shop.run(
        "SELECT id, command, COALESCE(info, '') FROM information_schema.processlist"
    ):
        if thread not in mine and (kind == "Binlog Dump" or "LOCK IN SHARE MODE" in query):
            shop.server.run(f"KILL {thread}")


def test_more_in_quarantine_than_the_mapping_can_be_right_for_stops_the_copy(
    shop: Shop, aws: str, tmp_path: Path
) -> None:
    dynamodb = client(aws, "dynamodb")
    shop.fill(order(random.Random(n), status="lost") for n in range(40))
    config: Config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    config = replace(config, rules=replace(config.rules, quarantined_max=10))
    with migration(shop, dynamodb, config) as parts, pytest.raises(SpillwayError, match="mapping"):
        Copy(parts, NOTHING).run()


def test_an_imported_item_is_what_the_service_reads(shop: Shop, aws: str, tmp_path: Path) -> None:
    dynamodb = client(aws, "dynamodb")
    shop.insert(order(random.Random(1), customer_id="5", status="shipped"))
    config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    with migration(shop, dynamodb, config) as parts:
        Copy(parts, NOTHING).run()
        ((progress,), _) = DynamoOrders(dynamodb, parts.place.orders_table).history(
            CustomerId("legacy|5"), 10, None
        )
        assert progress.order.order.address.city in ("Leeds", "York", "Köln", "Łódź")
        item = items.order_item(progress.order)
        assert item["digest"]["B"] == progress.order.digest
