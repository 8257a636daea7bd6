"""What the old server says of itself and of the table. Asked in a few queries that read no row."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pymysql
from pymysql.connections import Connection

from spillway.migrate.old.connection import ACCESS_DENIED, code_of, quoted, run
from spillway.migrate.old.description import Described, kinds_of
from spillway.migrate.old.position import LOG_STATUS
from spillway.migrate.old.table import OldTable

#: Who runs it, because that decides what can be set and how. "own" is everybody else.
Host = Literal["own", "rds", "aurora", "azure", "google"]
#: One row of an answer, by its columns' names in lower case.
Record = dict[str, str | None]

_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")
_GRANT = re.compile(
    r"GRANT (?P<names>.+) ON (?:TABLE )?(?P<schema>`(?:[^`]|``)*`|\*)\.(?P<table>`(?:[^`]|``)*`|\*)"
    r" TO ",
    re.IGNORECASE,
)
_GRANTED_ROLE = re.compile(r"GRANT (?P<role>[`'][^ ]+[`'](?:@[`'][^ ]*[`'])?) TO ", re.IGNORECASE)
#: What is granted on some columns only is not granted.
_COLUMNS = re.compile(r"[^,(]+\([^)]*\)")


@dataclass(frozen=True, slots=True)
class Server:
    """`variables`: the global ones, by their names in lower case. `address`: the host's name."""

    variables: Mapping[str, str]
    address: str = ""

    @property
    def version(self) -> tuple[int, ...]:
        """As (8, 0, 36)."""
        found = _VERSION.match(self.variables.get("version", ""))
        return tuple(int(part or 0) for part in found.groups()) if found else ()

    @property
    def is_mariadb(self) -> bool:
        return "mariadb" in self.variables.get("version", "").lower()

    @property
    def host(self) -> Host:
        said = f"{self('version')} {self('version_comment')}".lower()
        if self._has("aurora_"):
            return "aurora"
        if self("basedir").startswith("/rdsdbbin") or self._has("rds_"):
            return "rds"
        # Azure's version is MySQL's own.
        if self._has("azure_") or self.address.endswith(".mysql.database.azure.com"):
            return "azure"
        if "google" in said or self._has("cloudsql_"):
            return "google"
        return "own"

    def __call__(self, name: str) -> str:
        """A variable's value; empty where the server has no such variable."""
        return self.variables.get(name, "")

    def is_on(self, *names: str) -> bool:
        """Whether any of these switches is on: a newer version may have another name for one."""
        return any(self(name).upper() in ("ON", "1", "YES") for name in names)

    def _has(self, prefix: str) -> bool:
        return any(name.startswith(prefix) for name in self.variables)


@dataclass(frozen=True, slots=True)
class Grants:
    """`statements`: as SHOW GRANTS has them, with those of the active roles."""

    statements: Sequence[str]

    def everywhere(self) -> set[str]:
        """What is granted on *.*"""
        return {name for names, schema, _ in self._granted() if schema == "*" for name in names}

    def on(self, schema: str) -> set[str]:
        """What is granted on the schema, or on everything."""
        return {
            name
            for names, granted, table in self._granted()
            if table == "*" and (granted == "*" or _matches(granted, schema))
            for name in names
        }

    def of(self, schema: str, table: str) -> set[str]:
        """What is granted on the table, on its schema, or on everything."""
        of_the_table = (
            name
            for names, granted, of in self._granted()
            if (granted, of) == (schema, table)
            for name in names
        )
        return self.on(schema).union(of_the_table)

    def roles(self) -> list[str]:
        """All that are granted, active or not."""
        found = map(_GRANTED_ROLE.match, self.statements)
        return [one["role"] for one in found if one]

    def _granted(self) -> list[tuple[list[str], str, str]]:
        found = filter(None, map(_GRANT.match, self.statements))
        return [
            (
                [name.strip().upper() for name in _COLUMNS.sub("", one["names"]).split(",")],
                one["schema"].strip("`"),
                one["table"].strip("`"),
            )
            for one in found
        ]


@dataclass(frozen=True, slots=True)
class Answers:
    """What the server says: all that `readiness` judges.

    `account`: as the server knows this session ("spillway@%"). `login`: as it said who it is.
    `schema`: the database in the server's own spelling. `described`: a row of
    information_schema.tables. `log`: a row of SHOW MASTER STATUS. `replica`: its sources.
    `columns` by their names, and `indexes`, rows of SHOW INDEX, of the table.
    `retention_hours`: on RDS, where no variable has it. `merges`: MERGE tables over this one. Of a
    view, `behind` are the tables that are followed, `beside` those that are not, and `plan` is how
    the server finds one order.
    """

    server: Server
    account: str
    login: str
    grants: Grants
    schema: str
    described: Record
    log: Record
    replica: Sequence[Record]
    columns: Mapping[str, Described]
    indexes: Sequence[Record]
    cascades: Sequence[Record]
    retention_hours: Record | None
    merges: Sequence[str] = ()
    behind: Mapping[str, Answers] = field(default_factory=dict)
    beside: Sequence[str] = ()
    plan: Sequence[Record] = ()


def ask_of(old: OldTable) -> Answers:
    """Of the old table, or of a view and the tables behind it."""
    answers = ask(old.connection, old.config.source.table)
    if old.table.view is None:
        return answers
    behind = {name: ask(old.connection, name) for name in old.table.followed}
    explained = old.one_order()
    plan = records(old.connection, f"EXPLAIN {explained}") if explained else ()
    beside = sorted(set(old.table.view.tables.values()) - behind.keys())
    return replace(answers, behind=behind, beside=beside, plan=plan)


