"""Whether the old server and its table can be followed without missing a change.

`check` prints these findings, and `copy` refuses while one of them is a blocker. Whatever makes the
binary log say less than all of a change, or say it in a form that is not read, is a blocker here:
`follow` would otherwise stop at the first such change, days into the copy.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Literal

from msgspec.structs import replace

from spillway.migrate.config import Config
from spillway.migrate.old import remedies
from spillway.migrate.old.connection import account_in_sql, quoted
from spillway.migrate.old.remedies import in_file, setting, start_option
from spillway.migrate.old.server import Answers, Grants, Record, Server
from spillway.ui.formatting import age

#: The binary log must reach back over the copy with room to spare.
RETENTION_FACTOR = 3
#: And over a weekend in which nobody looks.
RETENTION_HOURS = 168

Level = Literal["good", "warning", "blocker"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`paste`: the lines to run, where there are any. Names in capitals are the reader's own."""

    level: Level
    subject: str
    detail: str
    paste: tuple[str, ...] = ()


good, blocker = partial(Finding, "good"), partial(Finding, "blocker")
warning = partial(Finding, "warning")


@dataclass(frozen=True, slots=True)
class _Setting:
    """`good`: what it may be. `lacking`: what a server without such a variable does."""

    good: tuple[str, ...]
    value: str
    why: str
    lacking: str


#: Of the binary log. A session that is open keeps the values that it began with.
_SETTINGS = {
    "binlog_format": _Setting(("ROW",), "ROW", "the log would not say which rows changed", ""),
    "binlog_row_image": _Setting(
        ("FULL", "NOBLOB"), "FULL", "a change would come without its order number", "FULL"
    ),
    "log_bin_compress": _Setting(("OFF", "0"), "OFF", "compressed events cannot be read", "OFF"),
    "binlog_transaction_compression": _Setting(
        ("OFF", "0"), "OFF", "compressed transactions cannot be read", "OFF"
    ),
    "binlog_row_value_options": _Setting(("",), "", "a part of a JSON document is no row", ""),
}
#: The grants that are needed on *.*, under all their names; the first is the one to give.
_GRANTS = {
    "REPLICATION SLAVE": ("REPLICATION SLAVE", "REPLICATION REPLICA"),
    "REPLICATION CLIENT": ("REPLICATION CLIENT", "BINLOG MONITOR", "SUPER"),
    "RELOAD": ("RELOAD",),
}
_WRITE_GRANTS = frozenset(("ALL PRIVILEGES", "INSERT", "UPDATE", "DELETE"))
#: One of them is needed for SELECT ... FOR SHARE before the version in which SELECT is enough.
_LOCKING_GRANTS = frozenset(("ALL PRIVILEGES", "LOCK TABLES", "UPDATE", "DELETE"))
_SHARED_FOR_ALL = (8, 0, 22)
_BACK_WRITES = ("SELECT", "INSERT", "UPDATE")
_BACK_OWN = {
    "spillway_back": (*_BACK_WRITES, "CREATE"),
    "spillway_back_shards": (*_BACK_WRITES, "DELETE", "CREATE"),
}
#: The oldest that are supported.
_MYSQL, _MARIADB = (5, 6), (10, 3)
#: They answer like MySQL, and have no binary log of its form.
_NO_MYSQL = ("tidb", "vitess", "singlestore", "memsql", "oceanbase")
#: Engines whose rows are elsewhere, so that their changes are not in this server's log.
_ELSEWHERE = frozenset(("FEDERATED", "CONNECT", "SPIDER", "MRG_MYISAM", "MERGE", "SPHINX", "S3"))
_NOT_TRIED = frozenset(("ROCKSDB", "TOKUDB", "NDBCLUSTER", "COLUMNSTORE"))
#: A snapshot means nothing to them, nor a transaction.
_WITHOUT_TRANSACTIONS = frozenset(("MYISAM", "ARIA", "CSV", "ARCHIVE", "MEMORY"))
_LARGE_TYPES = ("text", "blob")
#: What a plan says of a view that is made before it is read. Rows of a table that is small enough
#: to be read for each order, such as one of countries.
_MATERIALIZED = frozenset(("DERIVED", "UNION", "MATERIALIZED"))
SCANNED_MAX = 1_000


