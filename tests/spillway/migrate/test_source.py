"""Which rows are orders at all, and a view as their source."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from orders.aws.items import decompressed
from spillway.errors import SpillwayError
from spillway.migrate.checking import Check
from spillway.migrate.config import Config
from spillway.migrate.copying import Copy
from spillway.migrate.following import Follow
from spillway.migrate.old.connection import account, connected
from spillway.migrate.old.description import describe
from spillway.migrate.old.keys import KeyColumn
from spillway.migrate.old.position import Position
from spillway.migrate.old.readiness import findings
from spillway.migrate.old.server import ask_of
from spillway.migrate.old.statements import FollowedTable
from spillway.migrate.old.table import CHUNK_ROWS, OldTable
from spillway.migrate.old.views import read_view
from spillway.migrate.old.watched import Layout, Watched, WatchedTable
from spillway.migrate.running import Parts
from spillway.run.stack.aws import client
from tests.spillway.migrate.legacy import Shop, lines, schema
from tests.spillway.migrate.servers import Server, on_every_server
from tests.spillway.migrate.tables import config_for, make_orders_table, migration, verified

NOTHING: Any = lambda *_: None  # noqa: E731
LAYOUT = Layout(("int",), 0, unsigned=False)
VIEW = "VIEW" + schema("two-tables").partition("CREATE VIEW")[2].rstrip().removesuffix(";")
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
        assert verified(parts).differences == []
        assert parts.verify(NOTHING).sample(100).old_orders == 3
        assert parts.old_side().count() == 3

        shop.run(f"{deleted} invoice = 'A1'")
        shop.run("UPDATE order_lines SET deleted_at = NULL WHERE invoice = 'A2' LIMIT 2")
        shop.run("UPDATE order_lines SET invoice = 'A3' WHERE invoice = 'C3'")
        shop.run("UPDATE order_lines SET `rabatt %s` = 3 WHERE invoice = 'A5' LIMIT 2")
        difference = {one.key for one in verified(parts).differences}
        assert difference == {"A1", "A2", "A3", "A5"}
        Follow(parts, NOTHING).run(until_caught_up=True)
        assert numbers(parts) == {"A2", "A3", "A4", "A5"}
        assert verified(parts).differences == []

        shop.run("UPDATE order_lines SET deleted_at = NULL WHERE BINARY invoice = 'a4' LIMIT 1")
        Follow(parts, NOTHING).run(until_caught_up=True)
        assert set(parts.quarantined()) == {"A4", "a4"}
        assert verified(parts).differences == []
        shop.run(f"{deleted} invoice = 'A4' AND BINARY invoice = 'a4'")
        shop.run(f"{deleted} invoice = 'A2'")
        assert Copy(parts, NOTHING).run(again=True).removed == 1
        assert numbers(parts) == {"A3", "A4", "A5"}
        assert verified(parts).differences == []

    # What was a draft yesterday is an order now: only a reading of everything finds it.
    config = with_where(config, condition.replace("invoice NOT LIKE 'C%' AND", ""))
    shop.run("UPDATE order_lines SET invoice = 'C3' WHERE invoice = 'A3'")
    with migration(shop, dynamodb, config) as parts:
        with pytest.raises(SpillwayError, match=r"LIKE 'C%'.*set it back, or run .*--again"):
            Follow(parts, NOTHING).run(until_caught_up=True)
        Copy(parts, NOTHING).run(again=True)
        Follow(parts, NOTHING).run(until_caught_up=True)
        assert numbers(parts) == {"C3", "A4", "A5"}


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


class TwoTables(Shop):
    """The third worked example, with orders of their own."""

    def __init__(self, server: Server, database: str) -> None:
        super().__init__(server, database, "two-tables")
        self.run("INSERT INTO kunden (email, name) VALUES ('Ada@example.com', 'Ada Grün')")
        self.run("INSERT INTO konten VALUES ('ada@example.com', 'sub-ada')")

    def order(self, *articles: str, status: str = "versandt", **fields: object) -> int:
        values = {
            "kunde_id": 1,
            "status": status,
            "bestellt": "2022-06-03 12:00:00",
            "empfaenger": "Jörg Groß",
            "strasse": "Gasse 1",
            "plz": "04109",
            "ort": "Leipzig",
            **fields,
        }
        with self.connection.cursor() as cursor:
            marks = ", ".join(["%s"] * len(values))
            cursor.execute(
                f"INSERT INTO bestellungen ({', '.join(values)}) VALUES ({marks})",
                list(values.values()),
            )
            number = int(cursor.lastrowid)
        for article in articles:
            self.line(number, article)
        return number

    def line(self, number: int, article: str) -> None:
        self.run(
            "INSERT INTO positionen (bestellung_id, artikel, menge, preis)"
            " VALUES (%s, %s, '2.00', '4.50')",
            (number, article),
        )


@pytest.fixture
def two(old_server: Server) -> Iterator[TwoTables]:
    with old_server.database() as name:
        shop = TwoTables(old_server, name)
        yield shop
        shop.close()


def contents(parts: Parts) -> dict[str, tuple[list[str], int, str]]:
    """By old number, each order's articles, total and customer, straight from the table."""
    found = parts.state.dynamodb.scan(TableName=parts.place.orders_table)["Items"]
    orders = {}
    for item in found:
        if "accepted_at" in item:
            order = decompressed(item["content"]["B"])
            articles = sorted(line.sku for line in order.lines)
            orders[item["imported"]["S"]] = (articles, order.total, item["pk"]["S"])
    return orders


