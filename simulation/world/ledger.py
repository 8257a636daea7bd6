"""A downstream's own storage in a world, whose new entries the invariant checker sees."""

from __future__ import annotations

from collections.abc import Callable

from simulation.downstreams.ledger import Entry, MemoryLedger


class CheckedLedger(MemoryLedger):
    def __init__(self, on_entry: Callable[[Entry], None]) -> None:
        super().__init__()
        self._on_entry = on_entry

    def record(self, entry: Entry) -> Entry:
        standing = super().record(entry)
        if standing is entry:
            self._on_entry(entry)
        return standing
