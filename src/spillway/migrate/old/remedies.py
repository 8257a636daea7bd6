"""What to run where the old server must change: ready to paste, and so that it lasts.

A name in capitals (GROUP, INSTANCE) is the reader's own. Made from the documentation of each
service; only that of servers of one's own was run.
"""

from __future__ import annotations

from spillway.migrate.old.server import Server

#: What a managed server is, in a sentence.
NAMES = {
    "rds": "Amazon RDS",
    "aurora": "Amazon Aurora",
    "azure": "Azure Database for MySQL",
    "google": "Google Cloud SQL",
}
#: MySQL's SET PERSIST.
_PERSISTS = (8,)


def setting(server: Server, name: str, value: str) -> tuple[str, ...]:
    """Of a variable that can be set at run time."""
    match server.host:
        case "own":
            if not server.is_mariadb and server.version >= _PERSISTS:
                return (f"SET PERSIST {name} = '{value}';",)
            # SET GLOBAL is gone at the next restart.
            return (f"SET GLOBAL {name} = '{value}';", *in_file(f"{name} = {value}"))
        case _:
            return _managed(server, name, value, "immediate")


def start_option(server: Server, name: str, value: str) -> tuple[str, ...]:
    """Of a variable that takes a restart."""
    if server.host == "own":
        return in_file(f"{name} = {value}")
    return _managed(server, name, value, "pending-reboot")


def in_file(*lines: str) -> tuple[str, ...]:
    return ("# in my.cnf:", "[mysqld]", *lines)


def log_switched_on(server: Server) -> tuple[str, ...]:
    match server.host:
        case "own":
            number = server("server_id") if server("server_id") not in ("", "0") else "1"
            return in_file("log_bin = binlog", f"server_id = {number}")
        case "rds":
            command = "aws rds modify-db-instance --db-instance-identifier INSTANCE"
            return (f"{command} --backup-retention-period 7 --apply-immediately",)
        case "google":
            return ("gcloud sql instances patch INSTANCE --enable-bin-log",)
        case "aurora" | "azure":
            return start_option(server, "binlog_format", "ROW")


def kept_for(server: Server, hours: int) -> tuple[str, ...]:
    """The binary log."""
    match server.host:
        case "rds" | "aurora":
            return (f"CALL mysql.rds_set_configuration('binlog retention hours', {hours});",)
        case "google":
            days = min(7, -(-hours // 24))
            return (f"gcloud sql instances patch INSTANCE --retained-transaction-log-days={days}",)
        case _:
            if "binlog_expire_logs_seconds" in server.variables:
                return setting(server, "binlog_expire_logs_seconds", f"{hours * 3600}")
            return setting(server, "expire_logs_days", f"{-(-hours // 24)}")


def _managed(server: Server, name: str, value: str, when: str) -> tuple[str, ...]:
    parameter = f'--parameters "ParameterName={name},ParameterValue={value},ApplyMethod={when}"'
    rds = "aws rds modify-db"
    match server.host:
        case "aurora":
            group = "--db-cluster-parameter-group-name GROUP"
            return (f"{rds}-cluster-parameter-group {group} {parameter}",)
        case "azure":
            command = "az mysql flexible-server parameter set --resource-group GROUP"
            return (f"{command} --server-name SERVER --name {name} --value {value}",)
        case "google":
            return (
                "# with the flags that the instance has already: the list replaces them",
                f"gcloud sql instances patch INSTANCE --database-flags={name}={value}",
            )
        case _:
            group = "--db-parameter-group-name GROUP"
            return (f"{rds}-parameter-group {group} {parameter}",)