def ask(connection: Connection[Any], table: str) -> Answers:
    server = server_of(connection)
    who = records(connection, "SELECT CURRENT_USER() AS account, USER() AS login")[0]
    schema = records(
        connection,
        "SELECT schema_name AS name FROM information_schema.schemata"
        " WHERE schema_name = DATABASE()",
    )
    tables = records(
        connection,
        "SELECT table_type AS type, engine, create_options AS options"
        " FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = %s",
        (table,),
    )
    described = tables[0] if tables else {}
    is_view = "VIEW" in (described.get("type") or "")
    return Answers(
        server=server,
        account=who["account"] or "",
        login=who["login"] or "",
        grants=_grants(connection, server),
        schema=(schema[0]["name"] if schema else None) or "",
        described=described,
        log=_log(connection),
        replica=_replica(connection),
        columns=kinds_of(connection, table),
        indexes=[] if is_view else records(connection, f"SHOW INDEX FROM {quoted(table)}"),
        cascades=records(
            connection,
            "SELECT constraint_name AS name, delete_rule, update_rule,"
            " referenced_table_name AS parent, column_name AS own_column,"
            " referenced_column_name AS parent_column"
            " FROM information_schema.referential_constraints"
            " JOIN information_schema.key_column_usage"
            " USING (constraint_schema, constraint_name, table_name, referenced_table_name)"
            " WHERE constraint_schema = DATABASE() AND table_name = %s AND ordinal_position = 1",
            (table,),
        ),
        merges=_merges(connection, table) if described.get("engine") == "MyISAM" else (),
        retention_hours=_retention(connection) if server.host in ("rds", "aurora") else None,
    )


def grants_of(connection: Connection[Any]) -> tuple[str, Grants]:
    """This session's account as the server knows it, and what it may."""
    (account,) = run(connection, "SELECT CURRENT_USER()")[0]
    return str(account), _grants(connection, server_of(connection))


def server_of(connection: Connection[Any]) -> Server:
    found = run(connection, "SHOW GLOBAL VARIABLES")
    variables = {str(name).lower(): str(value or "") for name, value in found}
    return Server(variables, str(connection.host))


def records(
    connection: Connection[Any], statement: str, values: tuple[object, ...] = ()
) -> list[Record]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        names = [str(column[0]).lower() for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _grants(connection: Connection[Any], server: Server) -> Grants:
    """MariaDB adds those of the active role by itself, MySQL only when it is told the roles."""
    using = ""
    if not server.is_mariadb and server.version >= (8,):
        active = run(connection, "SELECT CURRENT_ROLE()")[0][0]
        if active and active != "NONE":
            using = f" FOR CURRENT_USER() USING {active}"
    return Grants([str(row[0]) for row in run(connection, f"SHOW GRANTS{using}")])


def _log(connection: Connection[Any]) -> Record:
    """Empty where there is no log, or the account may not ask: `Answers.grants` tells which."""
    found = _first_that_it_knows(connection, *LOG_STATUS)
    return found[0] if found else {}


def replica_of(connection: Connection[Any]) -> Sequence[Record] | None:
    """A row for each server that this one replicates: MariaDB and MySQL may have several, each
    with a name. None: the account may not ask."""
    known = ("SHOW ALL SLAVES STATUS", "SHOW SLAVE STATUS", "SHOW REPLICA STATUS")
    return _first_that_it_knows(connection, *known)


def _replica(connection: Connection[Any]) -> Sequence[Record]:
    """An account that may follow MariaDB's log may not ask for its sources, and sees only how many
    are running."""
    found = replica_of(connection)
    if found is not None:
        return found
    running = records(connection, "SHOW STATUS LIKE 'Slaves_running'")
    return [one for one in running if one["value"] != "0"]


def _first_that_it_knows(connection: Connection[Any], *statements: str) -> list[Record] | None:
    """None: the account may not ask."""
    for statement in statements:
        try:
            return records(connection, statement)
        except pymysql.err.ProgrammingError:
            continue  # Its name in another version.
        except pymysql.err.OperationalError as error:
            if code_of(error) in ACCESS_DENIED:
                return None
            raise
    return None


def _merges(connection: Connection[Any], table: str) -> list[str]:
    """MERGE tables that this account can see, and that have this one."""
    found = records(
        connection,
        "SELECT table_schema AS `schema`, table_name AS name FROM information_schema.tables"
        " WHERE engine = 'MRG_MyISAM'",
    )
    over = []
    for one in found:
        name = f"{quoted(one['schema'] or '')}.{quoted(one['name'] or '')}"
        made = run(connection, f"SHOW CREATE TABLE {name}")[0][1] or ""
        if quoted(table) in made.partition("UNION=")[2]:
            over.append(name)
    return over


def _retention(connection: Connection[Any]) -> Record | None:
    """None: the account may not ask."""
    try:
        found = records(connection, "CALL mysql.rds_show_configuration")
    except pymysql.err.MySQLError:
        return None
    return next((one for one in found if one.get("name") == "binlog retention hours"), None)


def _matches(pattern: str, schema: str) -> bool:
    """A grant's schema may have wildcards, as LIKE has them."""
    plain = re.sub(r"\\?.", lambda one: _AS_REGEX.get(one[0], re.escape(one[0][-1])), pattern)
    return re.fullmatch(plain, schema) is not None


_AS_REGEX = {"%": ".*", "_": "."}
