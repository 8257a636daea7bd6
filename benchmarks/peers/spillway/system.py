"""Spillway itself, on the AWS emulator, by the same interface as the others."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

import httpx

from benchmarks.peers import usage
from benchmarks.peers.fakes import Fakes
from benchmarks.peers.spillway.changed import changed, settled_by
from benchmarks.peers.system import System, retries
from benchmarks.peers.usage import Usage
from orders.domain.backoff import DELIVER
from orders.domain.saga import Facts, settled
from spillway.prove.chaos.mutant import code_deployed
from spillway.prove.mutants.service import sources
from spillway.run.load.clients import Client, Tokens
from spillway.run.stack import SigningKey, Stack, running
from spillway.target.service import of_stack


class Spillway(System):
    name: ClassVar[str] = "spillway"
    title: ClassVar[str] = "Spillway on the AWS emulator"
    notes: ClassVar[Sequence[str]] = (
        "The emulator stands for AWS's own services, and its share is named apart.",
        "The emulator keeps its data in memory: no order waits for a disk, as the others do.",
        retries(DELIVER.first_seconds, DELIVER.max_seconds, "longer by a quarter each time"),
        "Each request's token, receipt and price are checked; the peers' programs check nothing.",
    )
    victims: ClassVar[Mapping[str, str]] = {
        "functions": "every process that runs a function; what stands for AWS is not",
    }

    upgrades: ClassVar[Mapping[str, str]] = {
        "deployed": "all functions at once; no code for orders that are under way. Before such a"
        " change fulfilment's queue must have run empty, as it has in this test: the new code takes"
        " an order whose posting is refused first for one that was never shipped",
    }

    def __init__(self, folder: Path, fakes: Fakes) -> None:
        super().__init__(folder, fakes)  # it has a folder of its own
        self._fakes = fakes
        self._parts = ExitStack()
        self._code = ExitStack()
        self._settled: Callable[[Facts], bool] = settled
        self._stack: Stack | None = None

    def __enter__(self) -> Spillway:
        self._stack = self._parts.enter_context(running(downstreams_at=self._fakes.url))
        self._fakes.take(self._stack.secrets.keys.api_keys)
        return self

    def __exit__(self, *_: object) -> None:
        self._code.close()
        self._parts.close()

    @property
    def stack(self) -> Stack:
        if self._stack is None:
            raise RuntimeError("It has not been started.")
        return self._stack

    @property
    def receipt_key(self) -> SigningKey:
        return self.stack.receipt_key

    @property
    def price_key(self) -> SigningKey | None:
        return self.stack.price_key

    @property
    def url(self) -> str:
        return self.stack.api

    @classmethod
    def versions(cls) -> Mapping[str, str]:
        return {"MiniStack": version("ministack")}

    def client(self, http: httpx.AsyncClient) -> Client:
        return Client(http, Tokens(self.stack.token))

    def usage(self) -> dict[str, Usage]:
        """The functions are what is billed. `stand_in` is all that AWS has in the place of: the
        emulator, the proxy that its functions' calls pass, and the local origin."""
        functions = usage.of(self._workers()) + Usage(self._ended())
        everything = usage.of(usage.tree(self.stack.pid))
        return {
            "functions": functions,
            "stand_in": Usage(
                everything.processor_seconds - functions.processor_seconds,
                everything.memory_bytes - functions.memory_bytes,
            ),
        }

    def stored_bytes(self) -> int | None:
        return None

    def unfinished(self) -> set[str]:
        return {
            record.key.order_id
            for record in of_stack(self.stack).orders.orders()
            if record.stored and not self._settled(record.facts)
        }

    def deploy(self, upgrade: str) -> None:  # noqa: ARG002 - there is one
        code = changed(sources())
        self._code.enter_context(code_deployed(self.stack, code))
        self._settled = settled_by(code)

    def restore(self) -> None:
        self._code.close()
        self._settled = settled

    def kill(self, victim: str) -> None:  # noqa: ARG002 - there is one
        for pid in self._workers():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def revive(self, victim: str) -> None:
        """Nothing is to be done: as on AWS the next event starts a new process."""

    def _workers(self) -> list[int]:
        return self.stack.worker_pids()

    def _ended(self) -> float:
        """Of functions' processes that are gone. The emulator has no other children to speak of."""
        return usage.ended_children_seconds(self.stack.emulator_pid)
