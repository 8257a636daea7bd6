"""Restate: its server, which is also the API, and one endpoint with the workflow."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import httpx

from benchmarks.peers.system import (
    Part,
    Peer,
    PeerClient,
    Unavailable,
    answers,
    environment_of,
    retries,
    unsigned_token,
)
from spillway.errors import SpillwayError
from spillway.run.load.clients import Client, Reply, Tokens
from spillway.run.loopback import http_client
from spillway.run.stack.ports import LOOPBACK, free_port
from spillway.run.workload import Customer

_LOGGED = "restate_rocksdb_wal_bytes_total"
_MACHINES = {"x86_64": "x64", "aarch64": "arm64", "arm64": "arm64"}


class Restate(Peer):
    name: ClassVar[str] = "restate"
    title: ClassVar[str] = "Restate"
    notes: ClassVar[Sequence[str]] = (
        "One node with its default settings, in place of a cluster that replicates its log.",
        "Such a cluster of three goes on when one of its nodes dies.",
        "Its log is synced to the disk before a request is answered.",
        retries(),
    )
    victims: ClassVar[Mapping[str, str]] = {
        "program": "the endpoint that runs the workflow",
        "server": "the server, which is also the API",
    }

    upgrades: ClassVar[Mapping[str, str]] = {
        "beside": (
            "the new code at an address of its own, which the server is told of; the old code runs"
            " until it is drained"
        ),
        "careless": "the new code in the place of the old",
    }

    def start(self) -> None:
        self.data = self.folder / "restate"
        self.data.mkdir()
        ingress, node, self.admin = free_port(), free_port(), free_port()
        self._metrics = f"http://{LOOPBACK}:{node}/metrics"
        self._url = f"http://{LOOPBACK}:{ingress}"
        environment = {
            "RESTATE_BIND_IP": LOOPBACK,
            "RESTATE_BIND_PORT": str(node),
            "RESTATE_LISTEN_MODE": "tcp",
            "RESTATE_INGRESS__BIND_PORT": str(ingress),
            "RESTATE_ADMIN__BIND_PORT": str(self.admin),
            "RESTATE_DISABLE_TELEMETRY": "true",
            "RESTATE_NODE_NAME": "peers",
        }
        command = [str(_server()), "--no-logo", "--base-dir", str(self.data)]
        self.parts.start("server", Part(command, self._healthy, environment))
        self.port = free_port()
        self._serve("program", "program", self.port)
        self._register(self.port)

    def _serve(self, part: str, module: str, port: int) -> None:
        program, environment = self.program(module, PEERS_PORT=str(port))
        health = answers(f"http://{LOOPBACK}:{port}/health")
        self.parts.start(part, Part(program, health, environment))

    def deploy(self, upgrade: str) -> None:
        if upgrade == "beside":
            port = free_port()
            self._serve("changed", "changed", port)
            self._register(port)
        else:
            self.parts.end("program")
            self._serve("program", "changed", self.port)

    def restore(self) -> None:
        self.parts.end("program")
        self._serve("program", "program", self.port)

    @property
    def url(self) -> str:
        return self._url

    def client(self, http: httpx.AsyncClient) -> Client:
        return _RestateClient(http, Tokens(unsigned_token))

    def stored_bytes(self) -> int | None:
        """Its files are made larger ahead of time, and what it keeps is in memory and the log for
        longer than a test takes."""
        return None

    def logged_bytes(self) -> int | None:
        with http_client() as client:
            lines = client.get(self._metrics).text.splitlines()
        logged = [line for line in lines if line.startswith(_LOGGED) and 'db="log-server"' in line]
        return int(float(logged[0].rpartition(" ")[2])) if logged else None

    def unfinished(self) -> set[str]:
        sql = "SELECT target_service_key AS id FROM sys_invocation WHERE status <> 'completed'"
        answer = self._ask("POST", "/query", {"query": sql})
        return {row["id"] for row in answer.json()["rows"]}

    def _healthy(self) -> bool:
        return (
            answers(f"http://{LOOPBACK}:{self.admin}/health")()
            and answers(f"{self._url}/restate/health")()
        )

    def _register(self, port: int) -> None:
        self._ask("POST", "/deployments", {"uri": f"http://{LOOPBACK}:{port}"})

    def _ask(self, method: str, path: str, content: Mapping[str, str]) -> httpx.Response:
        with http_client(timeout=30, headers={"accept": "application/json"}) as client:
            url = f"http://{LOOPBACK}:{self.admin}{path}"
            answer = client.request(method, url, json=content)
        if not answer.is_success:
            raise SpillwayError(f"Restate refused {path}: {answer.text[:200]}")
        return answer


class _RestateClient(PeerClient):
    async def send_order(self, customer: Customer, order_id: str, order: str) -> Reply:
        path = f"/Orders/{order_id}/run/send"
        return await self._answered(customer, "POST", path, order.encode())


def _server() -> Path:
    system = f"{platform.system().lower()}-{_MACHINES.get(platform.machine(), 'unknown')}"
    package = f"node_modules/@restatedev/restate-server-{system}"
    binary = environment_of("restate") / package / "bin" / "restate-server"
    if not binary.exists():
        raise Unavailable(f"Restate's server is not installed for {system}: run `make peers`.")
    return binary
