"""verify finds every kind of harm, and knows nothing of the code that it judges."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from spillway.migrate.checking import Check
from spillway.migrate.copying import Copy
from spillway.migrate.following import Follow
from spillway.migrate.running import Parts
from spillway.migrate.verifying.old import OldSide, Read
from spillway.run.stack.aws import client
from tests.spillway.migrate.legacy import Shop, lines, order, rows
from tests.spillway.migrate.servers import on_every_server
from tests.spillway.migrate.tables import config_for, make_orders_table, migration, verified

NOTHING: Any = lambda *_: None  # noqa: E731
Harm = Callable[[Shop, Parts, dict[str, Any]], None]


def _unlisted_delete(shop: Shop, parts: Parts, item: dict[str, Any]) -> None:
    key = {"pk": item["pk"], "sk": item["sk"]}
    parts.writer.dynamodb.delete_item(TableName=parts.place.orders_table, Key=key)


def _other_digest(shop: Shop, parts: Parts, item: dict[str, Any]) -> None:
    moved = {**item, "accepted_at": {"N": str(int(item["accepted_at"]["N"]) + 1)}}
    parts.writer.dynamodb.put_item(TableName=parts.place.orders_table, Item=moved)


def _second_copy(shop: Shop, parts: Parts, item: dict[str, Any]) -> None:
    copied = {**item, "pk": {"S": "legacy|other"}}
    parts.writer.dynamodb.put_item(TableName=parts.place.orders_table, Item=copied)


def _other_fact(shop: Shop, parts: Parts, item: dict[str, Any]) -> None:
    parts.writer.dynamodb.update_item(
        TableName=parts.place.orders_table,
        Key={"pk": item["pk"], "sk": {"S": item["sk"]["S"] + "#progress"}},
        UpdateExpression="REMOVE ship",
    )


def _unfollowed(statement: str) -> Harm:
    def harm(shop: Shop, parts: Parts, item: dict[str, Any]) -> None:
        shop.run(statement, (item["imported"]["S"],))

    return harm


@pytest.mark.parametrize(
    ("harm", "kind"),
    [
        (_unlisted_delete, "differs"),
        (_other_digest, "differs"),
        (_other_fact, "differs"),
        (_second_copy, "more than once in the orders table"),
        (_unfollowed("DELETE FROM orders WHERE id = %s"), "only in the orders table"),
        (_unfollowed("UPDATE orders SET payment_ref = 'x' WHERE id = %s"), "differs"),
        (_unfollowed("UPDATE orders SET status = 'cancelled' WHERE id = %s"), "differs"),
        (_unfollowed("UPDATE orders SET id = id + 1000 WHERE id = %s"), "not in the orders table"),
    ],
)
def test_every_kind_of_harm_is_found_and_named(
    shop: Shop, aws: str, tmp_path: Path, harm: Harm, kind: str
) -> None:
    dynamodb = client(aws, "dynamodb")
    rng = random.Random(1)
    shop.fill(order(rng, status="shipped") for _ in range(12))
    config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    with migration(shop, dynamodb, config) as parts:
        Copy(parts, NOTHING).run()
        assert verified(parts).clean
        found = dynamodb.scan(TableName=parts.place.orders_table)["Items"]
        harm(shop, parts, next(item for item in found if "accepted_at" in item))
        kinds = {one.kind for one in verified(parts).differences}
        assert kind in kinds


@on_every_server
def test_a_sample_finds_what_it_meets(shop: Shop, aws: str, tmp_path: Path) -> None:
    dynamodb = client(aws, "dynamodb")
    shop.fill(order(random.Random(1), status="shipped") for _ in range(12))
    config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    with migration(shop, dynamodb, config) as parts:
        Copy(parts, NOTHING).run()
        shop.run("UPDATE orders SET payment_ref = 'x' WHERE id <= 6")
        found = parts.verify(NOTHING).sample(7)
        assert found.old_orders == 7
        assert found.differences
        assert len(parts.verify(NOTHING).sample(100).differences) == 6


class Blind(OldSide):
    """Finds nothing by its number, as a look-up does whose idea of a number is not the table's."""

    def some(self, keys: Sequence[str]) -> Iterator[Read]:
        return iter(())


