"""DBOS: one application, and PostgreSQL from the operating system's package."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from benchmarks.peers.system import Part, Peer, Unavailable, answers, is_root, run
from spillway.run.stack.ports import LOOPBACK, free_port

_VERSION = "orders"
_CODE = {
    "patched": {"PEERS_CODE": "patched", "PEERS_VERSION": _VERSION},
    "beside": {"PEERS_CODE": "unpatched"},
    "careless": {"PEERS_CODE": "unpatched"},
}
#: PostgreSQL refuses to run as root, and its package makes this user.
_USER = "postgres"


class Dbos(Peer):
    name: ClassVar[str] = "dbos"
    title: ClassVar[str] = "DBOS on PostgreSQL"
    notes: ClassVar[Sequence[str]] = (
        "API and workflows are one process, as in its documentation.",
        "Killed, it is started again at once and goes on with its own orders.",
        "Conductor gives those of a lost process to another after 60 s, unless told otherwise.",
        "PostgreSQL with its own default settings: each commit waits for the disk.",
        "A command is sent again every 2 s: a wait that doubles has no bound below an hour there.",
    )
    victims: ClassVar[Mapping[str, str]] = {
        "program": "the application: API and workflows",
        "server": "PostgreSQL",
    }

    upgrades: ClassVar[Mapping[str, str]] = {
        "patched": "with a call of `DBOS.patch`, and one application version for all code",
        "beside": (
            "new code at an address of its own, to which customers are sent; the old code runs"
            " until it is drained"
        ),
        "careless": "in the place of the old code; DBOS keeps old orders for code of their version",
    }

    def prepare(self, upgrade: str) -> None:
        if upgrade == "patched":
            self.parts.end("program")
            self._run_program(PEERS_VERSION=_VERSION)

    def start(self) -> None:
        self.data = self.folder / "postgres"
        self.port = free_port()
        self._initialise()
        server = [*_as_user(), _binary("postgres"), "-D", str(self.data), "-p", str(self.port)]
        server += [
            "-c",
            f"listen_addresses={LOOPBACK}",
            "-c",
            f"unix_socket_directories={self.data}",
        ]
        self.parts.start("server", Part(server, self._accepts))
        self._run_program()

    def _run_program(self, part: str = "program", **code: str) -> None:
        self.api = free_port()
        command, environment = self.program(
            "program", PEERS_PORT=str(self.api), PEERS_DATABASE_URL=self._database, **code
        )
        self.parts.start(part, Part(command, answers(f"{self.url}/health"), environment))

    def deploy(self, upgrade: str) -> None:
        if upgrade == "beside":
            self._run_program("changed", **_CODE[upgrade])
        else:
            self.parts.end("program")
            self._run_program(**_CODE[upgrade])

    @classmethod
    def versions(cls) -> Mapping[str, str]:
        return {"PostgreSQL": run([_binary("postgres"), "--version"]).split()[2]}

    def restore(self) -> None:
        self.parts.end("program")
        self._run_program()

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.api}"

    def stored_bytes(self) -> int | None:
        """Without the log, which PostgreSQL keeps in files of 16 MB and uses again."""
        return int(self._query("SELECT pg_database_size('orders_dbos')"))

    def logged_bytes(self) -> int | None:
        return int(self._query("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')"))

    def unfinished(self) -> set[str]:
        found = self._query(
            "SELECT coalesce(json_agg(workflow_uuid), '[]') FROM dbos.workflow_status"
            " WHERE status NOT IN ('SUCCESS', 'ERROR', 'CANCELLED')",
        )
        return set(json.loads(found))

    @property
    def _database(self) -> str:
        return f"postgresql://{_USER}@{LOOPBACK}:{self.port}/orders_dbos"

    def _initialise(self) -> None:
        self.data.mkdir()
        if is_root():
            shutil.chown(self.data, _USER, _USER)
        run(
            [*_as_user(), _binary("initdb"), "-D", str(self.data), "-U", _USER, "-A", "trust"],
            cwd="/",
        )

    def _accepts(self) -> bool:
        command = [_binary("pg_isready"), "-q", "-h", LOOPBACK, "-p", str(self.port), "-U", _USER]
        return subprocess.run(command, check=False).returncode == 0  # noqa: S603

    def _query(self, sql: str) -> str:
        return run([_binary("psql"), "-X", "-A", "-t", "-d", self._database, "-c", sql])


def _as_user() -> list[str]:
    if not is_root():
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise Unavailable("PostgreSQL does not run as root: run `make peers` as another user.")
    return [setpriv, f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups"]


def _binary(name: str) -> str:
    """Debian keeps the server's programs beside the path, by version: the newest."""
    versions = [
        path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / name).exists()
    ]
    newest = max(versions, key=lambda path: float(path.parent.name), default=None)
    found = shutil.which(name) if newest is None else str(newest / name)
    if found is None:
        raise Unavailable(
            "PostgreSQL is not installed: on Debian and Ubuntu, apt install postgresql."
        )
    return found
