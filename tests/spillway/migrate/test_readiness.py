"""What `check` says of a server, and what to run there: on answers of each kind of server as its
documentation has them, and on real ones."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from spillway.errors import SpillwayError
from spillway.migrate.checking import Check
from spillway.migrate.config import Config, Customers, read_config
from spillway.migrate.copying import Copy
from spillway.migrate.old.connection import Account, account, connected
from spillway.migrate.old.description import Described
from spillway.migrate.old.mapping import Mapped
from spillway.migrate.old.position import position_now
from spillway.migrate.old.readiness import Finding, back_findings, findings
from spillway.migrate.old.server import Answers, Grants, Record, Server, ask
from spillway.migrate.old.table import CHUNK_ROWS, OldTable
from spillway.migrate.verifying.old import OldSide
from spillway.run.stack.aws import client
from tests.spillway.migrate.legacy import DOCS, ORDER_COLUMNS, Shop, order
from tests.spillway.migrate.servers import on_every_server
from tests.spillway.migrate.tables import config_for, make_orders_table, migration

NOTHING: Any = lambda *_: None  # noqa: E731
LINES = read_config(DOCS / "row-per-line.toml")
ORDERS = read_config(DOCS / "row-per-order.toml")
GRANTED = ("GRANT REPLICATION SLAVE, REPLICATION CLIENT, RELOAD ON *.* TO `spillway`@`%`",)

MYSQL_5_6 = {
    "version": "5.6.51-log",
    "version_comment": "MySQL Community Server (GPL)",
    "basedir": "/usr/",
    "server_id": "1",
    "log_bin": "ON",
    "binlog_format": "ROW",
    "binlog_row_image": "FULL",
    "log_slave_updates": "OFF",
    "expire_logs_days": "10",
}
MYSQL_8 = {
    **MYSQL_5_6,
    "version": "8.0.36",
    "binlog_row_metadata": "FULL",
    "binlog_row_value_options": "",
    "binlog_transaction_compression": "OFF",
    "log_replica_updates": "ON",
    "log_slave_updates": "ON",
    "expire_logs_days": "0",
    "binlog_expire_logs_seconds": "2592000",
    "binlog_expire_logs_auto_purge": "ON",
}
MARIADB = {
    **MYSQL_5_6,
    "version": "10.6.16-MariaDB-log",
    "version_comment": "mariadb.org binary distribution",
    "binlog_row_metadata": "FULL",
    "log_bin_compress": "OFF",
    "gtid_slave_pos": "",
    "wsrep_on": "OFF",
}
RDS = {**MYSQL_8, "basedir": "/rdsdbbin/mysql-8.0.36.R1/", "version_comment": "Source distribution"}
AURORA = {**MYSQL_8, "aurora_version": "3.05.2", "basedir": "/rdsdbbin/oscar-8.0/"}
AZURE = {**MYSQL_8, "azure_server_name": "shop"}
GOOGLE = {**MYSQL_8, "version": "8.0.31-google", "version_comment": "(Google)"}


def column(name: str, form: str = "varchar(20)", key: str = "") -> tuple[str, Described]:
    return name, Described(form.partition("(")[0], form, is_primary=key == "PRI")


def index(**fields: str | None) -> Record:
    whole: Record = {
        "column_name": "invoice",
        "seq_in_index": "1",
        "sub_part": None,
        "index_type": "BTREE",
    }
    return {**whole, **fields}


def answers(variables: dict[str, str] = MYSQL_8, **fields: Any) -> Answers:
    """A table of one row per line that can be followed; `fields` are put over it."""
    good: dict[str, Any] = {
        "server": Server(variables),
        "account": "spillway@%",
        "login": "spillway@10.0.0.7",
        "grants": Grants(GRANTED),
        "schema": "shop",
        "described": {"type": "BASE TABLE", "engine": "InnoDB"},
        "log": {"file": "binlog.000001", "binlog_do_db": "", "binlog_ignore_db": ""},
        "replica": (),
        "columns": dict((column("id", "int(11)", "PRI"), column("invoice"))),
        "indexes": (index(),),
        "cascades": (),
        "retention_hours": {"name": "binlog retention hours", "value": "168"},
    }
    return Answers(**{**good, **fields})


def blockers(one: Answers, config: Config = LINES) -> list[Finding]:
    return [found for found in findings(one, config) if found.level == "blocker"]


def warnings(one: Answers, config: Config = LINES) -> list[Finding]:
    return [found for found in findings(one, config) if found.level == "warning"]


@pytest.mark.parametrize(
    "variables",
    [MYSQL_5_6, MYSQL_8, MARIADB, RDS, AURORA, AZURE, GOOGLE],
    ids=["5.6", "8", "mariadb", "rds", "aurora", "azure", "google"],
)
def test_nothing_blocks_a_server_that_logs_whole_rows(variables: dict[str, str]) -> None:
    assert blockers(answers(variables)) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("log_bin", "OFF"),
        ("binlog_format", "MIXED"),
        ("binlog_row_image", "MINIMAL"),
        ("binlog_row_image", "FULL_NODUP"),
        ("log_bin_compress", "ON"),
        ("binlog_transaction_compression", "ON"),
        ("binlog_row_value_options", "PARTIAL_JSON"),
        ("binlog_storage_engine", "innodb"),
        ("server_id", "0"),
        ("server_id", str(LINES.source.server_id)),
    ],
)
def test_a_setting_that_would_hide_a_change_blocks_and_is_named(name: str, value: str) -> None:
    (found,) = blockers(answers({**MYSQL_8, name: value}))
    assert found.subject == "binary log"
    assert name.removeprefix("binlog_").split("_")[-1] in found.detail
    assert found.paste or name == "server_id"


@pytest.mark.parametrize(
    ("variables", "paste"),
    [
        (
            MYSQL_5_6,
            (
                "SET GLOBAL binlog_format = 'ROW';",
                "# in my.cnf:",
                "[mysqld]",
                "binlog_format = ROW",
            ),
        ),
        (MYSQL_8, ("SET PERSIST binlog_format = 'ROW';",)),
    ],
    ids=["5.6", "8"],
)
def test_a_setting_lasts_over_a_restart_of_ones_own_server(
    variables: dict[str, str], paste: tuple[str, ...]
) -> None:
    (found,) = blockers(answers({**variables, "binlog_format": "STATEMENT"}))
    assert found.paste == paste


@pytest.mark.parametrize(
    ("variables", "command", "kept"),
    [
        (RDS, "aws rds modify-db-parameter-group ", "mysql.rds_set_configuration"),
        (AURORA, "aws rds modify-db-cluster-parameter-group ", "mysql.rds_set_configuration"),
        (AZURE, "az mysql flexible-server parameter set ", "--name binlog_expire_logs_seconds"),
    ],
    ids=["rds", "aurora", "azure"],
)
def test_a_managed_server_gets_its_own_commands(
    variables: dict[str, str], command: str, kept: str
) -> None:
    """And keeps its log for no time at all unless it is told otherwise."""
    variables = {**variables, "binlog_format": "MIXED"}
    if variables.get("azure_server_name"):
        variables["binlog_expire_logs_seconds"] = "0"
    none_kept = {"name": "binlog retention hours", "value": None}
    for_format, for_log = blockers(answers(variables, retention_hours=none_kept))
    assert for_format.paste[0].startswith(command)
    assert for_log.subject == "binary log kept"
    assert kept in for_log.paste[0]


def test_rds_is_never_said_to_keep_its_log_for_thirty_days() -> None:
    unknown = [
        found.detail
        for found in findings(answers(RDS, retention_hours=None), LINES)
        if found.subject == "binary log kept" and found.level != "good"
    ]
    assert len(unknown) == 1
    assert "30" not in unknown[0]


def test_a_server_is_known_by_its_name_where_it_says_nothing_of_itself() -> None:
    assert Server(MYSQL_8, "shop.mysql.database.azure.com").host == "azure"
    assert Server(MYSQL_8, "db.example.com").host == "own"


def test_a_key_that_is_a_text_is_not_in_every_image_without_blobs() -> None:
    noblob = {**MYSQL_8, "binlog_row_image": "NOBLOB"}
    assert blockers(answers(noblob)) == []
    (found,) = blockers(answers(noblob, columns=dict([column("invoice", "mediumtext")])))
    assert "NOBLOB" in found.detail


@pytest.mark.parametrize(
    ("only", "never", "blocks"),
    [
        ("other", "", True),
        ("", "shop", True),
        ("", "a,shop,b", True),
        ("Shop", "", True),
        ("shop", "", False),
        ("", "shop2", False),
    ],
)
def test_a_filter_of_the_log_is_judged_for_the_shop(only: str, never: str, blocks: bool) -> None:
    one = answers(log={"binlog_do_db": only, "binlog_ignore_db": never})
    assert bool(blockers(one)) == blocks
    # A statement goes by the session's database, even where the rows are logged.
    assert bool(warnings(one)) != blocks


def test_a_replica_must_log_what_it_replicates() -> None:
    source: Record = {"master_host": "db1"}
    for variables, replica in (
        (MYSQL_5_6, (source,)),
        (MARIADB, (source,)),
        ({**MARIADB, "wsrep_on": "ON"}, ()),
    ):
        (found,) = blockers(answers(variables, replica=replica))
        assert "log_slave_updates = ON" in found.paste
    once = answers({**MARIADB, "gtid_slave_pos": "0-1-7"})
    assert blockers(once) == []
    assert [found.subject for found in warnings(once)] == ["replica"]
    assert blockers(answers(MYSQL_8, replica=(source,))) == []
    (found,) = warnings(answers(MYSQL_8, replica=(source,)))
    assert "cutover" in found.detail


@pytest.mark.parametrize(
    "version", ["5.5.62-log", "10.2.44-MariaDB", "8.0.11-TiDB-v7.5.0", "8.0.30-Vitess"]
)
def test_what_is_too_old_or_no_mysql_is_told(version: str) -> None:
    found = blockers(answers({**MYSQL_5_6, "version": version}))
    assert "server" in [one.subject for one in found]


@pytest.mark.parametrize("engine", ["FEDERATED", "CONNECT", "SPIDER", "MRG_MyISAM", "BLACKHOLE"])
def test_a_table_whose_rows_are_elsewhere_blocks(engine: str) -> None:
    described = {"type": "BASE TABLE", "engine": engine}
    (found,) = blockers(answers(described=described))
    assert found.subject == "table"


@pytest.mark.parametrize("engine", ["MyISAM", "Aria", "MEMORY", "ROCKSDB", "TokuDB"])
def test_a_table_without_transactions_or_experience_is_followed_with_a_warning(engine: str) -> None:
    described = {"type": "BASE TABLE", "engine": engine}
    one = answers(described=described)
    assert blockers(one) == []
    assert [found.subject for found in warnings(one)] == ["table"]


@pytest.mark.parametrize(
    ("column_name", "on_delete", "on_update", "blocks"),
    [
        ("parent", "CASCADE", "RESTRICT", True),
        ("parent", "SET NULL", "CASCADE", False),
        ("parent", "NO ACTION", "NO ACTION", False),
        ("invoice", "SET NULL", "NO ACTION", True),
        ("customer_id", "RESTRICT", "CASCADE", True),
    ],
)
def test_a_cascade_that_changes_what_is_read_blocks(
    column_name: str, on_delete: str, on_update: str, blocks: bool
) -> None:
    one: Record = {
        "name": "kin",
        "delete_rule": on_delete,
        "update_rule": on_update,
        "parent": "parents",
        "own_column": column_name,
        "parent_column": "id",
    }
    found = blockers(answers(cascades=(one,)))
    assert [finding.subject for finding in found] == (["foreign key"] if blocks else [])


@pytest.mark.parametrize("kind", ["varchar(9) /*M!100301 COMPRESSED*/", "vector(3)"])
def test_a_column_that_the_logs_reader_cannot_read_blocks(kind: str) -> None:
    columns = dict((column("id", "int(11)", "PRI"), column("invoice"), column("extra", kind)))
    (found,) = blockers(answers(columns=columns))
    assert found.detail.startswith("extra is ")


@pytest.mark.parametrize(
    "indexes",
    [
        (),
        (index(seq_in_index="2"),),
        (index(sub_part="4"),),
        (index(visible="NO"),),
        (index(ignored="YES"),),
        (index(index_type="FULLTEXT"),),
    ],
    ids=["none", "second", "prefix", "invisible", "ignored", "full_text"],
)
def test_an_index_that_cannot_bring_the_rows_in_order_is_none(indexes: tuple[Record, ...]) -> None:
    (found,) = blockers(answers(indexes=indexes))
    assert found.paste == ("CREATE INDEX spillway_number ON `order_lines` (`invoice`);",)


@pytest.mark.parametrize(
    ("granted", "lacking"),
    [
        (("GRANT USAGE ON *.* TO x",), "REPLICATION SLAVE, REPLICATION CLIENT, RELOAD"),
        # Other privileges whose names begin alike, and one that is on the shop only.
        (
            (
                "GRANT REPLICATION SLAVE ADMIN, RELOAD ON *.* TO x",
                "GRANT SUPER ON `shop`.* TO x",
            ),
            "REPLICATION SLAVE, REPLICATION CLIENT",
        ),
        (("GRANT REPLICATION SLAVE, SUPER ON *.* TO x",), "RELOAD"),
    ],
)
def test_grants_that_lack_are_printed_for_the_user_at_hand(
    granted: tuple[str, ...], lacking: str
) -> None:
    (found,) = blockers(answers(grants=Grants(granted), account="o'neil@10.%"))
    assert found.paste == (f"GRANT {lacking} ON *.* TO 'o\\'neil'@'10.%';",)


def test_mysql_8_before_its_22nd_release_needs_one_grant_more_to_wait_for_a_row() -> None:
    old = {**MYSQL_8, "version": "8.0.21"}
    (found,) = blockers(answers(old))
    assert found.paste == ("GRANT LOCK TABLES ON `shop`.* TO 'spillway'@'%';",)
    locking = Grants((*GRANTED, "GRANT SELECT, LOCK TABLES ON `shop`.* TO `spillway`@`%`"))
    assert blockers(answers(old, grants=locking)) == []


def test_a_role_that_sleeps_is_told_with_how_to_wake_it() -> None:
    grants = Grants(("GRANT USAGE ON *.* TO `spillway`@`%`", "GRANT `mover`@`%` TO `spillway`@`%`"))
    (found,) = blockers(answers(grants=grants))
    assert "# or: SET DEFAULT ROLE `mover`@`%` TO 'spillway'@'%';" in found.paste


def test_the_anonymous_user_is_told() -> None:
    (found,) = blockers(answers(account="@localhost", login="spillway@localhost"))
    assert found.paste == ("DROP USER ''@'localhost';",)


@pytest.mark.parametrize(
    ("statement", "writes"),
    [
        ("GRANT ALL PRIVILEGES ON `test`.* TO PUBLIC", False),
        ("GRANT SELECT, INSERT, DELETE ON `test\\_%`.* TO PUBLIC", False),
        ("GRANT SELECT, INSERT (a, b), UPDATE ON `shop`.* TO x", True),
        ("GRANT ALL PRIVILEGES ON `sh%`.* TO x", True),
        ("GRANT ALL PRIVILEGES ON `sho\\_`.* TO x", False),
    ],
)
def test_only_a_right_to_write_the_shop_is_told(statement: str, writes: bool) -> None:
    found = findings(answers(grants=Grants((*GRANTED, statement))), LINES)
    (detail,) = [one.detail for one in found if one.subject == "grants"]
    assert ("write" in detail) == writes


def test_the_account_of_back_is_told_what_it_lacks() -> None:
    people = Customers(column="customer_id", by="table", table="people", key="id", subject="sub")
    config = replace(ORDERS, customers=people)
    enough = (
        "GRANT SELECT, INSERT, UPDATE ON `shop`.`orders` TO x",
        "GRANT SELECT, INSERT, UPDATE, CREATE ON `shop`.`spillway_back` TO x",
        "GRANT ALL PRIVILEGES ON `shop`.`spillway_back_shards` TO x",
        "GRANT SELECT ON `shop`.`people` TO x",
    )
    (found,) = back_findings("x@%", Grants(enough), "shop", config)
    assert found.level == "good"
    (found,) = back_findings("x@%", Grants(enough[1:-1]), "shop", config)
    assert found.level == "warning"
    assert found.paste == (
        "GRANT SELECT, INSERT, UPDATE ON `shop`.`orders` TO 'x'@'%';",
        "GRANT SELECT ON `shop`.`people` TO 'x'@'%';",
    )


@on_every_server
def test_customers_are_found_whatever_the_two_collations_are(shop: Shop, tmp_path: Path) -> None:
    for customer in ("Äb", "c", "nobody"):
        shop.insert(order(random.Random(1), customer_id=customer))
    by_table = {"by": "table", "table": "people", "key": "id", "subject": "sub"}
    people = msgspec.convert({"column": "customer_id", "prefix": "sub-", **by_table}, Customers)
    config = replace(config_for(shop, "unused", tmp_path), customers=people)
    old = account(config.source, {"OLD_SHOP": shop.server.url(shop.database)})
    for own, other in (
        ("utf8mb4 COLLATE utf8mb4_general_ci", "utf8mb4 COLLATE utf8mb4_unicode_ci"),
        ("latin1", "latin2"),
        ("utf8mb4", "ucs2"),
        ("latin1", "utf8mb4"),
    ):
        shop.run(f"ALTER TABLE orders MODIFY customer_id VARCHAR(40) CHARACTER SET {own}")
        shop.run("DROP TABLE IF EXISTS people")
        shop.run(
            f"CREATE TABLE people (id VARCHAR(40) CHARACTER SET {other}, sub VARCHAR(9), KEY(id))"
        )
        shop.run("INSERT INTO people VALUES ('Äb', 's1'), ('c', 's2')")
        with connected(old) as connection:
            table = OldTable(connection, config, lambda old: old)
            mapped = [table.mapper.order(one) for one in table.after(None)]
        read = dict(OldSide(config, old, lambda old: old).all())
        for one, subject in zip(mapped, ("sub-s1", "sub-s2", None), strict=True):
            found = one.place.customer_id if isinstance(one, Mapped) else None
            there = read[one.key]
            assert (found, there.customer if there else None) == (subject, subject), (own, other)


@contextmanager
def variable(shop: Shop, name: str, value: str) -> Iterator[None]:
    former = shop.run(f"SELECT @@GLOBAL.{name}")[0][0]
    shop.run(f"SET GLOBAL {name} = %s", (value,))
    try:
        yield
    finally:
        shop.run(f"SET GLOBAL {name} = %s", (former,))


def asked(shop: Shop, config: Config) -> Answers:
    old = account(config.source, {"OLD_SHOP": shop.server.url(shop.database)})
    with connected(old) as connection:
        return ask(connection, config.source.table)


@on_every_server
def test_a_real_server_is_ready_and_each_fault_of_it_is_seen(shop: Shop, tmp_path: Path) -> None:
    config = config_for(shop, "unused", tmp_path)
    assert blockers(asked(shop, config), config) == []
    with variable(shop, "binlog_row_image", "MINIMAL"):
        assert [one.subject for one in blockers(asked(shop, config), config)] == ["binary log"]
    number = replace(config, order=replace(config.order, key="payment_ref"), back=None)
    assert [one.subject for one in blockers(asked(shop, number), number)] == ["index"]
    shop.run("CREATE INDEX beginning ON orders (payment_ref(4))")
    assert [one.subject for one in blockers(asked(shop, number), number)] == ["index"]
    shop.run("CREATE INDEX spillway_number ON `orders` (`payment_ref`)")
    assert blockers(asked(shop, number), number) == []
    shop.run("ALTER TABLE orders ENGINE = MyISAM")
    assert "table" in [one.subject for one in warnings(asked(shop, config), config)]
    shop.run("CREATE TABLE another LIKE orders")
    shop.run("CREATE TABLE over_another LIKE orders")
    shop.run("ALTER TABLE over_another ENGINE = MERGE UNION = (another)")
    assert blockers(asked(shop, config), config) == []
    shop.run("CREATE TABLE over_it LIKE over_another")
    shop.run("ALTER TABLE over_it UNION = (another, orders)")
    (found,) = blockers(asked(shop, config), config)
    assert "over_it" in found.detail
    assert "over_another" not in found.detail


@on_every_server
def test_an_account_with_too_little_is_told_what_to_grant(shop: Shop, tmp_path: Path) -> None:
    config = config_for(shop, "unused", tmp_path)
    shop.run("CREATE TABLE other (id INT)")
    shop.run("CREATE USER lean@localhost IDENTIFIED BY 'x'")
    known = account(config.source, {"OLD_SHOP": shop.server.url(shop.database)})
    lean = changed(known, user="lean", password="x")
    try:
        shop.run(f"GRANT SELECT ON {shop.database}.other TO lean@localhost")
        grant = f"GRANT SELECT ON `{shop.database}`.* TO 'lean'@'localhost';"
        with (
            pytest.raises(SpillwayError, match=re.escape(grant)),
            connected(lean) as connection,
        ):
            OldTable(connection, config, lambda old: old)
        shop.run(grant)
        for statement in pasted(lean, config):
            shop.run(statement)
        assert pasted(lean, config) == []
        with connected(lean) as connection:
            table = OldTable(connection, config, lambda old: old)
            with table.snapshot() as position:
                assert list(table.after(None)) == []
            assert position_now(connection).reached(position)
    finally:
        shop.run("DROP USER lean@localhost")


def pasted(old: Account, config: Config) -> list[str]:
    with connected(old) as connection:
        found = blockers(ask(connection, config.source.table), config)
    return [line for one in found for line in one.paste]


def test_check_says_what_is_wrong_before_it_reads_for_an_hour(
    shop: Shop, aws: str, tmp_path: Path
) -> None:
    """Without an index each chunk is a look at the whole table. And an account of `back` that
    cannot come in is no reason to say nothing of the rest."""
    shop.run("ALTER TABLE orders MODIFY id INT UNSIGNED NOT NULL, DROP INDEX id")
    rng = random.Random(1)
    shop.fill(order(rng) for _ in range(3))
    shop.run("SET @n = 0")
    shop.run("UPDATE orders SET id = (@n := @n + 1)")
    while shop.run("SELECT COUNT(*) FROM orders")[0][0] <= 2 * CHUNK_ROWS:
        columns = ", ".join(ORDER_COLUMNS)
        shop.run("SET @n = (SELECT MAX(id) FROM orders)")
        shop.run(f"INSERT INTO orders (id, {columns}) SELECT id + @n, {columns} FROM orders")
    dynamodb = client(aws, "dynamodb")
    config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    assert config.back is not None
    config = replace(config, back=replace(config.back, url_variable="OLD_SHOP_WRITER"))
    with migration(shop, dynamodb, config) as parts:
        wrong = f"mysql://nobody:x@{shop.server.host}:{shop.server.port}/{shop.database}"
        parts = changed(parts, environment={**parts.environment, "OLD_SHOP_WRITER": wrong})
        profile = Check(parts, NOTHING).run(None)
    subjects = {one.subject: one for one in profile.findings}
    assert subjects["index"].level == "blocker"
    assert CHUNK_ROWS <= profile.rows < 2 * CHUNK_ROWS
    assert profile.estimate.extrapolated
    assert subjects["grants of back"].level == "warning"
    assert "nobody" in subjects["grants of back"].detail


def test_check_says_why_back_could_not_begin(shop: Shop, aws: str, tmp_path: Path) -> None:
    """After the switch it would be too late. It makes nothing: not the tables of `back` either."""
    dynamodb = client(aws, "dynamodb")
    config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    assert config.back is not None
    counted = replace(config, back=replace(config.back, key="numbered", first_key=1))
    shop.insert(order(random.Random(1)))

    def said(settings: Config) -> str:
        with migration(shop, dynamodb, settings) as parts:
            findings = Check(parts, NOTHING).run(None).findings
        return " ".join(one.detail for one in findings if one.subject == "way back")

    assert said(config) == ""
    assert "back.first_key" in said(counted)
    shop.run("ALTER TABLE orders ADD place SMALLINT NOT NULL")
    assert "Field 'place' doesn't have a default value" in said(config)
    assert "spillway_back" not in str(shop.run("SHOW TABLES"))


def test_copy_refuses_what_check_calls_a_blocker(shop: Shop, aws: str, tmp_path: Path) -> None:
    dynamodb = client(aws, "dynamodb")
    config = config_for(shop, make_orders_table(dynamodb), tmp_path)
    shop.insert(order(random.Random(1)))
    with migration(shop, dynamodb, config) as parts:
        with (
            variable(shop, "log_bin_compress", "ON"),
            pytest.raises(SpillwayError, match=r"miss changes .*\(binary log\)"),
        ):
            Copy(parts, NOTHING).run()
        assert parts.state.standing().phase == "new"
        assert not Check(parts, NOTHING).run(None).blockers
        assert Copy(parts, NOTHING).run().written == 1