def test_what_a_look_up_does_not_find_stays_a_difference(
    shop: Shop, aws: str, tmp_path: Path
) -> None:
    """Neither side has it by its number, and yet the sums are unequal."""
    dynamodb = client(aws, "dynamodb")
    shop.fill(order(random.Random(1), status="shipped") for _ in range(3))
    config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    with migration(shop, dynamodb, config) as parts:
        Copy(parts, NOTHING).run()
        number = shop.insert(order(random.Random(2), status="shipped"))
        for size in (None, 100):
            judge = parts.verify(NOTHING)
            judge.old = Blind(judge.old.config, judge.old.account, judge.old.subject_of)
            assert str(number) in {one.key for one in judge.compare(size).differences}


def test_it_shares_no_code_with_the_copy() -> None:
    """Only the configuration and the connection may be known to it."""
    script = (
        "import sys, spillway.migrate.verifying.comparing_back;"
        "print(*(name for name in sys.modules if name.startswith('spillway.migrate.')))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    ).stdout.split()
    others = [name for name in loaded if not name.startswith("spillway.migrate.verifying")]
    assert {name.removeprefix("spillway.migrate.") for name in others} <= {
        *("old", "old.connection", "old.option_file", "config", "condition")
    }


def in_columns(parts: Parts) -> dict[str, dict[str, tuple[object, object]]]:
    """By order number and column, what verify says that both sides have there."""
    return {
        one.key: {
            str(sides["column"]): (sides["old"], sides["new"]) for sides in one.fields.values()
        }
        or {one.kind: (None, None)}
        for one in verified(parts).differences
    }


@on_every_server
@pytest.mark.parametrize("shop", ["row-per-line"], indirect=True)
def test_what_the_log_never_had_is_named_by_order_column_and_both_values(
    shop: Shop, aws: str, tmp_path: Path
) -> None:
    """A filter, an event that is passed over and a session without a log look alike to `follow`,
    which has caught up: nothing is left in the log that is not written."""
    dynamodb = client(aws, "dynamodb")
    rng = random.Random(5)
    for number in range(8):
        for row in lines(rng, f"I{number}"):
            shop.insert({**row, "quantity": 2, "country": "France"})
    config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    with migration(shop, dynamodb, config) as parts:
        Copy(parts, NOTHING).run()
        assert in_columns(parts) == {}
        shop.run("SET SESSION sql_log_bin = 0")
        shop.run("UPDATE order_lines SET quantity = 7 WHERE invoice = 'I0' LIMIT 1")
        shop.run("UPDATE order_lines SET customer_id = '4711' WHERE invoice = 'I1'")
        shop.run("UPDATE order_lines SET country = 'EIRE', status = 'new' WHERE invoice = 'I2'")
        shop.run("UPDATE order_lines SET invoiced_at = '2020-01-01 00:00' WHERE invoice = 'I3'")
        shop.run("UPDATE order_lines SET invoice = 'M4' WHERE invoice = 'I4'")
        shop.run("DELETE FROM order_lines WHERE invoice = 'I5'")
        shop.insert({**lines(rng, "I9")[0], "stock_code": "EXTRA"})
        shop.run("SET SESSION sql_log_bin = 1")
        shop.insert({**lines(rng, "I8")[0]})
        Follow(parts, NOTHING).run(until_caught_up=True)

        verdict = verified(parts)
        assert (verdict.result, verdict.followed) == ("differs", "caught up")
        found = in_columns(parts)
        assert {key: set(columns) for key, columns in found.items()} == {
            "I0": {"quantity", "None"},
            "I1": {"customer_id"},
            "I2": {"country", "status"},
            "I3": {"invoiced_at"},
            "I4": {"only in the orders table"},
            "M4": {"not in the orders table"},
            "I5": {"only in the orders table"},
            "I9": {"not in the orders table"},
        }
        assert found["I0"]["quantity"] == (7, 2)
        assert found["I1"]["customer_id"][0] == "legacy|4711"
        assert found["I2"]["country"] == ("IE", "FR")
        assert found["I3"]["invoiced_at"][0] == "2020-01-01T00:00:00.000Z"

        shop.run("SET SESSION sql_log_bin = 0")
        shop.run("TRUNCATE TABLE order_lines")
        verdict = verified(parts)
        assert {one.kind for one in verdict.differences} == {"only in the orders table"}
        assert (len(verdict.differences), verdict.old_orders, verdict.result) == (9, 0, "differs")


def test_a_check_says_what_maps_what_does_not_and_why(shop: Shop, aws: str, tmp_path: Path) -> None:
    dynamodb = client(aws, "dynamodb")
    shop.fill(rows(1, 500, hostile=0.4))
    config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    position = shop.run("SHOW MASTER STATUS")
    with migration(shop, dynamodb, config) as parts:
        profile = Check(parts, NOTHING).run(None)
        tally = Copy(parts, NOTHING).run()
    assert shop.run("SHOW MASTER STATUS") == position
    assert profile.blockers == []
    assert (profile.mapped, profile.unmapped) == (tally.written, tally.quarantined)
    assert profile.estimate.items == parts.writer.counts["items"] - tally.quarantined
    assert profile.reasons["date_impossible"].samples[0][1] == "'0000-00-00 00:00:00'"


def test_a_check_names_what_must_be_mended_first(shop: Shop, aws: str, tmp_path: Path) -> None:
    dynamodb = client(aws, "dynamodb")
    shop.insert(order(random.Random(1)))
    shop.run("ALTER TABLE orders MODIFY id INT UNSIGNED NOT NULL, DROP INDEX id")
    shop.run("CREATE TABLE parents (id INT UNSIGNED PRIMARY KEY)")
    shop.run(
        "ALTER TABLE orders ADD parent INT UNSIGNED, ADD CONSTRAINT kin FOREIGN KEY (parent)"
        " REFERENCES parents (id) ON DELETE CASCADE"
    )
    config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    shop.run("SET GLOBAL binlog_row_image = 'MINIMAL'")
    try:
        with migration(shop, dynamodb, config) as parts:
            profile = Check(parts, NOTHING).run(None)
    finally:
        shop.run("SET GLOBAL binlog_row_image = 'FULL'")
    found = {finding.subject: finding for finding in profile.findings}
    assert found["index"].level == "blocker"
    assert "SET GLOBAL binlog_row_image = 'FULL';" in found["binary log"].paste
    assert "ON DELETE CASCADE" in found["foreign key"].detail


@pytest.mark.parametrize("shop", ["row-per-line"], indirect=True)
def test_numbers_and_times_are_read_alike_however_their_column_writes_them(
    shop: Shop, aws: str, tmp_path: Path
) -> None:
    dynamodb = client(aws, "dynamodb")
    shop.run(
        "ALTER TABLE order_lines MODIFY quantity VARCHAR(20), MODIFY unit_price VARCHAR(20),"
        " MODIFY invoiced_at VARCHAR(40)"
    )
    quantities = ("2", "2.00", "2e0", "0.2E1", "20e-1", "+2", " 2 ")
    prices = ("150", "150.00", "1.5e2", "15E+1", "1500e-1", "0150.000", "150.")
    times = (
        *("2022-06-03T11:30:00Z", "2022-06-03 12:30", "2022-06-03T12:30:00.000+01:00"),
        *("2022-06-03T07:00:00-0430", "20220603T123000", "2022-06-03T11:30+00", "1654255800"),
    )
    for number, (quantity, price, at) in enumerate(zip(quantities, prices, times, strict=True)):
        line = lines(random.Random(1), f"A{number}")[0]
        shop.insert({**line, "quantity": quantity, "unit_price": price, "invoiced_at": at})
    config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    with migration(shop, dynamodb, config) as parts:
        assert Copy(parts, NOTHING).run().written == len(times)
        read = list(parts.verify(NOTHING).new.imported())
        assert {(order.total, order.accepted_at) for order in read} == {(30_000, 1_654_255_800_000)}
        assert verified(parts).differences == []
