"""The three downstreams that every system calls, served by this process, with ledgers in memory."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from simulation.downstreams.fake import FakeDownstream
from simulation.downstreams.fault_settings import FaultSettings
from simulation.downstreams.ledger import Entry, MemoryLedger
from simulation.downstreams.server import served, surroundings, uvicorn_config
from spillway.run.stack.keys import DOWNSTREAMS
from spillway.run.stack.ports import listen, port_of
from spillway.run.stack.serving import serving


def _nothing(_: Entry) -> None: ...


@dataclass(eq=False)
class Fakes:
    """`on_entry` gets each new entry in the thread that answers the command: what it does happens
    after the effect and before its answer."""

    url: str
    on_entry: Callable[[Entry], None] = _nothing
    api_key: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    by_downstream: dict[str, FakeDownstream] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for name in DOWNSTREAMS:
            ledger = MemoryLedger(lambda entry: self.on_entry(entry))
            self.by_downstream[name] = FakeDownstream(name, **surroundings(ledger, self.api_key))

    def take(self, api_keys: Mapping[str, str]) -> None:
        """Ask for these keys, by downstream, instead of `api_key`."""
        for name, key in api_keys.items():
            self.by_downstream[name].api_key = key

    def misbehave(self, settings: Mapping[str, FaultSettings]) -> None:
        """By downstream; one that is left out behaves."""
        for name, fake in self.by_downstream.items():
            fake.fault_settings = settings.get(name, FaultSettings())

    def entries(self) -> list[Entry]:
        """All three ledgers."""
        return [
            entry for fake in self.by_downstream.values() for entry in fake.ledger.all_entries()
        ]


@contextmanager
def serving_fakes() -> Iterator[Fakes]:
    """New fakes with empty ledgers, served until the block ends."""
    listener = listen(0)
    port = port_of(listener)
    fakes = Fakes(f"http://127.0.0.1:{port}")
    with serving(uvicorn_config(served(fakes.by_downstream), port=port), listener):
        yield fakes
