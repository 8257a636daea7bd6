"""Whether all that the shop wrote has arrived, where the old server is itself a replica.

Its log has the last order only when the replica has executed it: an end of that log is the end of
the shop's writing only while nothing is on its way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pymysql.connections import Connection

from spillway.migrate.old.connection import account_in_sql, run
from spillway.migrate.old.server import Record, replica_of

#: A member's own channels: what it gets through them comes from its group.
_OF_THE_GROUP = "group_replication_"


def on_its_way(connection: Connection[Any]) -> str:
    """Why changes may still be on their way to this server. Empty where it is no replica, or where
    it has executed all that it has of its sources and is connected to each."""
    found = replica_of(connection)
    if found is None:
        return _unseen(connection)
    return "; ".join(_behind(found))


def _unseen(connection: Connection[Any]) -> str:
    """MariaDB shows its sources only to who has a right of its own for it (10.5.9 and newer)."""
    signs = run(
        connection,
        "SHOW GLOBAL STATUS WHERE variable_name IN ('Slaves_running', 'Slave_running')"
        " AND value NOT IN ('0', 'OFF')",
    ) or run(
        connection,
        "SHOW GLOBAL VARIABLES WHERE variable_name = 'gtid_slave_pos' AND value <> ''",
    )
    if not signs:
        return ""
    (account,) = run(connection, "SELECT CURRENT_USER()")[0]
    return (
        f"this server is or was a replica, and {account} cannot see how far it is: GRANT SLAVE"
        f" MONITOR ON *.* TO {account_in_sql(str(account))}"
    )


def _behind(sources: Sequence[Record]) -> Iterator[str]:
    for named in sources:
        # MySQL 8.0.22 and newer say source and replica.
        one = {
            name.replace("source", "master").replace("replica", "slave"): value
            for name, value in named.items()
        }
        if (one.get("channel_name") or "").startswith(_OF_THE_GROUP):
            continue
        source = f"this replica of {one.get('master_host')}"
        threads = {name: one.get(f"slave_{name}_running") for name in ("io", "sql")}
        stopped = [f"{name.upper()} thread" for name, runs in threads.items() if runs != "Yes"]
        read = one.get("master_log_file"), one.get("read_master_log_pos")
        executed = one.get("relay_master_log_file"), one.get("exec_master_log_pos")
        if stopped:
            error = one.get("last_sql_error") or one.get("last_io_error")
            yield (
                f"{source} does not run ({' and '.join(stopped)}{f': {error}' if error else ''}):"
                " start it, or where it is no replica any more, RESET SLAVE ALL (RESET REPLICA ALL)"
            )
        elif one.get("seconds_behind_master") != "0" or read != executed:
            yield (
                f"{source} is {one.get('seconds_behind_master')} s behind, at"
                f" {executed[0]}:{executed[1]} of {read[0]}:{read[1]}"
            )
