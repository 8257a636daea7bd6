"""An order comes back as it is, or it waits, with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from orders.aws import items
from orders.domain.units import Millis
from spillway.errors import SpillwayError
from spillway.migrate.back.beforehand import hindrances
from spillway.migrate.back.inverse import Inverse
from spillway.migrate.back.writing import Done, Session, make_tables
from spillway.migrate.config import Back, Config, Field
from spillway.migrate.old.connection import account, connected, run
from spillway.migrate.old.description import describe
from spillway.migrate.old.table import OldTable
from tests.builders import FREE, NOW, accepted, line, order_id, order_key
from tests.spillway.migrate.legacy import Shop
from tests.spillway.migrate.servers import on_every_server
from tests.spillway.migrate.tables import config_for

PER_LINE = pytest.mark.parametrize("shop", ["row-per-line"], indirect=True)


@contextmanager
def session(shop: Shop, config: Config) -> Iterator[Session]:
    back = config.back
    assert back is not None
    url = {"OLD_SHOP": shop.server.url(shop.database)}
    with connected(account(config.source, url), write=True) as connection:
        run(connection, "SET SESSION sql_mode = 'STRICT_ALL_TABLES'")
        make_tables(connection)
        old = OldTable(connection, config, lambda customer: customer, lambda: NOW / 1000)
        yield Session(connection, Inverse(config, back, lambda known: known, old.table.kinds), old)


def write(session: Session, at: int = NOW, **fields: Any) -> Done:
    key = order_key("legacy|77", order_id(at))
    return session.write(items.order_item(accepted(key, Millis(at), **fields)), None)


def refusal(done: Done) -> str:
    assert done.reason is not None, "it was written"
    return f"{done.reason.rule}: {done.reason.detail}"


def with_order(config: Config, **fields: Any) -> Config:
    return replace(config, order=replace(config.order, **fields))


@pytest.mark.parametrize(
    ("change", "fields", "says"),
    [
        ("MODIFY total DECIMAL(3, 2)", {"lines": [line(quantity=9)]}, "back_refused: 1264"),
        ("MODIFY total DECIMAL(14, 1)", {}, "total would be"),
        ("MODIFY shipping INT", {}, "shipping would be"),
        ("MODIFY placed_at DATE", {}, "created_at would be"),
        ("MODIFY status ENUM('shipped', 'refused')", {}, "back_refused: 1265"),
        ("MODIFY city VARCHAR(3)", {}, "back_refused: 1406"),
        ("MODIFY customer_id CHAR(1)", {}, "back_refused: 1406"),
        ("ADD UNIQUE (customer_id)", {}, "back_refused: 1062"),
        ("MODIFY items VARCHAR(30)", {}, "back_refused: 1406"),
        (None, {"tax": 100, "total": 610}, "tax would be 0, not 100"),
    ],
)
def test_what_the_old_table_cannot_hold_is_not_written(
    shop: Shop, tmp_path: Path, change: str | None, fields: dict[str, Any], says: str
) -> None:
    shop.run("INSERT INTO orders (customer_id) VALUES ('77')")
    if change is not None:
        shop.run(f"ALTER TABLE orders {change}")
    with session(shop, config_for(shop, "orders", tmp_path)) as old:
        assert says in refusal(write(old, NOW + 1, **fields))
        assert shop.run("SELECT COUNT(*) FROM orders") == [(1,)]
        assert sum(old.waiting().values()) == 1


@pytest.mark.parametrize(
    ("change", "fields", "says"),
    [
        ({"currency": Field(value="GBP")}, {"currency": "EUR"}, "currency would be 'GBP'"),
        ({"channel": Field(value="retail")}, {"channel": "wholesale"}, "channel would be 'retail'"),
        ({"coupon": None}, FREE, "coupon would be ['DISCOUNT']"),
        ({"shipping": None}, {}, "shipping would be 0"),
        ({"status": Field(value="shipped")}, {}, "status would be 'confirmed', not 'open'"),
    ],
)
def test_a_field_without_a_column_is_not_lost_in_silence(
    shop: Shop, tmp_path: Path, change: dict[str, Any], fields: dict[str, Any], says: str
) -> None:
    config = with_order(config_for(shop, "orders", tmp_path), **change)
    with session(shop, config) as old:
        assert says in refusal(write(old, **fields))
        assert shop.run("SELECT COUNT(*) FROM orders") == [(0,)]


@pytest.mark.parametrize(
    ("null", "guest_ids", "written"),
    [("NULL", ("0",), None), ("NOT NULL", ("0", "-1"), "0"), ("NOT NULL", (), "back_guest: cust")],
)
def test_a_guest_is_what_the_old_shop_writes_for_one(
    shop: Shop, tmp_path: Path, null: str, guest_ids: tuple[str, ...], written: str | None
) -> None:
    shop.run(f"ALTER TABLE orders MODIFY customer_id VARCHAR(40) {null}")
    config = config_for(shop, "orders", tmp_path)
    customers = replace(config.customers, guests="one_each", guest_ids=guest_ids)
    with session(shop, replace(config, customers=customers)) as old:
        key = order_key("guest-77", order_id(NOW))
        done = old.write(items.order_item(accepted(key, NOW)), None)
        if done.reason is not None:
            assert refusal(done).startswith(str(written))
        else:
            assert shop.run("SELECT customer_id FROM orders") == [(written,)]


def test_what_may_be_lost_is(shop: Shop, tmp_path: Path) -> None:
    config = with_order(config_for(shop, "orders", tmp_path), coupon=None)
    assert config.back is not None
    config = replace(config, back=replace(config.back, may_lose=("coupon",)))
    with session(shop, config) as old:
        assert write(old, **FREE).wrote


@on_every_server
def test_a_waiting_order_is_written_as_soon_as_it_can_be(shop: Shop, tmp_path: Path) -> None:
    shop.run("CREATE TRIGGER no BEFORE INSERT ON orders FOR EACH ROW SIGNAL SQLSTATE '45000'")
    key = order_key("legacy|77", order_id(NOW))
    item = items.order_item(accepted(key, NOW))
    with session(shop, config_for(shop, "orders", tmp_path)) as old:
        first, second = old.write(item, None), old.write(item, None)
        assert (first.is_news, second.is_news) == (True, False)
        assert old.waiting() == {"back_refused": 1}
        shop.run("DROP TRIGGER no")
        done = old.write(item, None)
        assert (done.wrote, done.waited, old.waiting()) == (True, True, {})


@on_every_server
def test_a_table_that_lost_its_transactions_meanwhile_ends_back(shop: Shop, tmp_path: Path) -> None:
    with session(shop, config_for(shop, "unused", tmp_path)) as open_session:
        assert write(open_session).wrote
        shop.run("ALTER TABLE orders ENGINE = MyISAM, MODIFY shipping INT")
        with pytest.raises(SpillwayError, match="no transactions any more"):
            write(open_session, at=NOW + 1)


def test_times_are_written_as_the_column_counts_them(shop: Shop, tmp_path: Path) -> None:
    shop.run("ALTER TABLE orders MODIFY placed_at BIGINT")
    with session(shop, config_for(shop, "orders", tmp_path)) as old:
        assert write(old).wrote
    assert shop.run("SELECT placed_at FROM orders") == [(NOW // 1000,)]


def test_an_hour_that_came_twice_waits(shop: Shop, tmp_path: Path) -> None:
    second_half_past_one = 1_792_891_800_000  # 2026-10-25T01:30:00Z, in London after 01:30 BST
    with session(shop, config_for(shop, "orders", tmp_path)) as old:
        assert write(old, second_half_past_one - 3_600_000).wrote
        assert "created_at" in refusal(write(old, second_half_past_one))


@PER_LINE
def test_no_line_is_added_to_an_order_that_has_the_number(shop: Shop, tmp_path: Path) -> None:
    config = config_for(shop, "orders", tmp_path)
    assert config.back is not None
    taken = (config.back.first_key or 0) + 1
    shop.run(
        "INSERT INTO order_lines (invoice, stock_code, quantity, unit_price)"
        f" VALUES ('{taken}', 'A', 1, 1)"
    )
    with session(shop, config) as old:
        assert f"back_number_taken: the old table has an order {taken}" in refusal(write(old))
    assert shop.run(f"SELECT COUNT(*) FROM order_lines WHERE invoice = '{taken}'") == [(1,)]


@PER_LINE
def test_goods_with_the_code_of_postage_wait(shop: Shop, tmp_path: Path) -> None:
    with session(shop, config_for(shop, "orders", tmp_path)) as old:
        assert "shipping would be" in refusal(write(old, lines=[line("POST")]))


@pytest.mark.parametrize(
    ("statement", "back", "says"),
    [
        ("ALTER TABLE orders ENGINE = MyISAM", {}, "ALTER TABLE `orders` ENGINE = InnoDB"),
        ("ALTER TABLE orders ADD must INT NOT NULL", {}, "name it in [back.columns]"),
        ("ALTER TABLE orders MODIFY id INT NOT NULL", {}, "id is not AUTO_INCREMENT"),
        ("DO 0", {"key": "order_id"}, 'cannot hold the numbers of "order_id"'),
        ("DO 0", {"key": "numbered", "first_key": 1 << 33}, "does not fit id"),
        (
            "INSERT INTO orders (id) VALUES (7)",
            {"key": "numbered", "first_key": 7},
            "orders up to 7: begin behind them",
        ),
    ],
)
def test_back_does_not_begin_what_it_cannot_do(
    shop: Shop, tmp_path: Path, statement: str, back: dict[str, Any], says: str
) -> None:
    config = config_for(shop, "orders", tmp_path)
    with session(shop, config) as old:
        assert list(hindrances(old.connection, config, _back(config), old.old.table)) == []
        shop.run(statement)
        changed = replace(_back(config), **back)
        table = describe(old.connection, config)
        found = list(hindrances(old.connection, config, changed, table))
        assert len(found) == 1, found
        assert says in found[0]


@on_every_server
def test_back_does_not_begin_where_the_condition_would_hide_each_order(
    shop: Shop, tmp_path: Path
) -> None:
    """What depends on the order is seen with each order."""
    shop.run("ALTER TABLE orders ADD kind VARCHAR(9) NOT NULL DEFAULT 'cart', ADD deleted_at DATE")
    shop.run("INSERT INTO orders (id) VALUES (7)")
    plain = config_for(shop, "orders", tmp_path)
    for where, columns, hidden in (
        ("deleted_at IS NULL AND kind = 'order'", {}, True),
        ("deleted_at IS NULL AND kind LIKE 'ord%'", {"kind": "order"}, False),
        ("deleted_at IS NULL", {}, False),
        ("kind = 'order' AND total > 0", {}, False),
    ):
        config = replace(plain, source=replace(plain.source, where=where))
        with session(shop, config) as old:
            back = replace(_back(config), columns=columns)
            found = list(hindrances(old.connection, config, back, old.old.table))
        assert [one.startswith(f"source.where ({where})") for one in found] == [True] * hidden


def test_back_names_the_grants_that_it_lacks(shop: Shop, tmp_path: Path) -> None:
    shop.run("CREATE TABLE people (id VARCHAR(40), sub VARCHAR(40))")
    user = f"b{shop.database[5:]}"
    shop.run(f"CREATE USER {user} IDENTIFIED BY 'b'")
    shop.run(f"GRANT SELECT ON {shop.database}.orders TO {user}")
    shop.run(f"GRANT SELECT, INSERT, CREATE ON {shop.database}.spillway_back TO {user}")
    config = config_for(shop, "orders", tmp_path)
    customers = replace(config.customers, by="table", table="people", key="id", subject="sub")
    config = replace(config, customers=customers)
    at = f"{shop.server.host}:{shop.server.port}/{shop.database}"
    try:
        with connected(
            account(config.source, {"OLD_SHOP": f"mysql://{user}:b@{at}"}), write=True
        ) as connection:
            table = describe(connection, config)
            found = list(hindrances(connection, config, _back(config), table))
        where = f"ON `{shop.database}`.`orders` TO '{user}'@'%'"
        assert found[:2] == [f"run GRANT INSERT {where}", f"run GRANT UPDATE {where}"]
        assert found[2].startswith(f"run GRANT SELECT ON `{shop.database}`.`people`")
    finally:
        shop.run(f"DROP USER {user}")


def _back(config: Config) -> Back:
    assert config.back is not None
    return config.back