def findings(answers: Answers, config: Config, copy_seconds: float = 0.0) -> Iterator[Finding]:
    """All of the server, its log, the grants and the table's make."""
    server = answers.server
    yield from _version(server)
    yield from _log(answers, config)
    yield from _filters(answers)
    yield from _replica(answers)
    yield _retention(answers, copy_seconds)
    yield from _grants(answers)
    if not answers.behind:
        yield from _of_table(answers, config)
        return
    for name, its in answers.behind.items():
        for one in _of_table(its, _alone(config, name), config.source.changes):
            yield dataclasses.replace(one, subject=f"{one.subject} of {name}")
    yield from _view(answers, config)


def _of_table(
    answers: Answers, config: Config, changes: Mapping[str, str] | None = None
) -> Iterator[Finding]:
    yield from _table(answers, config)
    yield from _columns(answers, config)
    if answers.described.get("type") != "VIEW":
        yield _index(answers, config)
    yield from _foreign_keys(answers, config, changes or {})


def _alone(config: Config, table: str) -> Config:
    """As if this table behind a view were the source."""
    column = config.source.changes[table]
    return replace(
        config,
        source=replace(config.source, table=table, changes={}),
        order=replace(config.order, key=column),
    )


def _view(answers: Answers, config: Config) -> Iterator[Finding]:
    view, subject = config.source.table, "view"
    kinds = {one.get("select_type") or "" for one in answers.plan}
    scanned = [
        f"{one['table']} ({int(one['rows'] or 0):,} rows)"
        for one in answers.plan
        if one["type"] in ("ALL", "index")
        and one["select_type"] in ("SIMPLE", "PRIMARY")
        and int(one["rows"] or 0) > SCANNED_MAX
    ]
    if kinds & _MATERIALIZED:
        yield blocker(
            subject,
            f"the server makes all of {view} to read one order of it, and cannot lock its rows:"
            " take GROUP BY, DISTINCT, UNION, LIMIT and subqueries out of it",
        )
    elif scanned:
        yield blocker(
            subject,
            f"{view} reads all of {', '.join(scanned)} to find one order: give the columns by which"
            " it joins an index and one type",
        )
    else:
        lookups = f"{view} finds an order by the indexes of its tables"
        yield good(subject, lookups if answers.plan else f"{view} has no order yet")
    if answers.beside:
        yield warning(
            subject,
            f"changes of {', '.join(answers.beside)} are not followed: run `copy --again` after"
            " one that counts, or name the table under source.changes where it has the order's"
            " number",
        )


def _version(server: Server) -> Iterator[Finding]:
    version = server("version")
    oldest = _MARIADB if server.is_mariadb else _MYSQL
    said = f"{version} {server('version_comment')}".lower()
    other = next((name for name in _NO_MYSQL if name in said), None)
    if other is not None:
        yield blocker("server", f"{version} has no binary log as MySQL writes it")
    elif server.version < oldest:
        number = ".".join(map(str, oldest))
        make = "MariaDB" if server.is_mariadb else "MySQL"
        yield blocker(
            "server", f"{version} is older than {make} {number}: follow a newer replica of it"
        )


def _log(answers: Answers, config: Config) -> Iterator[Finding]:
    server, subject = answers.server, "binary log"
    if not server.is_on("log_bin"):
        yield blocker(
            subject,
            "log_bin is OFF: no change could be followed (it takes a restart)",
            remedies.log_switched_on(server),
        )
        return
    found = [*_wrong_settings(answers, config), *_wrong_server(server, config)]
    right = "ROW, with whole rows; a session that sets less for itself would stop `follow`"
    yield from found or [good(subject, right)]


def _wrong_server(server: Server, config: Config) -> Iterator[Finding]:
    subject, storage, number = "binary log", server("binlog_storage_engine"), server("server_id")
    if storage:
        yield blocker(
            subject,
            f"binlog_storage_engine is {storage}: such a log has no places to continue from",
            in_file("# remove the line binlog_storage_engine, and restart"),
        )
    if number == "0":
        yield blocker(
            subject,
            "server_id is 0: the server gives its log to nobody",
            setting(server, "server_id", "1"),
        )
    if number == str(config.source.server_id):
        yield blocker(
            subject,
            f"source.server_id is {number}, as the server's own: choose another in the"
            " configuration",
        )


