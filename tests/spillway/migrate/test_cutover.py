"""The switch: what it asks, what it proves, and what it says where the old shop goes on writing."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from spillway.errors import SpillwayError
from spillway.migrate.copying import Copy
from spillway.migrate.cutting_over import Cutover, accepted_in_quarantine
from spillway.migrate.following import Follow
from spillway.migrate.new.state import Switched
from spillway.migrate.old.connection import account, connected
from spillway.migrate.old.guard import changes_under_way, guard
from spillway.migrate.old.mapping import Reason
from spillway.migrate.running import Parts
from spillway.run.stack.aws import client
from tests.spillway.migrate.legacy import Shop, order
from tests.spillway.migrate.tables import config_for, make_orders_table, migration
from tests.waiting import PATIENCE_SECONDS, eventually

NOTHING: Any = lambda *_: None  # noqa: E731

Steps = dict[str, tuple[bool | None, str]]


@contextmanager
def followed(parts: Parts) -> Iterator[None]:
    """A follower is at work; it may end with the switch."""
    follow = Follow(parts, NOTHING)

    def work() -> None:
        with suppress(Switched):
            follow.run()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        eventually(parts.state.standing, lambda standing: standing.work == "follow")
        yield
    finally:
        follow.stop.set()
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


@contextmanager
def repeated(shop: Shop, statement: str) -> Iterator[None]:
    """Somebody else runs it again and again."""
    stop, other = threading.Event(), shop.server.connect(shop.database)

    def work() -> None:
        while not stop.wait(0.05):
            with other.cursor() as cursor:
                cursor.execute(statement)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        other.close()


@pytest.fixture
def copied(shop: Shop, aws: str, tmp_path: Path) -> Iterator[Parts]:
    dynamodb = client(aws, "dynamodb")
    config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    shop.insert(order(random.Random(1), status="delivered"))
    with migration(shop, dynamodb, config, streams=client(aws, "dynamodbstreams")) as parts:
        Copy(parts, NOTHING).run()
        yield parts


def cutover(parts: Parts, steps: Steps, **fields: Any) -> Cutover:
    def on_step(name: str, detail: str, done: bool | None) -> None:
        steps[name] = (done, detail)

    return Cutover(**{"parts": parts, "on_step": on_step, "confirmed": lambda _: True, **fields})


def commands(parts: Parts, **settings: Any) -> Parts:
    made = msgspec.structs.replace(parts.config.cutover, **settings)
    return replace(parts, config=msgspec.structs.replace(parts.config, cutover=made))


def test_only_the_orders_of_the_old_shop_must_be_still_and_a_late_one_is_named(
    shop: Shop, copied: Parts, tmp_path: Path
) -> None:
    steps: Steps = {}
    late: list[int] = []
    with shop.server.database() as other, followed(copied):
        shop.run(f"CREATE TABLE {other}.heartbeat (id INT PRIMARY KEY, at TIMESTAMP(6))")
        beat = f"REPLACE INTO {other}.heartbeat VALUES (1, NOW(6))"
        with repeated(shop, beat):
            # A quiet hour is no proof: somebody must say that the table is read-only.
            asked: list[str] = []
            assert not cutover(copied, steps, confirmed=asked.append).run()
            assert asked == ["orders"]
            assert steps["old shop read-only"][0] is False
            assert copied.state.standing().phase == "following"

            broken = commands(copied, switch_command=("false",))
            with pytest.raises(SpillwayError, match="run `cutover` again"):
                cutover(broken, steps).run()
            assert steps["both sides agree"][0] is True
            assert copied.state.standing().phase == "switched"

            late.append(shop.insert(order(random.Random(2))))
            mended = commands(copied, switch_command=("touch", str(tmp_path / "sent")))
            assert not cutover(mended, steps).run()
    assert (tmp_path / "sent").exists()
    done, detail = steps["nothing came late"]
    assert done is False
    assert f"changed {late[0]} after the switch" in detail


def test_an_order_that_still_changes_holds_up_the_switch(shop: Shop, copied: Parts) -> None:
    steps: Steps = {}
    told: list[str] = []
    impatient = commands(copied, wait_seconds_max=1, quiet_seconds=0.5)
    with followed(copied), repeated(shop, "UPDATE orders SET notes = RAND()"):
        work = cutover(impatient, steps)
        noted = work.on_step

        def on_step(name: str, detail: str, done: bool | None) -> None:
            told.append(detail)
            noted(name, detail, done)

        work.on_step = on_step
        assert not work.run()
    done, detail = steps["old shop read-only"]
    assert (done, "the old shop still writes" in detail) == (False, True)
    assert sum("still changes" in one for one in told) == 1, "said while it waits"
    assert copied.state.standing().phase == "following"


def test_what_is_accepted_in_quarantine_hides_nothing_new() -> None:
    known, new = Reason("total_mismatch", ""), Reason("date_missing", "")
    orders = [(known, known), (known, new)]
    done, detail = accepted_in_quarantine(orders, {"total_mismatch"})
    assert not done
    assert detail.startswith("2 orders (2 total_mismatch, 1 date_missing): ")
    assert detail.endswith("pass --accept-quarantined date_missing")
    assert accepted_in_quarantine(orders, {"total_mismatch", "date_missing"})[0]
    assert accepted_in_quarantine([], ())[0]


class _Answers:
    """A connection that knows the answers."""

    def __init__(self, answers: dict[str, Sequence[tuple[str, ...]]]) -> None:
        self.answers = answers

    def __enter__(self) -> _Answers:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    cursor = __call__ = lambda self: self

    def execute(self, statement: str, _values: object) -> None:
        self.found = next(rows for word, rows in self.answers.items() if word in statement)

    def fetchall(self) -> Sequence[tuple[str, ...]]:
        return self.found


@pytest.mark.parametrize(
    ("settings", "accounts", "closed", "said"),
    [
        ({"super_read_only": "ON", "read_only": "ON"}, ["'root'@'%'"], True, "super_read_only"),
        ({"read_only": "ON"}, ["'shop'@'%'"], False, "'shop'@'%' may write"),
        ({"read_only": "ON"}, [], True, "no account may write"),
        ({"read_only": "OFF", "innodb_read_only": "OFF"}, [], False, "read_only is off"),
    ],
)
def test_read_only_is_what_the_server_says_and_for_whom(
    settings: dict[str, str], accounts: list[str], closed: bool, said: str
) -> None:
    connection: Any = _Answers(
        {
            "SHOW GLOBAL VARIABLES": list(settings.items()),
            "mysql.user": [("1",)],
            "information_schema": [(account,) for account in accounts],
        }
    )
    found = guard(connection, ["orders"])
    assert found.closed is closed
    assert said in found.detail


def test_with_few_rights_read_only_says_what_it_cannot_see(shop: Shop, tmp_path: Path) -> None:
    config = config_for(shop, "orders", tmp_path)
    reader = f"r{shop.database[5:]}"
    shop.run(f"CREATE USER {reader} IDENTIFIED BY 'r'")
    try:
        shop.run(f"GRANT SELECT ON {shop.database}.* TO {reader}")
        at = f"{shop.server.host}:{shop.server.port}/{shop.database}"
        few = account(config.source, {"OLD_SHOP": f"mysql://{reader}:r@{at}"})
        with connected(few) as connection:
            assert "cannot see" in guard(connection, ["orders"]).detail
        all_rights = account(config.source, {"OLD_SHOP": shop.server.url(shop.database)})
        shop.run(f"GRANT UPDATE ON {shop.database}.orders TO {reader}")
        with connected(all_rights) as connection:
            assert f"'{reader}'@'%'" in guard(connection, ["orders"]).detail
            assert f"'{reader}'@'%'" not in guard(connection, ["others"]).detail
            assert f"'{reader}'@'%'" in guard(connection, ["others", "orders"]).detail
    finally:
        shop.run(f"DROP USER {reader}")


def test_a_change_that_is_not_committed_yet_is_seen(shop: Shop, tmp_path: Path) -> None:
    config = config_for(shop, "orders", tmp_path)
    number = shop.insert(order(random.Random(1)))
    with connected(account(config.source, {"OLD_SHOP": shop.server.url(shop.database)})) as ours:
        assert not changes_under_way(ours, "orders")
        shop.connection.begin()
        shop.run("UPDATE orders SET notes = 'x' WHERE id = %s", (number,))
        assert changes_under_way(ours, "orders")
        shop.connection.commit()
        assert not changes_under_way(ours, "orders")
        shop.insert(order(random.Random(2)))
