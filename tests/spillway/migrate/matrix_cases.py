"""The cases of the matrix, see matrix.py."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from tests.spillway.migrate.matrix import CHANGES, COLUMNS, FILL, LAST, TABLE, Case, Stage
from tests.spillway.migrate.servers import Make

MARIADB: tuple[Make, ...] = ("mariadb",)
MYSQL: tuple[Make, ...] = ("mysql",)
BY_STATEMENT = "SET SESSION binlog_format = 'STATEMENT'"
BY_ROW = "SET SESSION binlog_format = 'ROW'"
MIXED = "SET SESSION binlog_format = 'MIXED'"
COMPRESSING = ("SET GLOBAL log_bin_compress = ON", "SET GLOBAL log_bin_compress_min_len = 10")
PLAIN = ("SET GLOBAL log_bin_compress = OFF", "SET GLOBAL log_bin_compress_min_len = 256")


def _globally(name: str, value: str, usual: str, makes: tuple[Make, ...]) -> Iterator[Case]:
    """A global setting, from before the copy or from after it."""
    setting, back = ((f"SET GLOBAL {name} = {one}",) for one in (value, usual))
    case = f"{name} = {value.strip(chr(39))}, global"
    yield Case("server", case, makes, before=setting, undo=back)
    yield Case("server", f"{case}, later", makes, later=setting, undo=back)


def _servers() -> Iterator[Case]:
    both: tuple[Make, ...] = ("mariadb", "mysql")
    yield Case("server", "as it comes", harmless=True)
    yield from _globally("binlog_format", "'STATEMENT'", "'ROW'", both)
    yield from _globally("binlog_format", "'MIXED'", "'ROW'", both)
    yield from _globally("binlog_row_image", "'MINIMAL'", "'FULL'", both)
    yield from _globally("binlog_row_image", "'NOBLOB'", "'FULL'", both)
    yield from _globally("binlog_row_metadata", "'NO_LOG'", "'FULL'", MARIADB)
    yield from _globally("binlog_row_metadata", "'MINIMAL'", "'FULL'", MARIADB)
    yield from _globally("binlog_checksum", "'NONE'", "'CRC32'", both)
    yield from _globally("binlog_annotate_row_events", "OFF", "ON", MARIADB)
    yield from _globally("sql_mode", "'ANSI,NO_BACKSLASH_ESCAPES'", "''", both)
    yield from _globally("time_zone", "'+05:00'", "'SYSTEM'", both)
    yield from _globally("max_binlog_size", "4096", "1073741824", both)
    yield Case("server", "log_bin_compress", MARIADB, before=COMPRESSING, undo=PLAIN)
    yield Case("server", "log_bin_compress, later", MARIADB, later=COMPRESSING, undo=PLAIN)
    wide = "UPDATE $w SET cust = REPEAT('w', 60), sku = REPEAT('s', 20) WHERE no = $1"
    yield Case(
        "server",
        "log_bin_compress of wide rows alone",
        MARIADB,
        later=("SET GLOBAL log_bin_compress = ON", "SET GLOBAL log_bin_compress_min_len = 100"),
        undo=PLAIN,
        changes=(wide, LAST),
    )
    for setting in (
        "binlog_format = 'STATEMENT'",
        "binlog_format = 'MIXED'",
        "binlog_row_image = 'MINIMAL'",
        "binlog_row_image = 'NOBLOB'",
        "sql_mode = 'ANSI'",
        "time_zone = '-08:00'",
        "autocommit = 0",
    ):
        session = (f"SET SESSION {setting}",)
        changes = (*CHANGES, "COMMIT")
        yield Case(
            "server", f"{setting.replace(chr(39), '')}, session", session=session, changes=changes
        )
    yield Case(
        "server",
        "binlog_row_image = MINIMAL, one session of two",
        changes=(
            "SET SESSION binlog_row_image = 'MINIMAL'",
            CHANGES[1],
            "SET SESSION binlog_row_image = 'FULL'",
            *CHANGES,
        ),
    )
    yield Case(
        "server",
        "rows' queries logged, session",
        MYSQL,
        session=("SET SESSION binlog_rows_query_log_events = ON",),
    )
    yield Case(
        "server", "sql_log_bin = 0, session", session=("SET SESSION sql_log_bin = 0",), unseen=True
    )
    yield Case("server", "SET NAMES latin1, session", session=("SET NAMES latin1",))
    yield Case("server", "binlog_ignore_db", options=("--binlog-ignore-db=shop",))
    yield Case("server", "binlog_do_db of another", options=("--binlog-do-db=elsewhere",))
    yield Case("server", "binlog_do_db of this one", options=("--binlog-do-db=shop",))
    yield Case(
        "server",
        "binlog_do_db of this one, from another",
        options=("--binlog-do-db=shop",),
        session=("USE $other",),
        changes=tuple(one.replace("$w", "$db.$w") for one in CHANGES),
    )
    yield Case(
        "server",
        "lower_case_table_names = 1",
        options=("--lower-case-table-names=1",),
        source="Orders",
        written="ORDERS",
    )
    yield Case(
        "server",
        "lower_case_table_names = 1, spelled low",
        options=("--lower-case-table-names=1",),
        source="orders",
        written="Orders",
    )
    yield Case("server", "no binary log", options=("--skip-log-bin",))
    yield Case(
        "server",
        "GTIDs",
        MYSQL,
        options=("--gtid-mode=ON", "--enforce-gtid-consistency", "--log-slave-updates"),
    )
    yield Case(
        "server", "GTIDs, strict", MARIADB, options=("--gtid-strict-mode=ON", "--gtid-domain-id=7")
    )
    yield Case(
        "server", "rows of the first form", MYSQL, options=("--log-bin-use-v1-row-events=ON",)
    )
    yield Case(
        "server",
        "encrypted binary log",
        MARIADB,
        options=(
            "--plugin-load-add=file_key_management",
            "--loose-file-key-management-filename=$keys",
            "--encrypt-binlog=ON",
        ),
    )
    yield Case(
        "server",
        "replica that logs what it replicates",
        replica=("--log-slave-updates",),
        harmless=True,
    )
    yield Case("server", "replica that does not", replica=("--skip-log-slave-updates",))
    yield Case("server", "restart", restart=(), harmless=True)
    yield Case(
        "server",
        "crash and restart",
        restart=(),
        gently=False,
        options=("--innodb-flush-log-at-trx-commit=1", "--sync-binlog=1"),
        harmless=True,
    )
    yield Case("server", "restart with another server_id", restart=("--server-id=9",))
    yield Case(
        "server", "restart without row metadata", MARIADB, restart=("--binlog-row-metadata=NO_LOG",)
    )
    yield Case("server", "FLUSH BINARY LOGS", after=("FLUSH BINARY LOGS", LAST), harmless=True)
    yield Case("server", "PURGE behind the copy", options=("--server-id=1",), act=_purged)
    yield Case(
        "server",
        "RESET MASTER before the changes",
        options=("--server-id=1",),
        changes=("RESET MASTER", *CHANGES),
    )
    yield Case(
        "server",
        "RESET MASTER after the changes",
        options=("--server-id=1",),
        after=("RESET MASTER",),
    )
    yield Case(
        "server",
        "RESET MASTER, and a longer log since",
        options=("--server-id=1",),
        act=_reset_and_longer,
    )
    yield Case(
        "server",
        "RESET MASTER, and the same length since",
        MARIADB,
        options=("--server-id=1",),
        beside=("CREATE TABLE u (x TEXT)", "INSERT INTO u VALUES (REPEAT('x', 5000))"),
        act=_reset_to_the_same,
    )


def _purged(stage: Stage) -> None:
    stage.run((*CHANGES, "FLUSH BINARY LOGS"))
    # MariaDB keeps a log until its transactions are safe elsewhere.
    while len(stage.shop.run("SHOW BINARY LOGS")) > 1:
        stage.run((f"PURGE BINARY LOGS TO '{stage.shop.run('SHOW MASTER STATUS')[0][0]}'",))


def _reset_and_longer(stage: Stage) -> None:
    stage.run(("RESET MASTER", *CHANGES))
    with stage.session() as run:
        for _ in range(200):
            run(LAST)


def _reset_to_the_same(stage: Stage) -> None:
    """The log is again exactly as long as at the copy, by other changes."""

    def end() -> int:
        return int(stage.shop.run("SHOW MASTER STATUS")[0][1])

    copied = end()
    # The log of before began in another second than the new one: its events have no more.
    time.sleep(1.1)
    with stage.session() as run:
        run("RESET MASTER")
        run(CHANGES[1])
        run("CREATE DATABASE x")
        run("DROP DATABASE x")
        before = end()
        run("CREATE DATABASE x")
        size = end() - before
        # The rest of the way by statements whose length can be chosen.
        while copied - end() > size + 2_000:
            run("DROP DATABASE x")
            run(f"CREATE DATABASE x /*{'-' * 1_000}*/")
        run("DROP DATABASE x")
        run(f"CREATE DATABASE x /*{'-' * (copied - end() - size - 5)}*/")
        assert end() == copied
        run(LAST)


ROWS = "SELECT id + 100 AS id, no, sku, qty + 1 AS qty, price, at, cust, st FROM $t"
ALL = "(id, no, sku, qty, price, at, cust, st)"


def _statement(name: str, *changes: str, **more: Any) -> Case:
    return Case("statement", name, changes=(*changes, LAST), **more)


def _by_statement(name: str, *changes: str, **more: Any) -> Case:
    return _statement(f"by statement: {name}", BY_STATEMENT, *changes, BY_ROW, **more)


SWAPS = {
    "gh-ost's swap": "RENAME /* gh-ost */ TABLE $db.$t TO $db._t_del, $db._t_gho TO $db.$t",
    "a swap with spaces": "rename\n table\t$t to _t_del , _t_gho  to $t",
    "a swap from another schema": "RENAME TABLE $db.$t TO $db._t_del, $db._t_gho TO $db.$t",
}
_GHOST = (TABLE.replace("$t", "_t_gho"), f"INSERT INTO _t_gho {ALL} {ROWS}")


def _statements() -> Iterator[Case]:
    for name, text in {
        "TRUNCATE TABLE": "TRUNCATE TABLE $t",
        "TRUNCATE": "truncate $t",
        "TRUNCATE behind /* */": "/* nightly */ TRUNCATE TABLE $t",
        "TRUNCATE with comments inside": "TRUNCATE /* a */ TABLE -- b\n /* c */ $t",
        "TRUNCATE behind --": "-- nightly\nTRUNCATE TABLE $t",
        "TRUNCATE behind #": "# nightly\nTRUNCATE TABLE $t",
        "TRUNCATE behind -- with a quote": "-- don't\nTRUNCATE TABLE $t",
        "TRUNCATE behind /* with --": "/* -- */ TRUNCATE TABLE $t",
        "TRUNCATE in an executable comment": "/*!50003 TRUNCATE TABLE $t */",
        "TRUNCATE half in an executable comment": "TRUNCATE /*! TABLE $t */",
        "TRUNCATE with a part executable": "TRUNCATE /*!50003 TABLE */ $t",
        "TRUNCATE with breaks": "TRUNCATE\n\tTABLE\r\n$db . $t",
        "TRUNCATE with a semicolon": "TRUNCATE TABLE $t ;",
        "TRUNCATE without quotes": "TRUNCATE TABLE t",
        "TRUNCATE of the whole name": "TRUNCATE $db.$t",
    }.items():
        yield _statement(name, text)
    yield _statement(
        "TRUNCATE in MariaDB's comment", "/*M!100000 TRUNCATE TABLE $t */", makes=MARIADB
    )
    yield _statement(
        "TRUNCATE from another schema", "USE $other", "TRUNCATE TABLE $db.$t", "USE $db"
    )
    yield _statement("TRUNCATE under ANSI_QUOTES", "SET sql_mode = 'ANSI'", 'TRUNCATE TABLE "t"')
    yield _statement("TRUNCATE, WAIT", "TRUNCATE TABLE $t WAIT 5", makes=MARIADB)
    yield _statement(
        "TRUNCATE in SET STATEMENT",
        "SET STATEMENT lock_wait_timeout = 9 FOR TRUNCATE TABLE $t",
        makes=MARIADB,
    )
    yield _statement(
        "TRUNCATE in a procedure",
        "CALL emptied()",
        beside=("CREATE PROCEDURE emptied() TRUNCATE TABLE t",),
    )
    yield _statement("TRUNCATE prepared", "PREPARE p FROM 'TRUNCATE TABLE t'", "EXECUTE p")
    yield _statement(
        "TRUNCATE in EXECUTE IMMEDIATE", "EXECUTE IMMEDIATE 'TRUNCATE TABLE t'", makes=MARIADB
    )
    yield _statement(
        "TRUNCATE of all partitions",
        "ALTER TABLE $t TRUNCATE PARTITION ALL",
        table=TABLE + " PARTITION BY HASH (id) PARTITIONS 3",
    )
    yield _statement("DROP PARTITION", "ALTER TABLE $t DROP PARTITION p0", table=TABLE + _RANGES)
    yield _statement(
        "TRUNCATE PARTITION", "ALTER TABLE $t TRUNCATE PARTITION p0", table=TABLE + _RANGES
    )
    yield _statement(
        "EXCHANGE PARTITION",
        "ALTER TABLE $t EXCHANGE PARTITION p0 WITH TABLE u",
        table=TABLE + _RANGES,
        beside=(TABLE.replace("$t", "u"),),
    )
    yield _statement(
        "EXCHANGE PARTITION of another with this table",
        "ALTER TABLE u EXCHANGE PARTITION p0 WITH TABLE $t",
        beside=(TABLE.replace("$t", "u") + _RANGES.replace("(3)", "(100)"),),
    )
    yield _statement(
        "CONVERT PARTITION TO TABLE",
        "ALTER TABLE $t CONVERT PARTITION p0 TO TABLE u",
        table=TABLE + _RANGES,
        makes=MARIADB,
    )
    yield _statement(
        "CONVERT TABLE TO PARTITION",
        "ALTER TABLE u CONVERT TABLE $t TO PARTITION p2 VALUES LESS THAN (100)",
        TABLE,
        *FILL[6:],
        beside=(
            TABLE.replace("$t", "u")
            + " PARTITION BY RANGE (id) (PARTITION p1 VALUES LESS THAN (0))",
        ),
        makes=MARIADB,
    )
    yield _statement(
        "REORGANIZE PARTITION",
        "ALTER TABLE $t REORGANIZE PARTITION p0, p1 INTO (PARTITION p VALUES LESS THAN MAXVALUE)",
        table=TABLE + _RANGES,
    )
    for name, text in SWAPS.items():
        more = ("USE $other",) if "another" in name else ()
        yield _statement(name, *_GHOST, *more, text, "USE $db")
    yield _statement(
        "a swap by ALTER TABLE",
        *_GHOST,
        "ALTER TABLE $t RENAME TO _t_del",
        "ALTER TABLE _t_gho RENAME TO $t",
    )
    yield _statement(
        "a swap by ALTER TABLE, with another change",
        *_GHOST,
        "ALTER TABLE $t ADD z INT, RENAME _t_del",
        "ALTER TABLE _t_gho ADD z INT, RENAME AS $t",
    )
    yield _statement("pt-online-schema-change", *_PT_OSC)
    yield _statement(
        "gh-ost with a cut of its rows",
        *_GHOST,
        "DELETE FROM _t_gho WHERE no = $2",
        SWAPS["gh-ost's swap"],
    )
    yield _statement(
        "a swap through a third name", *_GHOST, "RENAME TABLE $t TO x, _t_gho TO $t, x TO _t_gho"
    )
    yield _statement(
        "RENAME away", "RENAME TABLE $t TO u", "UPDATE u SET qty = 9", "RENAME TABLE u TO $t"
    )
    yield _statement(
        "RENAME to another schema and back",
        "RENAME TABLE $t TO $other.t",
        "UPDATE $other.t SET qty = 9",
        "RENAME TABLE $other.t TO $t",
    )
    yield _statement(
        "DROP and CREATE",
        "DROP TABLE $t",
        TABLE,
        *FILL[:6],
        f"INSERT INTO $t {COLUMNS} SELECT $4, 'x', 1, 1, '2024-01-01', 'ann', 'SHIPPED'",
    )
    yield _statement(
        "DROP and CREATE from another schema",
        "USE $other",
        "DROP TABLE $db.$t",
        TABLE.replace("$t", "$db.$t"),
        "USE $db",
        *FILL[6:],
    )
    yield Case("statement", "DROP", changes=("DROP TABLE $t",))
    yield Case(
        "statement",
        "DROP DATABASE",
        options=("--server-id=1",),
        changes=("DROP DATABASE $db",),
        after=(),
    )
    yield _statement(
        "DROP DATABASE, and made again",
        "DROP DATABASE $db",
        "CREATE DATABASE $db CHARACTER SET utf8mb4",
        "USE $db",
        TABLE,
        *FILL[6:],
        options=("--server-id=1",),
    )
    yield _statement(
        "CREATE OR REPLACE",
        "CREATE OR REPLACE TABLE $t LIKE u",
        *FILL[6:],
        beside=(TABLE.replace("$t", "u"),),
        makes=MARIADB,
    )
    yield _statement(
        "CREATE OR REPLACE AS SELECT",
        "CREATE TABLE u LIKE $t",
        "INSERT INTO u SELECT * FROM $t",
        f"CREATE OR REPLACE TABLE $t (PRIMARY KEY (id), KEY (no)) {ROWS.replace('$t', 'u')}",
        makes=MARIADB,
    )
    yield _statement(
        "CREATE TABLE AS SELECT",
        "RENAME TABLE $t TO u",
        f"CREATE TABLE $t (PRIMARY KEY (id), KEY (no)) {ROWS.replace('$t', 'u')}",
    )
    for name, alter in {
        "ADD COLUMN": "ADD z INT DEFAULT 3",
        "ADD COLUMN FIRST": "ADD z INT DEFAULT 3 FIRST",
        "CHANGE of one that is not mapped": "CHANGE extra other VARCHAR(9) CHARACTER SET latin1",
        "MODIFY of one that is not mapped": "MODIFY extra TEXT CHARACTER SET ucs2",
        "DROP of one that is not mapped": "DROP extra",
        "MODIFY of a mapped column to less": "MODIFY price DECIMAL(9,0)",
        "MODIFY of the key to less": "MODIFY no CHAR(1)",
        "MODIFY of the key's charset": "MODIFY no VARCHAR(20) CHARACTER SET latin1",
        "MODIFY of the time's type": "MODIFY at TIMESTAMP",
        "MODIFY AFTER": "MODIFY no VARCHAR(20) AFTER st",
        "CONVERT TO": "CONVERT TO CHARACTER SET latin1",
        "ENGINE": "ENGINE = MyISAM",
        "ORDER BY": "ENGINE = MyISAM, ORDER BY qty",
        "another DEFAULT": "ALTER st SET DEFAULT 'NEW'",
        "a column that is dropped and made again": "DROP st, ADD st VARCHAR(12) DEFAULT 'SHIPPED'",
        "the key renamed": "CHANGE no number VARCHAR(20)",
        "a mapped column renamed": "CHANGE qty quantity INT",
        "names swapped": "CHANGE sku cust VARCHAR(60), CHANGE cust sku VARCHAR(20)",
        "index dropped": "DROP KEY k",
        "AUTO_INCREMENT": "AUTO_INCREMENT = 5000",
    }.items():
        key = LAST if name != "the key renamed" else LAST.replace("no =", "number =")
        last = key.replace("qty", "quantity") if name == "a mapped column renamed" else key
        yield Case(
            "statement",
            f"ALTER: {name}",
            table=_WITH_EXTRA,
            changes=(f"ALTER TABLE $t {alter}", last),
        )
    yield _statement(
        "ALTER IGNORE, a unique key that drops rows",
        "ALTER IGNORE TABLE $t ADD UNIQUE (no)",
    )
    yield _statement(
        "ALTER from another schema",
        "USE $other",
        "ALTER TABLE $db.$t MODIFY price DECIMAL(9,0)",
        "USE $db",
    )
    yield _statement("ALTER behind --", "-- don't\nALTER TABLE $t MODIFY price DECIMAL(9,0)")
    yield _statement("ALTER ONLINE", "ALTER ONLINE TABLE $t ADD z INT", makes=MARIADB)
    yield _statement(
        "ALTER: columns that move twice, and changes between",
        CHANGES[1],
        "ALTER TABLE $t ADD z INT FIRST",
        CHANGES[1],
        "ALTER TABLE $t DROP z",
        CHANGES[1],
    )
    yield _statement(
        "ALTER with a change in one log",
        "ALTER TABLE $t ADD z INT FIRST",
        (
            "INSERT INTO $w SET no = $5, sku = 'x', qty = 1, price = 1, at = '2024-01-01', cust "
            "= 'ann', st = 'NEW'"
        ),
        "ALTER TABLE $t DROP z",
        *CHANGES[1:],
    )
    yield _statement(
        "CREATE INDEX, ANALYZE, OPTIMIZE",
        "CREATE INDEX i ON $t (cust)",
        "ANALYZE TABLE $t",
        "OPTIMIZE TABLE $t",
        "DROP INDEX i ON $t",
        harmless=True,
    )
    yield from _rows()
    yield from _not_ours()
    yield from _statements_without_rows()


_RANGES = (
    " PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (3), PARTITION p1 VALUES LESS THAN"
    " MAXVALUE)"
)
_WITH_EXTRA = TABLE.replace(", KEY k", ", extra VARCHAR(9), KEY k")
_PT_OSC = (
    TABLE.replace("$t", "_t_new") + " DEFAULT CHARACTER SET utf8",
    (
        "CREATE TRIGGER osc_upd AFTER UPDATE ON $t FOR EACH ROW REPLACE INTO _t_new VALUES (NEW.id,"
        " NEW.no, NEW.sku, NEW.qty, NEW.price, NEW.at, NEW.cust, NEW.st)"
    ),
    "INSERT LOW_PRIORITY IGNORE INTO _t_new SELECT * FROM $t LOCK IN SHARE MODE",
    CHANGES[1],
    "RENAME TABLE $db.$t TO $db._t_old, $db._t_new TO $db.$t",
    "DROP TABLE IF EXISTS _t_old",
)


def _rows() -> Iterator[Case]:
    """Statements of which the log has the rows: they arrive."""

    def arrives(name: str, *changes: str, **more: Any) -> Case:
        return _statement(name, *changes, harmless=True, **more)

    yield arrives(
        "REPLACE",
        (
            f"REPLACE INTO $w {ALL} VALUES (1, $1, 'NEW', 2, 3, '2024-02-03 10:00:00', 'ann', "
            "'SHIPPED')"
        ),
    )
    yield arrives(
        "ON DUPLICATE KEY UPDATE",
        (
            f"INSERT INTO $w {ALL} VALUES (1, $1, 'NEW', 2, 3, '2024-02-03 10:00:00', 'ann', "
            "'SHIPPED') ON DUPLICATE KEY UPDATE qty = 77"
        ),
    )
    yield arrives(
        "INSERT ... SELECT",
        (
            f"INSERT INTO $w {ALL} SELECT id + 100, $5, sku, qty, price, at, cust, st FROM $w "
            "WHERE no = $1"
        ),
    )
    yield arrives(
        "INSERT IGNORE",
        (
            f"INSERT IGNORE INTO $w {ALL} VALUES (1, $5, 'NEW', 2, 3, '2024-02-03 10:00:00', "
            "'ann', 'SHIPPED'), (50, $5, 'NEW', 2, 3, '2024-02-03 10:00:00', 'ann', 'SHIPPED')"
        ),
    )
    people = (
        "CREATE TABLE people (name VARCHAR(60), better VARCHAR(60))",
        "INSERT INTO people VALUES ('ann', 'zoe')",
    )
    yield arrives(
        "multi-table UPDATE",
        "UPDATE people p JOIN $w o ON o.cust = p.name SET o.cust = p.better, p.better = 'x'",
        beside=people,
    )
    yield arrives(
        "multi-table DELETE",
        "DELETE p, o FROM people p JOIN $w o ON o.cust = p.name WHERE o.no = $2",
        beside=people,
    )
    yield arrives(
        "DELETE ... RETURNING", "DELETE FROM $w WHERE no = $2 RETURNING id", makes=MARIADB
    )
    yield arrives(
        "from another schema",
        "USE $other",
        *(one.replace("$w", "$db.$w") for one in CHANGES),
        "USE $db",
    )
    yield arrives(
        "XA",
        "XA START 'a'",
        CHANGES[0],
        CHANGES[1],
        "XA END 'a'",
        "XA PREPARE 'a'",
        "XA COMMIT 'a'",
    )
    yield arrives(
        "XA, one phase",
        "XA START 'a'",
        CHANGES[0],
        CHANGES[1],
        "XA END 'a'",
        "XA COMMIT 'a' ONE PHASE",
    )
    yield arrives(
        "XA rolled back",
        "XA START 'a'",
        CHANGES[0],
        "XA END 'a'",
        "XA PREPARE 'a'",
        "XA ROLLBACK 'a'",
    )
    yield Case(
        "statement",
        "XA prepared, committed later by another session",
        act=_xa_by_another,
        makes=MARIADB,
        harmless=True,
    )
    yield arrives(
        "savepoints",
        "BEGIN",
        CHANGES[0],
        "SAVEPOINT s",
        CHANGES[2],
        "ROLLBACK TO s",
        CHANGES[1],
        "RELEASE SAVEPOINT s",
        "COMMIT",
    )
    yield arrives(
        "a savepoint named as the table",
        "BEGIN",
        CHANGES[0],
        "SAVEPOINT `t`",
        CHANGES[2],
        "ROLLBACK TO `t`",
        "COMMIT",
    )
    yield arrives("ROLLBACK", "BEGIN", *CHANGES[:4], "ROLLBACK")
    myisam = ("CREATE TABLE noted (x INT) ENGINE = MyISAM",)
    yield arrives(
        "ROLLBACK with another engine's rows",
        "BEGIN",
        CHANGES[0],
        "INSERT INTO noted VALUES (1)",
        CHANGES[1],
        "ROLLBACK",
        beside=myisam,
    )
    yield arrives(
        "COMMIT with another engine's rows",
        "BEGIN",
        CHANGES[0],
        "INSERT INTO noted VALUES (1)",
        CHANGES[1],
        "COMMIT",
        beside=myisam,
    )
    yield Case(
        "statement", "two sessions' long transactions", act=_long_transactions, harmless=True
    )
    yield Case(
        "statement",
        "a transaction open since before the copy",
        act=_long_transactions,
        harmless=True,
    )
    yield arrives(
        "LOAD DATA",
        "SELECT no, sku, qty, price, at, cust, st FROM $t WHERE no = $1 INTO OUTFILE '$file'",
        "UPDATE $w SET qty = 50 WHERE no = $2",
        "LOAD DATA INFILE '$file' INTO TABLE $w (no, sku, qty, price, at, cust, st)",
    )
    yield arrives(
        "CALL", "CALL more()", beside=("CREATE PROCEDURE more() UPDATE t SET qty = qty + 7",)
    )
    yield arrives("a function that writes", "SELECT more()", beside=(_FUNCTION,))
    yield arrives(
        "trigger of another table",
        "INSERT INTO people VALUES ('x', 'y')",
        beside=(*people, _TRIGGER),
    )
    yield arrives(
        "through a view", "UPDATE v SET qty = 8", beside=("CREATE VIEW v AS SELECT * FROM t",)
    )
    yield arrives("LOCK TABLES", "LOCK TABLES $w WRITE", *CHANGES[:4], "UNLOCK TABLES")
    yield arrives(
        "SET STATEMENT",
        "SET STATEMENT max_statement_time = 9 FOR UPDATE $w SET qty = 9",
        makes=MARIADB,
    )
    yield arrives(
        "a transaction of 20,000 rows",
        (
            f"INSERT INTO $w {COLUMNS} SELECT CONCAT('N', a.id * 1000 + b.id * 100 + c.id * 10 + "
            "d.id), 'S', 1, 1, '2024-01-01', 'ann', 'SHIPPED' FROM $t a, $t b, $t c, $t d"
        ),
        makes=MARIADB,
    )
    yield arrives(
        "a unique number that is taken over",
        "UPDATE $w SET no = 'tmp' WHERE no = $1",
        "UPDATE $w SET no = $1 WHERE no = $2",
        "UPDATE $w SET no = $2 WHERE no = 'tmp'",
    )
    yield arrives(
        "a number that comes back", "DELETE FROM $w WHERE no = $1", *(one for one in FILL[:2])
    )
    yield _statement(
        "MERGE table over this one",
        (
            "INSERT INTO m (no, sku, qty, price, at, cust, st) VALUES ($5, 'x', 1, 1, "
            "'2024-01-01', 'ann', 'SHIPPED')"
        ),
        table=TABLE + " ENGINE = MyISAM",
        beside=(TABLE.replace("$t", "m") + " ENGINE = MERGE UNION = (t) INSERT_METHOD = LAST",),
    )


_FUNCTION = (
    "CREATE FUNCTION more() RETURNS INT DETERMINISTIC MODIFIES SQL DATA BEGIN UPDATE t SET qty ="
    " qty + 7; RETURN 1; END"
)
_TRIGGER = "CREATE TRIGGER writes AFTER INSERT ON people FOR EACH ROW UPDATE t SET qty = qty + 7"


def _xa_by_another(stage: Stage) -> None:
    with stage.session() as run:
        for one in ("XA START 'b'", CHANGES[0], CHANGES[1], "XA END 'b'", "XA PREPARE 'b'"):
            run(one)
    with stage.session() as run:
        run(CHANGES[2])
        run("XA COMMIT 'b'")


def _long_transactions(stage: Stage) -> None:
    with stage.session() as one, stage.session() as other:
        one("BEGIN")
        one(CHANGES[1])
        other("BEGIN")
        other(CHANGES[0])
        stage.run((CHANGES[2],))
        other("COMMIT")
        stage.run(("FLUSH BINARY LOGS", CHANGES[3]))
        one("COMMIT")


def _not_ours() -> Iterator[Case]:
    """Statements that name the table, or one alike, and change no order."""

    def passed(name: str, *changes: str, **more: Any) -> Case:
        return _statement(f"not ours: {name}", *changes, harmless=True, **more)

    yield passed(
        "a table whose name goes on",
        "TRUNCATE TABLE `t-archive`",
        beside=("CREATE TABLE `t-archive` (x INT)",),
    )
    yield passed(
        "a table whose name ends alike",
        "TRUNCATE TABLE `my t`",
        beside=("CREATE TABLE `my t` (x INT)",),
    )
    yield passed(
        "the same name in another schema",
        "CREATE TABLE $other.t (x INT)",
        "TRUNCATE TABLE $other.t",
        "DROP TABLE IF EXISTS $other.t",
    )
    yield passed(
        "the same name from another schema",
        "USE $other",
        "CREATE TABLE t (x INT)",
        "TRUNCATE TABLE t",
        "ALTER TABLE t ADD y INT",
        "DROP TABLE t",
        "USE $db",
    )
    yield passed(
        "by statement, another schema's",
        "USE $other",
        "CREATE TABLE t (x INT)",
        BY_STATEMENT,
        "INSERT INTO t VALUES (1)",
        "USE $db",
        BY_ROW,
    )
    yield passed(
        "a temporary table of the name",
        "CREATE TEMPORARY TABLE t (x INT)",
        "INSERT INTO t VALUES (1)",
        "TRUNCATE TABLE t",
        "DROP TEMPORARY TABLE t",
    )
    yield Case(
        "statement",
        "not ours: a temporary table that a session leaves behind",
        act=_left_behind,
        harmless=True,
    )
    yield _by_statement(
        "a temporary table",
        "CREATE TEMPORARY TABLE x (x INT)",
        "INSERT INTO x VALUES (1)",
        "DROP TEMPORARY TABLE x",
    )
    yield passed(
        "a text that names it",
        "CREATE TABLE u (x TEXT COMMENT 'truncate table t')",
        "ALTER TABLE u COMMENT 'drop table t'",
    )
    yield passed(
        "a comment that names it",
        "TRUNCATE TABLE u /* not t */",
        "TRUNCATE TABLE u -- not t",
        beside=("CREATE TABLE u (x INT)",),
    )
    yield passed(
        "a view over it",
        "CREATE VIEW v AS SELECT * FROM t",
        "CREATE OR REPLACE VIEW v AS SELECT no FROM t",
        "DROP VIEW v",
    )
    yield passed(
        "a trigger and a procedure",
        "CREATE TRIGGER x BEFORE INSERT ON $t FOR EACH ROW SET NEW.qty = NEW.qty",
        "DROP TRIGGER x",
        "CREATE PROCEDURE p() TRUNCATE TABLE t",
        "DROP PROCEDURE p",
    )
    yield passed(
        "grants and users",
        "CREATE USER 'someone'@'localhost'",
        "GRANT SELECT ON $t TO 'someone'@'localhost'",
        "DROP USER 'someone'@'localhost'",
    )
    yield passed(
        "an event", "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO TRUNCATE TABLE t", "DROP EVENT e"
    )
    yield passed(
        "a sequence",
        "CREATE SEQUENCE s",
        "SELECT NEXT VALUE FOR s",
        "DROP SEQUENCE s",
        makes=MARIADB,
    )
    yield passed(
        "RENAME of another",
        "RENAME TABLE u TO w",
        "DROP TABLE w",
        beside=("CREATE TABLE u (x INT)",),
    )
    yield passed(
        "a foreign key to it",
        "CREATE TABLE u (o INT, FOREIGN KEY (o) REFERENCES t (id))",
        "DROP TABLE u",
    )
    yield passed(
        "CREATE TABLE LIKE",
        "CREATE TABLE u LIKE $t",
        "INSERT INTO u SELECT * FROM $t",
        "DROP TABLE u",
    )
    yield passed("CREATE TABLE IF NOT EXISTS", "CREATE TABLE IF NOT EXISTS $t (x INT)")
    yield passed("FLUSH, and the like", "FLUSH TABLES $t", "FLUSH STATUS", "CHECK TABLE $t")


def _left_behind(stage: Stage) -> None:
    stage.run(("CREATE TEMPORARY TABLE t (x INT)", "INSERT INTO t VALUES (1)"))
    stage.run(CHANGES)


def _statements_without_rows() -> Iterator[Case]:
    yield _by_statement("UPDATE", "UPDATE $t SET qty = 9")
    yield _by_statement("UPDATE behind --", "-- don't\nUPDATE $t SET qty = 9")
    yield _by_statement("UPDATE in an executable comment", "/*! UPDATE t SET qty = 9 */")
    yield _by_statement(
        "UPDATE from another schema", "USE $other", "UPDATE $db.$t SET qty = 9", "USE $db"
    )
    yield _by_statement(
        "REPLACE",
        (
            f"REPLACE INTO $t {ALL} VALUES (1, $1, 'NEW', 2, 3, '2024-02-03 10:00:00', 'ann', "
            "'SHIPPED')"
        ),
    )
    yield _by_statement(
        "INSERT with a new number",
        (
            f"INSERT INTO $t {COLUMNS} VALUES ($5, 'NEW', 2, 3, '2024-02-03 10:00:00', 'ann', "
            "'SHIPPED')"
        ),
    )
    yield _by_statement(
        "SET STATEMENT",
        "SET STATEMENT max_statement_time = 9 FOR UPDATE $t SET qty = 9",
        makes=MARIADB,
    )
    people = (
        "CREATE TABLE people (name VARCHAR(60), better VARCHAR(60))",
        "INSERT INTO people VALUES ('ann', 'zoe')",
    )
    yield _by_statement(
        "multi-table UPDATE",
        "UPDATE people p, $t o SET o.cust = p.better WHERE o.cust = p.name",
        beside=people,
    )
    yield _by_statement(
        "multi-table DELETE",
        "DELETE FROM o USING $t o JOIN people p ON o.cust = p.name WHERE o.no = $2",
        beside=people,
    )
    yield _by_statement(
        "trigger of another table",
        "INSERT INTO people VALUES ('x', 'y')",
        beside=(*people, _TRIGGER),
    )
    yield _by_statement(
        "trigger of another table, from another schema",
        "USE $other",
        "INSERT INTO $db.people VALUES ('x', 'y')",
        "USE $db",
        beside=(*people, _TRIGGER),
    )
    yield _by_statement("a function that writes", "SELECT more()", beside=(_FUNCTION,))
    yield _by_statement(
        "a function that writes, in another table's INSERT",
        "INSERT INTO people VALUES (more(), 1)",
        beside=(*people, _FUNCTION),
    )
    yield _by_statement(
        "CALL", "CALL more()", beside=("CREATE PROCEDURE more() UPDATE t SET qty = qty + 7",)
    )
    yield _by_statement(
        "through a view", "UPDATE v SET qty = 8", beside=("CREATE VIEW v AS SELECT * FROM t",)
    )
    yield _by_statement(
        "through a view of another schema",
        "UPDATE $other.v SET qty = 8",
        beside=("CREATE VIEW $other.v AS SELECT * FROM $db.t",),
    )
    yield _by_statement("cascade of another table", "DELETE FROM parents WHERE id = 1", **_CASCADE)
    yield _by_statement(
        "through a MERGE table",
        "UPDATE m SET qty = 8",
        table=TABLE + " ENGINE = MyISAM",
        beside=(TABLE.replace("$t", "m") + " ENGINE = MERGE UNION = (t) INSERT_METHOD = LAST",),
    )
    yield _by_statement(
        "LOAD DATA",
        "SELECT no, sku, qty, price, at, cust, st FROM $t WHERE no = $1 INTO OUTFILE '$file'",
        "LOAD DATA INFILE '$file' INTO TABLE $t (no, sku, qty, price, at, cust, st)",
    )
    yield _by_statement(
        "in a transaction with rows", "BEGIN", "UPDATE $t SET qty = 9 WHERE no = $1", "COMMIT"
    )
    yield _by_statement(
        "CREATE TABLE AS SELECT",
        "RENAME TABLE $t TO u",
        f"CREATE TABLE $t (PRIMARY KEY (id), KEY (no)) {ROWS.replace('$t', 'u')}",
    )
    yield _by_statement("UPDATE with a user's variable", "SET @n = 9", "UPDATE $t SET qty = @n")
    yield _statement(
        "MIXED: CALL",
        MIXED,
        "CALL more()",
        BY_ROW,
        beside=("CREATE PROCEDURE more() UPDATE t SET qty = qty + 7",),
    )
    yield _statement(
        "MIXED: trigger of another table",
        MIXED,
        "INSERT INTO people VALUES ('x', 'y')",
        BY_ROW,
        beside=(*people, _TRIGGER),
    )
    yield _statement(
        "MIXED: through a view",
        MIXED,
        "UPDATE v SET qty = 8",
        BY_ROW,
        beside=("CREATE VIEW v AS SELECT * FROM t",),
    )


_CASCADE: dict[str, Any] = {
    "table": (
        "CREATE TABLE $t (id INT AUTO_INCREMENT PRIMARY KEY, no VARCHAR(20), sku VARCHAR(20), qty"
        " INT, price DECIMAL(9,2), at DATETIME, cust VARCHAR(60), st VARCHAR(12), parent INT"
        " DEFAULT 1, KEY k (no)) ENGINE = InnoDB"
    ),
    "beside": (
        "CREATE TABLE parents (id INT PRIMARY KEY) ENGINE = InnoDB",
        "INSERT INTO parents VALUES (1), (2)",
        "ALTER TABLE $t ADD FOREIGN KEY (parent) REFERENCES parents (id) ON DELETE CASCADE",
    ),
}

NUMBERS = tuple(str(number) for number in (42, 43, 7, 1000, 99999, 123456))


def _keys() -> Iterator[Case]:
    def key(
        kind: str,
        *numbers: str,
        makes: tuple[Make, ...] = ("mariadb", "mysql"),
        name: str = "",
        prefix: str = "",
    ) -> Case:
        table = TABLE.replace("no VARCHAR(20)", f"no {kind}").replace("(no))", f"(no{prefix}))")
        return Case("key", name or kind, makes, table=table, numbers=numbers or NUMBERS)

    yield key("INT(8) ZEROFILL")
    yield key("BIGINT UNSIGNED", str(2**64 - 1), str(2**63), str(2**53 + 1), "0", "1", "2")
    yield key("BIGINT", str(-(2**63)), "-1", "0", str(2**63 - 1), "5", "6")
    yield key("SMALLINT UNSIGNED ZEROFILL", "1", "2", "3", "4", "65535", "6")
    yield key("MEDIUMINT UNSIGNED", "16777215", "8388608", "1", "2", "3", "4")
    yield key("TINYINT UNSIGNED", "255", "128", "1", "2", "3", "4")
    yield key("DECIMAL(20,0)", "12345678901234567890", "1", "2", "3", "4", "5")
    yield key("DECIMAL(10,2)", "1.5", "-0.07", "2.25", "3", "12345678.90", "6")
    yield key("DECIMAL(8,2) ZEROFILL", "1.5", "0.07", "2.25", "3", "4", "6")
    yield key("DECIMAL(30,10)", "1.5", "0.0000000001", "2.25", "3", "4", "6")
    yield key("FLOAT")
    yield key("DOUBLE")
    yield key("BIT(20)", "b'1010'", "b'1011'", "b'1100'", "b'1'", "b'111'", "b'101010'")
    texts = ("'A 1'", "'b2  '", "'Ü3'", "'ß4'", "'é5'", "'_6%'")
    yield key("CHAR(8)", *texts)
    for charset, collation in {
        "latin1": "latin1_swedish_ci",
        "latin1 ": "latin1_german2_ci",
        "latin1  ": "latin1_bin",
        "cp1250": "cp1250_general_ci",
        "utf8": "utf8_general_ci",
        "utf8mb4": "utf8mb4_unicode_ci",
        "utf8mb4 ": "utf8mb4_bin",
        "utf8mb4  ": "utf8mb4_turkish_ci",
        "ucs2": "ucs2_general_ci",
        "utf16": "utf16_general_ci",
        "utf32": "utf32_general_ci",
    }.items():
        kind = f"VARCHAR(20) CHARACTER SET {charset.strip()} COLLATE {collation}"
        yield key(kind, *texts, name=f"VARCHAR {collation}")
    yield key(
        "VARCHAR(20) COLLATE utf8mb4_nopad_bin",
        *texts,
        makes=MARIADB,
        name="VARCHAR utf8mb4_nopad_bin",
    )
    yield key(
        "VARCHAR(20) COLLATE utf8mb4_uca1400_as_cs",
        *texts,
        makes=MARIADB,
        name="VARCHAR utf8mb4_uca1400_as_cs",
    )
    yield key("CHAR(20) CHARACTER SET gbk", "'中1'", "'文2'", "'a'", "'b'", "'c'", "'d'")
    yield key("VARCHAR(20) CHARACTER SET sjis", "'ソ1'", "'表2'", "'a'", "'b'", "'c'", "'d'")
    yield key("VARCHAR(20) CHARACTER SET koi8r", "'Я1'", "'ё2'", "'a'", "'b'", "'c'", "'d'")
    yield key("BINARY(16)", *(f"UNHEX('{n}0000000000000000000000000000000')" for n in "123456"))
    yield key("VARBINARY(16)", *(f"'b{n}'" for n in "123456"))
    yield key("BLOB", *(f"'b{n}'" for n in "123456"), prefix="(9)")
    yield key("TEXT", *(f"'long {n}'" for n in "123456"), prefix="(9)")
    yield key("TINYTEXT", *(f"'long {n}'" for n in "123456"), prefix="(9)")
    yield key("ENUM('a','b','c','d','e','f')", *(f"'{n}'" for n in "abcdef"))
    yield key("SET('a','b','c','d','e','f')", *(f"'{n}'" for n in "abcdef"))
    yield key("DATE", *(f"'2024-01-0{n}'" for n in "123456"))
    yield key("DATETIME", *(f"'2024-01-0{n} 10:00:00'" for n in "123456"))
    yield key("TIMESTAMP", *(f"'2024-01-0{n} 10:00:00'" for n in "123456"), name="TIMESTAMP")
    yield key("TIME", *(f"'10:00:0{n}'" for n in "123456"))
    yield key("YEAR", *(f"200{n}" for n in "123456"))
    yield key(
        "UUID", *(f"'{n}0000000-0000-4000-8000-000000000000'" for n in "123456"), makes=MARIADB
    )
    yield key("INET6", *(f"'::{n}'" for n in "123456"), makes=MARIADB)
    yield key("JSON", *(f"'{n}'" for n in "123456"), makes=MARIADB, prefix="(9)")
    yield Case(
        "key",
        "NULL among them",
        fill=(
            *FILL,
            f"INSERT INTO $t {COLUMNS} VALUES (NULL, 'x', 1, 1, '2024-01-01', 'ann', 'SHIPPED')",
        ),
        changes=(
            *CHANGES,
            f"INSERT INTO $t {COLUMNS} VALUES ('', 'x', 1, 1, '2024-01-01', 'ann', 'SHIPPED')",
            "UPDATE $w SET no = NULL WHERE no = $5",
        ),
    )
    yield Case(
        "key",
        "two spellings of one",
        changes=(*CHANGES, "UPDATE $w SET no = 'a1' WHERE no = $1 LIMIT 1"),
    )
    yield Case("key", "without an index", table=TABLE.replace(", KEY k (no)", ""))
    yield Case("key", "second in an index", table=TABLE.replace("KEY k (no)", "KEY k (cust, no)"))
    yield Case(
        "key", "first in an index of two", table=TABLE.replace("KEY k (no)", "KEY k (no, sku)")
    )
    yield Case(
        "key",
        "the primary key, a row per number",
        table=TABLE.replace("INT AUTO_INCREMENT PRIMARY KEY", "INT DEFAULT 0").replace(
            "KEY k (no)", "PRIMARY KEY (no)"
        ),
        fill=FILL[::2],
        changes=(CHANGES[0].partition("), (")[0] + ")", *CHANGES[1:]),
    )
    yield Case(
        "key",
        "in a composite primary key",
        table=TABLE.replace("INT AUTO_INCREMENT PRIMARY KEY", "INT DEFAULT 0").replace(
            "KEY k (no)", "PRIMARY KEY (no, sku)"
        ),
    )
    yield Case(
        "key", "no primary key", table=TABLE.replace("INT AUTO_INCREMENT PRIMARY KEY", "INT")
    )
    for kind, word in (("stored", "PERSISTENT"), ("virtual", "VIRTUAL")):
        yield Case(
            "key",
            f"generated, {kind}, from two columns",
            MARIADB,
            table=TABLE.replace(
                "no VARCHAR(20)", f"nr INT, no VARCHAR(20) AS (CONCAT('R', nr)) {word}"
            ),
            fill=tuple(one.replace("(no,", "(nr,") for one in FILL),
            numbers=tuple("123456"),
            changes=_of_nr(CHANGES),
        )
    yield Case(
        "key",
        "invisible",
        MARIADB,
        table=TABLE.replace("no VARCHAR(20)", "no VARCHAR(20) INVISIBLE"),
    )
    yield Case(
        "key",
        "compressed column",
        MARIADB,
        table=TABLE.replace("no VARCHAR(20)", "no VARCHAR(200) COMPRESSED").replace(
            ", KEY k (no)", ""
        ),
    )


def _of_nr(statements: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        one.replace("(no,", "(nr,").replace("no =", "nr =").replace("SET no", "SET nr")
        for one in statements
    )


def _tables() -> Iterator[Case]:
    def table(name: str, old: str, new: str, end: str = "", **more: Any) -> Case:
        assert old in TABLE, old
        return Case("table", name, table=TABLE.replace(old, new) + end, **more)

    def beside(name: str, column: str, **more: Any) -> Case:
        return table(name, ", KEY k", f", {column}, KEY k", **more)

    for engine in ("InnoDB", "MyISAM", "MEMORY"):
        yield table(f"engine {engine}", "(no))", f"(no)) ENGINE = {engine}")
    yield table("engine Aria", "(no))", "(no)) ENGINE = Aria", makes=MARIADB)
    for form in ("COMPACT", "REDUNDANT", "DYNAMIC", "COMPRESSED"):
        yield table(f"ROW_FORMAT {form}", "(no))", f"(no)) ROW_FORMAT = {form}")
    yield table("page compression", "(no))", "(no)) PAGE_COMPRESSED = 1", makes=MARIADB)
    yield table("partitioned by range", "(no))", f"(no)){_RANGES}")
    yield table("partitioned by hash", "(no))", "(no)) PARTITION BY KEY (id) PARTITIONS 4")
    yield table("system-versioned", "(no))", "(no)) WITH SYSTEM VERSIONING", makes=MARIADB)
    yield table(
        "system-versioned, partitioned",
        "(no))",
        "(no)) WITH SYSTEM VERSIONING PARTITION BY SYSTEM_TIME PARTITIONS 3",
        makes=MARIADB,
    )
    yield table(
        "system-versioned, columns visible",
        ", KEY k",
        (
            ", a TIMESTAMP(6) GENERATED ALWAYS AS ROW START, z TIMESTAMP(6) GENERATED ALWAYS AS "
            "ROW END, PERIOD FOR SYSTEM_TIME (a, z), KEY k"
        ),
        makes=MARIADB,
        end=" WITH SYSTEM VERSIONING",
    )
    yield Case(
        "table",
        "system versioning added later",
        MARIADB,
        changes=("ALTER TABLE $t ADD SYSTEM VERSIONING", *CHANGES),
    )
    yield table(
        "application period",
        ", KEY k",
        ", a DATE DEFAULT '2024-01-01', z DATE DEFAULT '2025-01-01', PERIOD FOR p (a, z), KEY k",
        makes=MARIADB,
        changes=(*CHANGES, "DELETE FROM $w FOR PORTION OF p FROM '2024-06-01' TO '2024-07-01'"),
    )
    yield beside(
        "a compressed column",
        "extra VARCHAR(500) COMPRESSED DEFAULT 'eeeeeeeeeeeeeeee'",
        makes=MARIADB,
    )
    yield beside("a compressed BLOB", "extra LONGBLOB COMPRESSED", makes=MARIADB)
    yield table(
        "a compressed column that is mapped",
        "cust VARCHAR(60)",
        "cust VARCHAR(60) COMPRESSED",
        makes=MARIADB,
    )
    yield beside("a virtual column", "extra INT AS (qty * 2) VIRTUAL", makes=MARIADB)
    yield beside("a stored generated column", "extra INT AS (qty * 2) PERSISTENT", makes=MARIADB)
    yield table(
        "a mapped column that is generated",
        "st VARCHAR(12)",
        "st2 VARCHAR(12), st VARCHAR(12) AS (st2) VIRTUAL",
        makes=MARIADB,
        fill=tuple(one.replace(", st)", ", st2)") for one in FILL),
        changes=tuple(
            one.replace(", st)", ", st2)").replace("SET st", "SET st2") for one in CHANGES
        ),
    )
    yield beside("an invisible column", "extra INT INVISIBLE DEFAULT 4", makes=MARIADB)
    yield table(
        "a mapped column that is invisible",
        "st VARCHAR(12)",
        "st VARCHAR(12) INVISIBLE",
        makes=MARIADB,
    )
    yield table(
        "an auto_increment in front that is invisible",
        "id INT AUTO_INCREMENT",
        "id INT INVISIBLE AUTO_INCREMENT",
        makes=MARIADB,
    )
    yield beside("300 columns", ", ".join(f"c{n} INT DEFAULT {n}" for n in range(300)))
    yield table(
        "300 columns before the key",
        "no VARCHAR(20)",
        ", ".join(f"c{n} TINYINT DEFAULT {n % 100}" for n in range(300)) + ", no VARCHAR(20)",
    )
    everything = (
        "a BIT(9), b SET('x','y'), c ENUM('m','n') CHARACTER SET latin1, d YEAR, e TIME, f "
        "TIMESTAMP NULL, g POINT, h DOUBLE, i FLOAT, j BINARY(3), l VARBINARY(300), m "
        "TINYBLOB, n LONGTEXT, o DECIMAL(65,30), p CHAR(255) CHARACTER SET utf8, q DATE, r "
        "GEOMETRY"
    )
    filled = (
        "UPDATE $w SET a = b'1', b = 'x,y', c = 'n', d = 1999, e = '-800:00:00', f = NOW(),"
        " g = POINT(1,2), h = 1e300, i = 2, j = 'abc', l = REPEAT('z', 300), m = 'b',"
        " n = REPEAT('n', 70000), o = 1.5, p = REPEAT('p', 255), q = '0000-00-00', r = POINT(1,1)"
        " WHERE no = $1"
    )
    yield beside("every type beside", everything, changes=(*CHANGES, filled))
    before = f"{everything}, no VARCHAR(20)"
    yield table("every type before the key", "no VARCHAR(20)", before, changes=(*CHANGES, filled))
    yield table("times with fractions", "at DATETIME", "at DATETIME(6)")
    yield table("a time that is a TIMESTAMP", "at DATETIME", "at TIMESTAMP NULL")
    yield table(
        "newer types before the key",
        "no VARCHAR(20)",
        (
            "a UUID DEFAULT UUID(), b INET6 DEFAULT '::1', c JSON DEFAULT '{}', d TIME(6), e "
            "DATETIME(6), f INET4, no VARCHAR(20)"
        ),
        makes=MARIADB,
    )
    yield beside(
        "ON UPDATE CURRENT_TIMESTAMP",
        "touched TIMESTAMP DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP",
    )
    long = {
        "options": ("--innodb-log-file-size=256M", "--max-allowed-packet=64M"),
        "changes": ("UPDATE $w SET extra = REPEAT('x', 20000000) WHERE no = $1", *CHANGES),
    }
    yield beside("a row of 20 MB", "extra LONGTEXT", **long)
    less = ("SET GLOBAL max_allowed_packet = 1048576",)
    yield beside("a row beyond max_allowed_packet", "extra LONGTEXT", after=less, **long)
    yield Case(
        "table",
        "trigger on it that changes the row",
        beside=("CREATE TRIGGER x BEFORE UPDATE ON $t FOR EACH ROW SET NEW.qty = NEW.qty + 100",),
    )
    yield Case(
        "table",
        "trigger on it that writes elsewhere",
        beside=(
            "CREATE TABLE audit (x TEXT)",
            "CREATE TRIGGER x AFTER UPDATE ON $t FOR EACH ROW INSERT INTO audit VALUES (OLD.no)",
        ),
    )
    yield Case(
        "table",
        "cascading foreign key: parent deleted",
        changes=("DELETE FROM parents WHERE id = 1",),
        **_CASCADE,
    )
    cascade_key = dict(
        _CASCADE,
        table=_CASCADE["table"].replace("no VARCHAR(20)", "no VARCHAR(20)"),
        beside=(
            "CREATE TABLE parents (id INT PRIMARY KEY, no VARCHAR(20), KEY (no)) ENGINE = InnoDB",
            "INSERT INTO parents VALUES (1, 'A1'), (2, 'A2'), (3, 'A3'), (4, 'A4')",
            "ALTER TABLE $t ADD FOREIGN KEY (no) REFERENCES parents (no) ON UPDATE CASCADE",
        ),
    )
    yield Case(
        "table",
        "cascading foreign key: the number renamed",
        changes=("UPDATE parents SET no = $5 WHERE id = 1",),
        fill=FILL,
        **cascade_key,
    )
    yield Case(
        "table",
        "foreign key SET NULL",
        changes=("DELETE FROM parents WHERE id = 1",),
        table=_CASCADE["table"].replace("cust VARCHAR(60)", "cust VARCHAR(60)"),
        beside=(
            *_CASCADE["beside"][:2],
            "ALTER TABLE $t ADD FOREIGN KEY (parent) REFERENCES parents (id) ON DELETE SET NULL",
        ),
    )
    yield Case(
        "table",
        "a view of it",
        source="v",
        beside=(),
        table=TABLE.replace("$t", "t"),
        fill=(*FILL, "CREATE VIEW v AS SELECT * FROM t"),
    )
    yield Case(
        "table",
        "a view of two",
        source="v",
        table=TABLE.replace("$t", "t"),
        fill=(
            *FILL,
            "CREATE TABLE people (name VARCHAR(60) PRIMARY KEY, email VARCHAR(60))",
            "INSERT INTO people VALUES ('ann', 'ann'), ('bob', 'bob'), ('cy', 'cy')",
            (
                "CREATE VIEW v AS SELECT t.id, no, sku, qty, price, at, email cust, st FROM t "
                "JOIN people ON name = cust"
            ),
        ),
        changes=(*CHANGES, "UPDATE people SET email = 'a@b' WHERE name = 'ann'"),
    )
    yield Case(
        "table",
        "a MERGE table",
        source="m",
        table=TABLE.replace("$t", "t") + " ENGINE = MyISAM",
        fill=(*FILL, TABLE.replace("$t", "m") + " ENGINE = MERGE UNION = (t) INSERT_METHOD = LAST"),
    )
    for odd in (
        "my orders",
        "t-1",
        "Bestellungen ü",
        "select",
        "a.b",
        "50%s",
        "it's",
        'a"b',
        "1e5",
        "t$",
        "Orders",
    ):
        yield Case("table", f"named {odd}", source=odd, written=odd)
    yield Case("table", "named with a backquote", source="a`b", written="a`b")
    for odd in ("order no", "nr-ü", "select", "50%s", "it's", 'a"b', "No", "a.b"):
        yield Case(
            "table",
            f"its key named {odd}",
            table=TABLE.replace("no VARCHAR", f"`{odd}` VARCHAR").replace("(no)", f"(`{odd}`)"),
            fill=_renamed(FILL, odd),
            changes=_renamed(CHANGES, odd),
            config=(('key = "no"', f"key = '''{odd}'''" if odd != "it's" else 'key = "it\'s"'),),
        )
    yield Case(
        "table",
        "in upper case, named in lower",
        source="t",
        written="t",
        table=TABLE.replace("no VARCHAR", "NO VARCHAR").replace("(no)", "(NO)"),
    )
    for charset in ("latin1", "ucs2", "utf16", "gbk", "cp932"):
        yield table(f"character set {charset}", "(no))", f"(no)) CHARACTER SET {charset}")
    yield beside("a full-text index", "extra TEXT, FULLTEXT (extra)")
    yield beside("a CHECK", "CHECK (qty > 0)")
    yield beside(
        "a DEFAULT from a sequence",
        "extra INT DEFAULT (NEXT VALUE FOR s)",
        makes=MARIADB,
        before=("CREATE SEQUENCE s",),
    )


def _renamed(statements: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(
        one.replace("(no,", f"(`{name}`,").replace("no =", f"`{name}` =") for one in statements
    )


CASES = [case for make in (_servers, _statements, _keys, _tables) for case in make()]