def _wrong_settings(answers: Answers, config: Config) -> Iterator[Finding]:
    server = answers.server
    for name, wanted in _SETTINGS.items():
        value = server.variables.get(name, wanted.lacking).upper()
        right = wanted.good
        if name == "binlog_row_image" and _is_large(answers, config.order.key):
            right = ("FULL",)
        if value not in right:
            yield blocker(
                "binary log",
                f"{name} is {value or 'unknown here'}: {wanted.why} (then restart the shop's"
                " workers: an open session keeps what it has)",
                setting(server, name, wanted.value),
            )


def _is_large(answers: Answers, column: str) -> bool:
    """NOBLOB leaves out TEXT and BLOB columns, where they did not change."""
    kind = answers.columns.get(column)
    return kind is not None and kind.type.endswith(_LARGE_TYPES)


def _filters(answers: Answers) -> Iterator[Finding]:
    """Filters go by the table's own database for rows, and by the session's for statements."""
    only, never = (
        [name for name in (answers.log.get(column) or "").split(",") if name]
        for column in ("binlog_do_db", "binlog_ignore_db")
    )
    shop, subject = answers.schema, "binary log's filter"
    if (only and shop not in only) or shop in never:
        lines = [f"binlog_do_db = {shop}"] if only and shop not in never else []
        remedy = lines or [f"# remove the line binlog_ignore_db = {shop}, and restart"]
        yield blocker(
            subject, f"{shop} is left out of the log (a change takes a restart)", in_file(*remedy)
        )
    elif only or never:
        left_out = f"all but {', '.join(only)}" if only else ", ".join(never)
        yield warning(
            subject,
            f"{left_out} left out: an ALTER or TRUNCATE of the table from a session in such a"
            " database is not in the log. Give it from a session in"
            f" {shop}",
        )


def _replica(answers: Answers) -> Iterator[Finding]:
    server, subject = answers.server, "replica"
    logs = server.is_on("log_replica_updates", "log_slave_updates")
    names = ("log_replica_updates", "log_slave_updates")
    name = next((one for one in names if one in server.variables), names[1])
    is_replica = bool(answers.replica)
    if server.is_on("wsrep_on") and not logs:
        yield blocker(
            "Galera",
            f"{name} is OFF: what other nodes write is not in this node's log (it takes a restart)",
            start_option(server, name, "ON"),
        )
    elif is_replica and not logs:
        yield blocker(
            subject,
            f"it replicates, and {name} is OFF: what it replicates is not in its log (it takes a"
            " restart)",
            start_option(server, name, "ON"),
        )
    elif is_replica:
        yield warning(
            subject,
            "this server replicates from another, and logs it. For the cutover, make the other one"
            " read-only: cutover waits until this one has executed all of its log",
        )
    elif server("gtid_slave_pos") and not logs:
        yield warning(
            subject,
            f"it was a replica once: if it becomes one again, {name} must be ON",
            start_option(server, name, "ON"),
        )
    if server.is_on("wsrep_on"):
        yield warning(
            "Galera",
            "each node has its own log: connect to this node by its own name, never through a"
            " load balancer",
        )


def _retention(answers: Answers, copy_seconds: float) -> Finding:
    server, subject = answers.server, "binary log kept"
    hours = max(RETENTION_HOURS, ceil(copy_seconds * RETENTION_FACTOR / 3600))
    longer = remedies.kept_for(server, hours)
    if server.host in ("rds", "aurora"):
        if answers.retention_hours is None:
            return warning(
                subject,
                "only the master user may ask for how long, and the default is not at all",
                longer,
            )
        seconds = float(answers.retention_hours.get("value") or 0) * 3600
    else:
        days = float(server("expire_logs_days") or 0)
        seconds = float(server("binlog_expire_logs_seconds") or 0) or days * 86_400
        if server("binlog_expire_logs_auto_purge").upper() == "OFF":
            seconds = 0.0
    if server.host == "google":
        return warning(
            subject,
            "as long as the instance's transaction logs, whatever the server's variables say",
            longer,
        )
    if not seconds and server.host != "own":
        return blocker(
            subject, f"{remedies.NAMES[server.host]} removes it as soon as it can", longer
        )
    limit = server("max_binlog_total_size") or server("binlog_space_limit")
    if limit not in ("", "0"):
        return warning(
            subject,
            f"only its newest {int(limit):,} bytes: be sure that they are"
            f" {age(hours * 3600)} of changes",
        )
    if not seconds:
        return good(subject, "until it is purged by hand")
    if seconds < copy_seconds * RETENTION_FACTOR:
        return blocker(
            subject,
            f"{age(seconds)}, and the copy takes {age(copy_seconds)}: keep it"
            f" {RETENTION_FACTOR} times as long",
            longer,
        )
    return good(subject, f"{age(seconds)}: never stop `follow` for longer")