@on_every_server
def test_two_tables_behind_a_view_are_copied_followed_and_verified(
    two: TwoTables, aws: str, tmp_path: Path
) -> None:
    dynamodb = client(aws, "dynamodb")
    first = two.order("B", "A")
    second = two.order("C", status="in Prüfung")
    two.order("D", art="Gutschrift")
    two.order("E", geloescht="2022-06-04 00:00:00")
    config = config_for(two, make_orders_table(dynamodb), tmp_path)
    with migration(two, dynamodb, config) as parts:
        assert Check(parts, NOTHING).run(None).blockers == []
        Copy(parts, NOTHING).run()
        ada = "sub-ada"
        assert contents(parts) == {
            str(first): (["A", "B"], 1800, ada),
            str(second): (["C"], 900, ada),
        }
        assert verified(parts).differences == []

        two.line(first, "F")
        two.run(f"UPDATE bestellungen SET status = 'versandt' WHERE id = {second}")
        new = two.order("G", versand="3.00")
        two.run(f"UPDATE positionen SET bestellung_id = {new} WHERE artikel = 'B'")
        Follow(parts, NOTHING).run(until_caught_up=True)
        assert contents(parts) == {
            str(first): (["A", "F"], 1800, ada),
            str(second): (["C"], 900, ada),
            str(new): (["B", "G"], 2100, ada),
        }
        assert verified(parts).differences == []
        two.run(f"DELETE FROM positionen WHERE bestellung_id = {second}")
        two.run(f"UPDATE bestellungen SET geloescht = NOW() WHERE id = {first}")
        Follow(parts, NOTHING).run(until_caught_up=True)
        assert set(contents(parts)) == {str(new)}
        assert verified(parts).differences == []
        assert Copy(parts, NOTHING).run(again=True).removed == 0

        two.run(f"CREATE OR REPLACE {VIEW} WHERE b.ort <> 'Leipzig'")
        with pytest.raises(SpillwayError, match="a statement without its rows"):
            Follow(parts, NOTHING).run(until_caught_up=True)


#: What the view has in the place of its order number, `source.changes`, and what is wrong with it.
UNREPORTED: list[tuple[str, dict[str, str], str]] = [
    ("b.id", {}, "is a view, and the binary log reports only tables"),
    ("b.id", {"bestellungen": "id", "positionen": "id"}, "id is not the view's order number"),
    ("b.id", {"bestellungen": "kunde_id"}, "kunde_id is not the view's order number"),
    ("b.id", {"bestellungen": "id", "konten": "email"}, "names konten, which the view does not"),
    ("CONCAT('W', b.id) AS id", {"bestellungen": "id"}, "its order number id by an expression"),
    ("b.id + 0 AS id", {"bestellungen": "id"}, "its order number id by an expression"),
    ("IF(b.bestellt > NOW(), 1, 1) AS soon, b.id", {"bestellungen": "id"}, "while no table does"),
]  # fmt: skip


