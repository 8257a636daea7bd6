"""Which rows are orders at all, and a view as their source."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from spillway.errors import SpillwayError
from spillway.migrate.checking import Check
from spillway.migrate.config import Config
from spillway.migrate.copying import Copy
from spillway.migrate.following import Follow
from spillway.migrate.old.connection import account, connected
from spillway.migrate.old.table import CHUNK_ROWS, OldTable
from spillway.migrate.running import Parts
from spillway.run.stack.aws import client
from tests.spillway.migrate.legacy import Shop, lines
from tests.spillway.migrate.servers import on_every_server
from tests.spillway.migrate.tables import config_for, make_orders_table, migration

NOTHING: Any = lambda *_: None  # noqa: E731
PER_LINE = pytest.mark.parametrize("shop", ["row-per-line"], indirect=True)


def with_where(config: Config, where: str) -> Config:
    return replace(config, source=replace(config.source, where=where))


def numbers(parts: Parts) -> set[str]:
    """The old numbers of the orders that are there, straight from the table."""
    found = parts.state.dynamodb.scan(TableName=parts.place.orders_table)["Items"]
    return {item["imported"]["S"] for item in found if "accepted_at" in item}


@PER_LINE
def test_only_rows_that_match_are_orders_and_one_that_stops_matching_is_gone(
    shop: Shop, aws: str, tmp_path: Path
) -> None:
    """Credit notes, soft deletes of an order and of one line, a number in two spellings of which
    one is a draft, and a row without a number. The condition has a percent sign."""
    dynamodb = client(aws, "dynamodb")
    shop.run("ALTER TABLE order_lines ADD deleted_at DATETIME NULL, ADD `rabatt %s` INT NULL")
    rng = random.Random(1)
    for number in ("A1", "A2", "C3", "A4", "a4", "A5", None):
        line = {**lines(rng, number)[0], "customer_id": "77"}
        shop.fill({**line, "stock_code": f"S{n}"} for n in range(3))
    deleted = "UPDATE order_lines SET deleted_at = NOW() WHERE "
    shop.run(f"{deleted} invoice = 'A2' OR BINARY invoice = 'a4' OR invoice IS NULL")
    shop.run(f"{deleted} invoice = 'A5' LIMIT 1")
    config = config_for(shop, make_orders_table(dynamodb), tmp_path, back=None)
    condition = "deleted_at IS NULL AND invoice NOT LIKE 'C%' AND `rabatt %s` IS NULL"
    config = with_where(config, condition)
    with migration(shop, dynamodb, config) as parts:
        profile = Check(parts, NOTHING).run(None)
        (said,) = (one for one in profile.findings if one.subject == "source.where")
        assert (said.level, said.detail) == (
            "good",
            "8 of 21 rows are of orders, 13 stay behind",
        )
        assert (profile.mapped, profile.unmapped, profile.estimate.extrapolated) == (3, 0, False)
        assert Copy(parts, NOTHING).run().quarantined == 0
        assert numbers(parts) == {"A1", "A4", "A5"}
        assert parts.verify(NOTHING).whole().differences == []
        assert parts.verify(NOTHING).sample(100).old_orders == 3
        assert parts.old_side().count() == 3

        shop.run(f"{deleted} invoice = 'A1'")
        shop.run("UPDATE order_lines SET deleted_at = NULL WHERE invoice = 'A2' LIMIT 2")
        shop.run("UPDATE order_lines SET invoice = 'A3' WHERE invoice = 'C3'")
        shop.run("UPDATE order_lines SET `rabatt %s` = 3 WHERE invoice = 'A5' LIMIT 2")
        difference = {one.key for one in parts.verify(NOTHING).whole().differences}
        assert difference == {"A1", "A2", "A3", "A5"}
        Follow(parts, NOTHING).run(until_caught_up=True)
        assert numbers(parts) == {"A2", "A3", "A4", "A5"}
        assert parts.verify(NOTHING).whole().differences == []

        shop.run("UPDATE order_lines SET deleted_at = NULL WHERE BINARY invoice = 'a4' LIMIT 1")
        Follow(parts, NOTHING).run(until_caught_up=True)
        assert set(parts.quarantined()) == {"A4", "a4"}
        assert parts.verify(NOTHING).whole().differences == []
        shop.run(f"{deleted} invoice = 'A4' AND BINARY invoice = 'a4'")
        shop.run(f"{deleted} invoice = 'A2'")
        assert Copy(parts, NOTHING).run(again=True).removed == 1
        assert numbers(parts) == {"A3", "A4", "A5"}
        assert parts.verify(NOTHING).whole().differences == []


@on_every_server
@PER_LINE
def test_rows_that_do_not_match_end_no_chunk(shop: Shop, tmp_path: Path) -> None:
    """More of them than a chunk has, in the middle and at the end."""
    rng = random.Random(1)
    line = lines(rng, "B")[0]
    shop.fill(
        {**line, "invoice": f"{letter}{n:05}"}
        for letter, count in (("A", 3), ("C", 2 * CHUNK_ROWS), ("D", 2), ("E", CHUNK_ROWS))
        for n in range(count)
    )
    config = with_where(config_for(shop, "unused", tmp_path), "invoice < 'C' OR invoice LIKE 'D%'")
    old = account(config.source, {"OLD_SHOP": shop.server.url(shop.database)})
    with connected(old) as connection:
        read = [one.key for one in OldTable(connection, config, lambda old: old).after(None)]
    assert read == ["A00000", "A00001", "A00002", "D00000", "D00001"]


def test_a_condition_that_the_server_refuses_is_one_sentence(shop: Shop, tmp_path: Path) -> None:
    for where in ("deletd_at IS NULL", "total >", "total = 1 GROUP BY id", "DATE_ADD(1)"):
        config = with_where(config_for(shop, "unused", tmp_path), where)
        old = account(config.source, {"OLD_SHOP": shop.server.url(shop.database)})
        refused = pytest.raises(SpillwayError, match=r"refuses the condition source\.where")
        with connected(old) as connection, refused as error:
            OldTable(connection, config, lambda old: old)
        assert "\n" not in str(error.value)