def _grants(answers: Answers) -> Iterator[Finding]:
    server, subject = answers.server, "grants"
    user, _, host = answers.account.rpartition("@")
    login = answers.login.rpartition("@")[0]
    if not user and login:
        yield blocker(
            subject,
            f"the server takes {login} for the anonymous user of {host}, because such an account"
            " is nearer",
            (f"DROP USER ''@'{host}';",),
        )
        return
    account = account_in_sql(answers.account)
    granted = answers.grants.everywhere()
    lacking = [
        name
        for name, names in _GRANTS.items()
        if granted.isdisjoint((*names, "ALL PRIVILEGES"))
        # MariaDB reports a snapshot's position itself.
        and not (name == "RELOAD" and server.is_mariadb)
    ]
    if lacking:
        paste = [f"GRANT {', '.join(lacking)} ON *.* TO {account};"]
        roles = answers.grants.roles()
        asleep = ""
        if roles:
            asleep = f", unless through {', '.join(roles)}: a role must be active by default"
            to = "FOR" if server.is_mariadb else "TO"
            paste.append(f"# or: SET DEFAULT ROLE {roles[0]} {to} {account};")
        yield blocker(subject, f"lacks {', '.join(lacking)} ON *.*{asleep}", tuple(paste))
        return
    here = answers.grants.on(answers.schema)
    may_lock = not here.isdisjoint(_LOCKING_GRANTS)
    if not server.is_mariadb and (8,) <= server.version < _SHARED_FOR_ALL and not may_lock:
        yield blocker(
            subject,
            "lacks LOCK TABLES, without which MySQL before 8.0.22 lets nobody wait for a row",
            (f"GRANT LOCK TABLES ON {quoted(answers.schema)}.* TO {account};",),
        )
        return
    may_write = not _WRITE_GRANTS.isdisjoint(here)
    spare = "; it may also write the shop, which this tool never does" if may_write else ""
    yield good(subject, f"enough to read and to follow{spare}")


def back_findings(account: str, grants: Grants, schema: str, config: Config) -> Iterator[Finding]:
    """Of the account with which `back` will write. It is needed after the switch only."""
    needed = {config.source.table: _BACK_WRITES, **_BACK_OWN}
    if config.customers.table is not None:
        needed[config.customers.table] = ("SELECT",)
    lacking = []
    for table, names in needed.items():
        granted = grants.of(schema, table)
        missing = [name for name in names if granted.isdisjoint((name, "ALL PRIVILEGES"))]
        if missing:
            where = f"{quoted(schema)}.{quoted(table)}"
            lacking.append(f"GRANT {', '.join(missing)} ON {where} TO {account_in_sql(account)};")
    if lacking:
        yield warning(
            "grants of back", "not enough to write orders back after the switch", tuple(lacking)
        )
    else:
        yield good("grants of back", "enough to write orders back")