def test_a_view_that_the_log_could_not_report_is_refused(two: TwoTables, tmp_path: Path) -> None:
    config = config_for(two, "unused", tmp_path)
    old = account(config.source, {"OLD_SHOP": two.server.url(two.database)})
    with connected(old) as connection:
        for number, changes, sentence in UNREPORTED:
            two.run(f"CREATE OR REPLACE {VIEW.replace('b.id,', f'{number},')}")
            known = replace(config, source=replace(config.source, changes=changes))
            with pytest.raises(SpillwayError) as refused:
                describe(connection, known)
            assert sentence in str(refused.value), number
            assert "\n" not in str(refused.value)


@on_every_server
def test_a_user_who_may_not_see_what_the_view_is_made_of_is_told_the_grant(
    two: TwoTables, tmp_path: Path
) -> None:
    config = config_for(two, "unused", tmp_path)
    user = f"u_{two.database[-8:]}"
    two.run(f"CREATE USER {user}@localhost")
    try:
        two.run(f"GRANT SELECT ON {two.database}.* TO {user}@localhost")
        reads = account(config.source, {"OLD_SHOP": two.server.url(two.database)})
        reads = dataclasses.replace(reads, user=user)
        with connected(reads) as connection, pytest.raises(SpillwayError, match="GRANT SHOW VIEW"):
            describe(connection, config)
        two.run(f"GRANT SHOW VIEW ON {two.database}.* TO {user}@localhost")
        with connected(reads) as connection:
            assert set(describe(connection, config).followed) == {"bestellungen", "positionen"}
    finally:
        two.run(f"DROP USER {user}@localhost")


def test_changes_are_for_a_view_and_not_for_a_table(shop: Shop, tmp_path: Path) -> None:
    config = config_for(shop, "unused", tmp_path, back=None)
    config = replace(config, source=replace(config.source, changes={"orders": "id"}))
    old = account(config.source, {"OLD_SHOP": shop.server.url(shop.database)})
    with connected(old) as connection, pytest.raises(SpillwayError, match="is a table and no view"):
        describe(connection, config)


#: As MariaDB and MySQL print a join, the latter with more brackets.
@pytest.mark.parametrize("brackets", [False, True], ids=["mariadb", "mysql"])
@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("JOIN `s`.`lines` `i` on(EQUAL)", True),
        ("LEFT JOIN `s`.`lines` `i` on(EQUAL and (`i`.`qty` > 0 or `i`.`qty` < 0))", True),
        ("JOIN `s`.`lines` `i` where `o`.`st` <> 'or' and EQUAL order by `o`.`id`", True),
        ("JOIN `s`.`lines` `i` on(EQUAL or `i`.`qty` = 3)", False),
        ("JOIN `s`.`lines` `i` on(`i`.`qty` = 1 or `i`.`qty` = 2 and EQUAL)", False),
        ("JOIN `s`.`lines` `i` on(EQUAL xor `i`.`qty` = 1)", False),
        ("JOIN `s`.`lines` `i` on((EQUAL) is not false)", False),
        ("JOIN `s`.`lines` `i` on(EQUAL = (`i`.`qty` = 1))", False),
        ("JOIN `s`.`lines` `i` on(EQUAL + 1)", False),
        ("JOIN `s`.`lines` `i` on(if(`i`.`qty` = 1,EQUAL,1))", False),
        ("JOIN `s`.`lines` `i` on(case when `i`.`qty` > 1 then EQUAL else 1 end)", False),
        ("JOIN `s`.`lines` `i` on(`i`.`a` between 1 and `i`.`b` and EQUAL)", False),
        ("JOIN `s`.`lines` `i` having EQUAL", False),
        ("JOIN `s`.`lines` `i` on(EQUAL) JOIN `s`.`lines` `j`", False),
    ],
)
def test_a_column_is_the_orders_number_where_the_view_makes_it_so_for_each_row(
    condition: str, holds: bool, brackets: bool
) -> None:
    equal = "`i`.`order_id` = `o`.`id`"
    text = condition.replace("EQUAL", f"({equal})" if brackets else equal)
    definition = f"select `o`.`id` AS `nr`,(`i`.`order_id` = `o`.`id`) AS `x` from `s`.`o` {text}"
    view = read_view(definition, "s", "nr")
    view.column_of("o", "id")
    if holds:
        view.column_of("lines", "order_id")
    else:
        with pytest.raises(SpillwayError, match="order_id is not the view's order number"):
            view.column_of("lines", "order_id")


