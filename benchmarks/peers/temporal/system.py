"""Temporal: its development server, which keeps its state in SQLite, a worker, and an API."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from benchmarks.peers import usage
from benchmarks.peers.system import Part, Peer, Unavailable, answers, environment_of, retries
from spillway.run.stack.ports import LOOPBACK, free_port


class Temporal(Peer):
    name: ClassVar[str] = "temporal"
    title: ClassVar[str] = "Temporal's development server"
    notes: ClassVar[Sequence[str]] = (
        "One process with SQLite stands for a cluster and its database: these are not its figures.",
        "A cluster goes on when one of its servers dies.",
        "API and worker are processes of their own, as in its documentation.",
        "SQLite with a write-ahead log that each commit has synced to the disk.",
        retries(),
    )
    victims: ClassVar[Mapping[str, str]] = {
        "worker": "the worker: workflows and activities",
        "server": "the development server",
    }

    upgrades: ClassVar[Mapping[str, str]] = {
        "versioned": (
            "a version of its own, which is made the current one; workers of the old one run until"
            " its orders are done"
        ),
        "patched": "with a call of `workflow.patched`",
        "careless": "with neither, and no replay of histories before, which would find it",
    }

    def start(self) -> None:
        self.data = self.folder / "temporal"
        self.data.mkdir()
        self.address = f"{LOOPBACK}:{free_port()}"
        port = self.address.rpartition(":")[2]
        command = [self._binary, "server", "start-dev", "--headless", "--ip", LOOPBACK]
        command += ["--port", port, "--db-filename", str(self.data / "temporal.db")]
        # A commit waits for the disk once, as in the databases that it stands for, not four times.
        for pragma in ("journal_mode=wal", "synchronous=2"):
            command += ["--sqlite-pragma", pragma]
        self.parts.start("server", Part(command, self._healthy))
        self._before = self._worker()
        self.parts.start("worker", self._before)
        port = str(free_port())
        api, environment = self.program("api", PEERS_TEMPORAL=self.address, PEERS_PORT=port)
        self._url = f"http://{LOOPBACK}:{port}"
        self.parts.start("api", Part(api, answers(f"{self._url}/health"), environment))

    def prepare(self, upgrade: str) -> None:
        if upgrade == "versioned":
            self._before = self._version("old")
            self._replace_worker(self._before)

    def deploy(self, upgrade: str) -> None:
        if upgrade == "versioned":
            self.parts.start("changed", self._version("new", PEERS_CODE="unpatched"))
        else:
            code = "patched" if upgrade == "patched" else "unpatched"
            self._replace_worker(self._worker(PEERS_CODE=code))

    def restore(self) -> None:
        self._replace_worker(self._before)

    def _replace_worker(self, worker: Part) -> None:
        self.parts.end("worker")
        self.parts.start("worker", worker)

    def _worker(self, **code: str) -> Part:
        worker, environment = self.program("worker", PEERS_TEMPORAL=self.address, **code)
        return Part(worker, self._polls, environment)

    def _version(self, build: str, **code: str) -> Part:
        """Orders begin with it from now on. Temporal takes no version that it has not seen."""
        worker, environment = self.program(
            "worker", PEERS_TEMPORAL=self.address, PEERS_VERSION=build, **code
        )
        version = ["--deployment-name", "orders", "--build-id", build, "--yes"]
        command = ["worker", "deployment", "set-current-version", *version]

        def current() -> bool:
            return self._asked(*command).returncode == 0

        return Part(worker, current, environment)

    @property
    def url(self) -> str:
        return self._url

    def stored_bytes(self) -> int | None:
        return usage.folder_bytes(self.data)

    def history_bytes(self) -> int | None:
        """By the server's own count, which it makes when an order ends."""
        ended = self._workflows("ExecutionStatus != 'Running'")
        return sum(int(one["historySizeBytes"]) for one in ended)

    def unfinished(self) -> set[str]:
        running = self._workflows("ExecutionStatus = 'Running'")
        return {one["execution"]["workflowId"] for one in running}

    def _workflows(self, query: str) -> list[dict[str, Any]]:
        command = ["workflow", "list", "--query", query, "--limit", "100000", "--output", "json"]
        found: list[dict[str, Any]] = json.loads(self._ask(*command) or "[]")
        return found

    @property
    def _binary(self) -> str:
        binary = environment_of(self.name) / "bin" / "temporal"
        if not binary.exists():
            raise Unavailable(f"{self.title} is not installed: run `make peers`.")
        return str(binary)

    def _healthy(self) -> bool:
        """It knows its namespace again, which is later than it calls itself healthy."""
        return "Total" in self._ask("workflow", "count")

    def _polls(self) -> bool:
        """The worker has asked for work. One that was killed is listed, too, by its own name: the
        SDK names a worker by its process."""
        said = self._ask("task-queue", "describe", "--task-queue", "orders", "--output", "json")
        return f'"identity": "{self.parts.pid("worker")}@' in said

    def _ask(self, *command: str) -> str:
        return self._asked(*command).stdout

    def _asked(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603
            [self._binary, *command, "--address", self.address],
            capture_output=True,
            text=True,
            check=False,
        )