def _table(answers: Answers, config: Config) -> Iterator[Finding]:
    table, subject = config.source.table, "table"
    described = answers.described
    kind = described.get("type") or ""
    engine = (described.get("engine") or "").upper()
    if "VIEW" in kind:
        yield blocker(
            subject,
            f"{table} is a view: the log has only the tables behind it, and their changes would be"
            " missed",
        )
    elif engine in _ELSEWHERE:
        yield blocker(
            subject,
            f"{table} is a {engine} table: its rows are elsewhere, and their changes in another"
            " log or under another name. Name the table that has the rows",
        )
    elif engine == "BLACKHOLE":
        yield blocker(subject, f"{table} is a BLACKHOLE table, which keeps no rows")
    elif answers.merges:
        yield blocker(
            subject,
            f"what is written through the MERGE table {', '.join(answers.merges)} is in the log"
            f" under that name, and not as a change of {table}: drop it, or have all write to"
            f" {table}",
        )
    elif engine in _NOT_TRIED:
        yield warning(subject, f"{engine} was never tried: verify every day")
    elif engine in _WITHOUT_TRANSACTIONS:
        goes = "; a kill of `back` can write an order twice" if config.back else ""
        yield warning(
            subject,
            f"{engine} has no transactions: an order whose rows are written one by one is read"
            f" half, until its last change{goes}",
            (f"ALTER TABLE {quoted(table)} ENGINE = InnoDB;",),
        )
    else:
        said = {"SYSTEM VERSIONED": "system versioned: its rows of now are read"}.get(kind)
        if "partitioned" in (described.get("options") or "").lower():
            said = "partitioned: DROP, TRUNCATE and EXCHANGE PARTITION stop `follow`"
        yield good(subject, f"{engine or kind}{f', {said}' if said else ''}")


def _columns(answers: Answers, config: Config) -> Iterator[Finding]:
    for name, kind in answers.columns.items():
        unread = ""
        if "compressed" in kind.form.lower():
            unread = "COMPRESSED"
        elif kind.type == "vector" and not answers.server.is_mariadb:
            unread = "VECTOR"
        if unread:
            yield blocker(
                "columns",
                f"{name} is {unread}, and the log's reader cannot read a row that has such a"
                " column: move it into a table of its own, or store it otherwise",
            )
    has_primary = any(kind.is_primary for kind in answers.columns.values())
    if config.source.shape == "row_per_line" and not has_primary and answers.columns:
        table = config.source.table
        yield warning(
            "columns",
            f"{table} has no primary key, so an order's lines are in no order of their own: they"
            " are moved sorted",
            (f"ALTER TABLE {quoted(table)} ADD line BIGINT AUTO_INCREMENT PRIMARY KEY;",),
        )


def _index(answers: Answers, config: Config) -> Finding:
    table, key = config.source.table, config.order.key
    first = [
        one for one in answers.indexes if one["column_name"] == key and one["seq_in_index"] == "1"
    ]
    usable = [one for one in first if _is_used(one)]
    whole = [one for one in usable if one["sub_part"] is None]
    if whole:
        return good("index", f"{key} has one")
    if usable and _is_large(answers, key):
        return warning("index", f"{key} has one of its beginning only: each chunk is sorted")
    hint = " that the server uses" if first else ""
    where = f"{quoted(table)} ({quoted(key)})"
    return blocker(
        "index",
        f"{key} has none{hint}: each chunk would read the whole table",
        (f"CREATE INDEX spillway_number ON {where};",),
    )


def _is_used(index: Record) -> bool:
    """MySQL's invisible and MariaDB's ignored indexes are kept and not used; a full-text or hash
    index has no order."""
    hidden = index.get("visible") == "NO" or index.get("ignored") == "YES"
    return not hidden and index.get("index_type") == "BTREE"


def _foreign_keys(
    answers: Answers, config: Config, changes: Mapping[str, str]
) -> Iterator[Finding]:
    """A cascade changes rows inside the storage engine: the binary log does not report them. But it
    reports the row that they hang on, which may be one of the same order. A view may read any
    column of its tables."""
    for one in answers.cascades:
        column = one.get("own_column") or ""
        if column == config.order.key and changes.get(one.get("parent") or "") == one.get(
            "parent_column"
        ):
            continue
        counts = changes or column in config.column_names or column in (config.source.where or "")
        acts = [
            f"ON {event} {rule}"
            for event, rule in (("DELETE", one["delete_rule"]), ("UPDATE", one["update_rule"]))
            if (rule == "CASCADE" and event == "DELETE")
            or (rule not in ("RESTRICT", "NO ACTION") and counts)
        ]
        if acts:
            table = quoted(config.source.table)
            yield blocker(
                "foreign key",
                f"{one['name']} ({', '.join(acts)}) changes rows that the binary log does not"
                " report: until the switch, let the parent's row be kept instead",
                (
                    f"ALTER TABLE {table} DROP FOREIGN KEY {quoted(one['name'] or '')};",
                    "# and add it again without these words: MySQL's own rule is RESTRICT",
                ),
            )