def test_of_cascades_behind_a_view_only_one_from_order_to_line_is_no_harm(
    two: TwoTables, tmp_path: Path
) -> None:
    two.run(
        "ALTER TABLE positionen ADD CONSTRAINT lines_of FOREIGN KEY (bestellung_id)"
        " REFERENCES bestellungen (id) ON DELETE CASCADE ON UPDATE CASCADE"
    )
    two.run(
        "ALTER TABLE bestellungen ADD CONSTRAINT placed_by FOREIGN KEY (kunde_id)"
        " REFERENCES kunden (id) ON DELETE SET NULL"
    )
    config = config_for(two, "unused", tmp_path)
    reads = account(config.source, {"OLD_SHOP": two.server.url(two.database)})
    with connected(reads) as connection:
        standing = ask_of(OldTable(connection, config, lambda old: old))
    (found,) = (one for one in findings(standing, config) if one.level == "blocker")
    assert found.subject == "foreign key of bestellungen"
    assert "placed_by (ON DELETE SET NULL)" in found.detail


def test_a_view_without_other_names_is_read_too() -> None:
    definition = (
        "select distinct `s`.`orders`.`no` AS `no`,`s`.`lines`.`sku` AS `sku` from (`s`.`orders`"
        " join `s`.`lines`) where `s`.`lines`.`order_no` = `s`.`orders`.`no`"
    )
    view = read_view(definition, "s", "no")
    assert dict(view.tables) == {"orders": "orders", "lines": "lines"}
    view.column_of("lines", "order_no")


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("CREATE OR REPLACE ALGORITHM = MERGE SQL SECURITY INVOKER VIEW v AS SELECT 1", "lost"),
        ("ALTER DEFINER = `root`@`%` VIEW `shop`.`v` AS SELECT id FROM lines", "lost"),
        ("DROP VIEW IF EXISTS other.v, v", "lost"),
        ("RENAME TABLE v TO w", "lost"),
        ("RENAME TABLE w TO v", "lost"),
        ("CREATE VIEW w AS SELECT v.id FROM v JOIN `lines`", "other"),
        ("DROP VIEW w", "other"),
        ("DROP VIEW other.v", "other"),
        ("TRUNCATE `lines`", "lost"),
        ("ALTER TABLE `lines` MODIFY price DECIMAL(9, 0)", "lost"),
        ("ALTER TABLE `lines` ADD note INT", "schema"),
        ("ALTER TABLE others ADD note INT", "other"),
    ],
)
def test_a_statement_about_the_view_or_a_table_behind_it_is_judged(
    statement: str, kind: str
) -> None:
    columns = frozenset(("id", "price"))
    tables = tuple(
        WatchedTable(
            FollowedTable("shop", name, columns, view="v"), KeyColumn("id", "integer"), LAYOUT
        )
        for name in ("orders", "lines")
    )
    assert Watched(tables, Position("log.1", 4)).kind_of(statement, "shop", 0) == kind


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("b.id, b.art", "DISTINCT b.id, b.art"),
        ("k.id = b.kunde_id", "CONCAT(k.id) = CONCAT(b.kunde_id)"),
    ],
)
def test_a_view_that_is_not_read_by_indexes_is_a_blocker(
    two: TwoTables, tmp_path: Path, old: str, new: str
) -> None:
    two.order("A")
    rows = ", ".join(["('x@example.com', 'X')"] * 1_100)
    two.run(f"INSERT INTO kunden (email, name) VALUES {rows}")
    two.run("ANALYZE TABLE kunden")
    two.run(f"CREATE OR REPLACE {VIEW.replace(old, new)}")
    config = config_for(two, "unused", tmp_path)
    reads = account(config.source, {"OLD_SHOP": two.server.url(two.database)})
    with connected(reads) as connection:
        standing = ask_of(OldTable(connection, config, lambda old: old))
    found = list(findings(standing, config))
    assert [one.subject for one in found if one.level == "blocker"] == ["view"]
    assert any("changes of kunden are not followed" in one.detail for one in found)


