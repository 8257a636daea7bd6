"""An old server that is a replica: what its source's log still has is no order lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import pymysql
import pytest

from spillway.migrate.old.connection import Account, connected
from spillway.migrate.old.replicating import on_its_way
from tests.needs import starts
from tests.spillway.migrate.servers import Make, Server, private
from tests.waiting import eventually

Row = Mapping[str, str | None]
#: A replica that has executed all, in the words of MariaDB and older MySQL.
ARRIVED: Row = {
    "Master_Host": "db1",
    "Master_Log_File": "binlog.000007",
    "Read_Master_Log_Pos": "512",
    "Relay_Master_Log_File": "binlog.000007",
    "Exec_Master_Log_Pos": "512",
    "Slave_IO_Running": "Yes",
    "Slave_SQL_Running": "Yes",
    "Seconds_Behind_Master": "0",
    "Last_SQL_Error": "",
}


class _Server:
    """A connection to a server that knows one statement."""

    def __init__(self, known: str, *rows: Row) -> None:
        self.known, self.rows = known, rows

    def __enter__(self) -> _Server:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    cursor = __call__ = lambda self: self

    def execute(self, statement: str, _values: object) -> None:
        if statement != self.known:
            raise pymysql.err.ProgrammingError(1064, "syntax")

    @property
    def description(self) -> Sequence[tuple[str]]:
        return [(name,) for name in self.rows[0]]

    def fetchall(self) -> Sequence[tuple[str | None, ...]]:
        return [tuple(row.values()) for row in self.rows]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, ""),
        ({"Slave_IO_Running": "Connecting"}, "db1 does not run (IO thread)"),
        ({"Slave_SQL_Running": "No", "Last_SQL_Error": "Duplicate"}, "(SQL thread: Duplicate)"),
        ({"Seconds_Behind_Master": "4"}, "4 s behind"),
        # It is 0 although a transaction is still in the relay log.
        ({"Exec_Master_Log_Pos": "98"}, "binlog.000007:98 of binlog.000007:512"),
        ({"Relay_Master_Log_File": "binlog.000006"}, "binlog.000006:512 of binlog.000007:512"),
    ],
)
def test_what_a_replica_has_not_executed_is_on_its_way(changed: Row, said: str) -> None:
    one = {**ARRIVED, **changed}
    newer = {
        name.replace("Master", "Source").replace("Slave", "Replica"): value
        for name, value in one.items()
    }
    servers: list[Any] = [
        # MariaDB may have many sources, and one may be behind.
        _Server("SHOW ALL SLAVES STATUS", ARRIVED, one),
        _Server("SHOW SLAVE STATUS", one),
        _Server("SHOW REPLICA STATUS", newer),
    ]
    for server in servers:
        found = on_its_way(server)
        assert said in found
        assert bool(found) == bool(said)


def test_the_channels_of_a_group_are_no_source() -> None:
    own = {**ARRIVED, "Slave_IO_Running": "No", "Channel_Name": "group_replication_recovery"}
    group: Any = _Server("SHOW SLAVE STATUS", own)
    assert on_its_way(group) == ""


def test_a_server_that_is_no_replica_has_all(old_server: Server) -> None:
    assert _seen(old_server, "root", "") == ""


def _seen(server: Server, user: str, password: str) -> str:
    account = Account("information_schema", user, password, host=server.host, port=server.port)
    with connected(account) as connection:
        return on_its_way(connection)


@pytest.fixture
@starts("mysql")
def pair(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Server, Server]]:
    """A server, and one that may become its replica."""
    source, replica = tmp_path / "source", tmp_path / "replica"
    source.mkdir()
    replica.mkdir()
    with (
        private(source, request.param) as of,
        private(replica, request.param, "--server-id=2", "--log-slave-updates") as started,
    ):
        yield of, started


@pytest.mark.slow  # Two servers; the hand-made answers above are quick.
@pytest.mark.parametrize("pair", get_args(Make), indirect=True)
def test_a_replica_that_stands_still_is_seen(pair: tuple[Server, Server]) -> None:
    source, replica = pair

    def seen() -> str:
        return _seen(replica, "root", "")

    (file, offset, *_), *_ = source.run("SHOW MASTER STATUS")
    replica.run("CREATE USER few@localhost IDENTIFIED BY 'few'")
    replica.run("GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO few@localhost")
    assert (seen(), _seen(replica, "few", "few")) == ("", "")
    replica.run(
        f"CHANGE MASTER TO MASTER_HOST='{source.host}', MASTER_PORT={source.port},"
        f" MASTER_USER='root', MASTER_LOG_FILE='{file}', MASTER_LOG_POS={offset}"
    )
    replica.run("START SLAVE")
    eventually(seen, lambda found: found == "")
    source.run("CREATE DATABASE shop")
    eventually(lambda: replica.run("SHOW DATABASES LIKE 'shop'"), bool)
    eventually(seen, lambda found: found == "")
    assert ("GRANT SLAVE MONITOR" in _seen(replica, "few", "few")) == (source.make == "mariadb")

    replica.run("STOP SLAVE SQL_THREAD")
    source.run("CREATE DATABASE shop2")
    assert "does not run (SQL thread)" in seen()
    replica.run("START SLAVE SQL_THREAD")
    eventually(seen, lambda found: found == "")
    replica.run("STOP SLAVE")
    assert "RESET SLAVE ALL" in seen()
    replica.run("RESET SLAVE ALL")
    assert seen() == ""
