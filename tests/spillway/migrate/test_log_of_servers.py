"""What real servers write into their logs when a shop does what the log cannot tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from spillway.errors import SpillwayError
from spillway.migrate.old.binlog import news
from spillway.migrate.old.connection import account, connected
from spillway.migrate.old.keys import Logged
from spillway.migrate.old.position import position_now
from spillway.migrate.old.watched import watched
from tests.needs import starts
from tests.spillway.migrate.legacy import Shop
from tests.spillway.migrate.servers import Server, on_every_server, private
from tests.spillway.migrate.tables import config_for


def logged(shop: Shop, folder: Path, *statements: str, **source: str) -> list[Logged]:
    """The numbers that the log reports of these statements, of one session each."""
    config = config_for(shop, "unused", folder)
    config = replace(config, source=replace(config.source, **source))
    old = account(config.source, {"OLD_SHOP": shop.server.url(shop.database)})
    with connected(old) as connection:
        table, start = watched(connection, config), position_now(connection)
        for statement in statements:
            session = shop.server.connect(shop.database)
            try:
                for one in statement.split(";; "):
                    with session.cursor() as cursor:
                        cursor.execute(one)
            finally:
                session.close()
        goal = position_now(connection)
    keys: list[Logged] = []
    for some in news(old, config, table, start):
        keys += some.keys
        if some.position is not None and some.position.reached(goal):
            return keys
    return keys


#: In sessions that log statements; `v` is the shop's database.
LOST = (
    "-- of the night\nTRUNCATE TABLE orders",
    "# of the night\nTRUNCATE orders",
    "/*!50003 TRUNCATE TABLE orders */",
    "CREATE DATABASE IF NOT EXISTS elsewhere;; USE elsewhere;; TRUNCATE v.orders",
    "SET binlog_format = 'STATEMENT';; /* x */ UPDATE v.orders SET status = 'x' WHERE id = 1",
    (
        "SET binlog_format = 'STATEMENT';; CREATE TABLE t (id INT);; UPDATE orders o JOIN t"
        " ON o.id = t.id SET o.status = 'x'"
    ),
    "SET binlog_format = 'STATEMENT', sql_mode = 'ANSI_QUOTES';; DELETE FROM \"orders\"",
    "CREATE TABLE next LIKE orders;; RENAME TABLE orders TO gone, next TO orders",
    "CREATE TABLE next LIKE orders;; DROP TABLE orders;; ALTER TABLE next RENAME orders",
    "ALTER TABLE orders MODIFY total DECIMAL(9, 0)",
    (
        "ALTER TABLE orders PARTITION BY HASH (id) PARTITIONS 2;; ALTER TABLE orders TRUNCATE"
        " PARTITION p1"
    ),
    (
        "SET binlog_format = 'STATEMENT';; CREATE FUNCTION tidy() RETURNS INT MODIFIES SQL DATA"
        " BEGIN DELETE FROM orders; RETURN 1; END;; SELECT tidy()"
    ),
    "SET binlog_format = 'STATEMENT';; CREATE PROCEDURE tidy() DELETE FROM orders;; CALL tidy()",
)
ONE = "INSERT INTO orders (id, status) VALUES (7, 'new')"


@pytest.fixture
def fresh(shop: Shop) -> Iterator[Callable[[], Shop]]:
    """Each time it is called, a shop with an empty table and nothing beside it."""
    created = shop.run("SHOW CREATE TABLE orders")[0][1]

    def made_again() -> Shop:
        for table in ("orders", "next", "gone", "t"):
            shop.run(f"DROP TABLE IF EXISTS {table}")
        for routine in ("FUNCTION", "PROCEDURE"):
            shop.run(f"DROP {routine} IF EXISTS tidy")
        shop.run(created)
        return shop

    shop.run("SET GLOBAL log_bin_trust_function_creators = 1")
    yield made_again
    shop.run("SET GLOBAL log_bin_trust_function_creators = 0")
    shop.run("DROP DATABASE IF EXISTS elsewhere")


@on_every_server
@pytest.mark.parametrize(
    "statements",
    [LOST[::4], pytest.param(LOST, marks=pytest.mark.slow)],
    ids=["some", "all"],
)
def test_what_the_log_cannot_tell_ends_with_a_sentence(
    fresh: Callable[[], Shop], tmp_path: Path, statements: Sequence[str]
) -> None:
    silent = []
    for statement in statements:
        shop = fresh()
        try:
            logged(shop, tmp_path, ONE, statement.replace("v.", f"{shop.database}."))
        except SpillwayError as error:
            assert "statement without its rows" in str(error)  # noqa: PT017 -- of each of them
            assert "copy --again" in str(error)  # noqa: PT017
        else:
            silent.append(statement)
    assert silent == []


@pytest.fixture
@starts("mysql")
def folding_server(tmp_path: Path) -> Iterator[Server]:
    """It keeps the names of tables in lower case."""
    with private(tmp_path, "mysql", "--lower-case-table-names=1") as started:
        yield started


def test_a_table_that_the_server_spells_in_another_way_is_followed(
    folding_server: Server, tmp_path: Path
) -> None:
    with folding_server.database() as name:
        shop = Shop(folding_server, name.upper(), "row-per-order")
        capitals = {"table": "Orders", "database": name.title()}
        assert logged(shop, tmp_path, ONE, **capitals) == ["7"]
        with pytest.raises(SpillwayError, match="statement without its rows"):
            logged(shop, tmp_path, "TRUNCATE ORDERS", **capitals)
        shop.close()


@on_every_server
def test_what_others_do_on_the_same_server_does_not_end_it(
    fresh: Callable[[], Shop], tmp_path: Path
) -> None:
    shop = fresh()
    others = (
        "CREATE TABLE `orders-archive` (id INT);; TRUNCATE TABLE `orders-archive`",
        (
            "CREATE DATABASE IF NOT EXISTS elsewhere;; CREATE TABLE IF NOT EXISTS elsewhere.orders"
            " (id INT);; DROP TABLE elsewhere.orders"
        ),
        "CREATE TEMPORARY TABLE orders (id INT);; DROP TEMPORARY TABLE orders",
        (
            "SET binlog_format = 'STATEMENT';; CREATE TABLE elsewhere.sums (id INT);; REPLACE INTO"
            " elsewhere.sums SELECT id FROM orders"
        ),
        "ANALYZE TABLE orders;; OPTIMIZE TABLE orders",
        "ALTER TABLE orders ADD gift INT, ADD KEY (city)",
        "CREATE VIEW watching AS SELECT * FROM orders;; DROP VIEW watching",
    )
    assert logged(shop, tmp_path, *others, ONE) == ["7"]


def test_compressed_rows_end_it_with_the_setting(fresh: Callable[[], Shop], tmp_path: Path) -> None:
    shop = fresh()
    shop.run("SET GLOBAL log_bin_compress = ON, GLOBAL log_bin_compress_min_len = 10")
    try:
        with pytest.raises(SpillwayError, match="SET GLOBAL log_bin_compress = OFF"):
            logged(shop, tmp_path, f"{ONE};; UPDATE orders SET street = REPEAT('x', 190)")
        shop.run("CREATE TABLE t (id INT, long_text TEXT)")
        assert logged(shop, tmp_path, "INSERT INTO t VALUES (1, REPEAT('x', 900))") == []
    finally:
        shop.run("SET GLOBAL log_bin_compress = OFF, GLOBAL log_bin_compress_min_len = 256")


def test_what_a_generated_column_is_made_of_matters_as_it_does(
    old_server: Server, tmp_path: Path
) -> None:
    with old_server.database() as name:
        shop = Shop(old_server, name, "row-per-order")
        shop.run(
            "ALTER TABLE orders DROP COLUMN total, ADD net DECIMAL(9, 2), ADD remark VARCHAR(9),"
            " ADD gross DECIMAL(9, 2) AS (net * 1.2), ADD total DECIMAL(9, 2) AS (gross)"
        )
        assert logged(shop, tmp_path, "ALTER TABLE orders MODIFY remark VARCHAR(4)") == []
        with pytest.raises(SpillwayError, match="a statement without its rows"):
            logged(shop, tmp_path, "ALTER TABLE orders MODIFY net DECIMAL(9, 0)")
        shop.close()