@PER_LINE
def test_lines_without_an_order_of_their_own_are_moved_and_compared_sorted(
    shop: Shop, aws: str, tmp_path: Path
) -> None:
    """In a table without a primary key. They say different times of their order's end, too."""
    dynamodb = client(aws, "dynamodb")
    shop.run("ALTER TABLE order_lines DROP COLUMN id, ADD shipped DATETIME NULL")
    line = {**lines(random.Random(1), "A1")[0], "customer_id": "77"}
    for number, article in enumerate(("S2", "S10", "S1", "S2"), start=1):
        shipped = None if article == "S1" else f"2026-01-0{number} 12:00:00"
        shop.insert({**line, "stock_code": article, "quantity": number, "shipped": shipped})
    config = config_for(shop, make_orders_table(dynamodb), tmp_path, back=None)
    config = replace(config, order=replace(config.order, settled_at="shipped"))
    with migration(shop, dynamodb, config) as parts:
        Copy(parts, NOTHING).run()
        found = dynamodb.scan(TableName=parts.place.orders_table)["Items"]
        (content,) = (item["content"]["B"] for item in found if "content" in item)
        moved = [(one.sku, one.quantity) for one in decompressed(content).lines]
        assert moved == [("S1", 3), ("S10", 2), ("S2", 1), ("S2", 4)]
        (ship,) = (item["ship"]["M"]["at"]["N"] for item in found if "ship" in item)
        assert ship == "1767528000000"  # 2026-01-04 12:00 UTC
        assert verified(parts).differences == []
        shop.run("UPDATE order_lines SET quantity = 5 - quantity WHERE stock_code = 'S2'")
        assert verified(parts).differences == []
        shop.run("UPDATE order_lines SET quantity = 9 WHERE stock_code = 'S10'")
        (difference,) = verified(parts).differences
        assert difference.key == "A1"


@PER_LINE
def test_a_user_of_some_columns_moves_a_table_with_invisible_ones(
    shop: Shop, aws: str, tmp_path: Path
) -> None:
    dynamodb = client(aws, "dynamodb")
    shop.fill(iter(lines(random.Random(1), "A1")))
    shop.run(
        "ALTER TABLE order_lines MODIFY quantity INT NOT NULL INVISIBLE DEFAULT 1,"
        " MODIFY country VARCHAR(40) NULL INVISIBLE, ADD secret INT NOT NULL DEFAULT 7"
    )
    config = config_for(shop, make_orders_table(dynamodb), tmp_path, back=None)
    config = with_where(config, "status <> 'cart'")
    columns = ", ".join(dict.fromkeys(["id", *(column for _, column in config.columns)]))
    user = f"some_{shop.database}"
    with migration(shop, dynamodb, config) as parts:
        parts = dataclasses.replace(parts, account=dataclasses.replace(parts.account, user=user))
        shop.run(f"CREATE USER {user}")
        try:
            shop.run(f"GRANT SELECT ({columns}) ON order_lines TO {user}")
            shop.run(f"GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {user}")
            assert Check(parts, NOTHING).run(None).blockers == []
            Copy(parts, NOTHING).run()
            shop.run("UPDATE order_lines SET quantity = quantity + 1")
            Follow(parts, NOTHING).run(until_caught_up=True)
            assert numbers(parts) == {"A1"}
            assert verified(parts).differences == []
            assert parts.verify(NOTHING).sample(9).clean
        finally:
            shop.run(f"DROP USER {user}")
