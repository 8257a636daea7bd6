"""What a downstream stores: one entry per effect or refusal, and which body each key came with."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Entry:
    """One effect (`done`) or one refusal, written once and never changed.

    `at` is Unix milliseconds by the downstream's clock. `idempotency_key` came with the command, or
    is the fake's own where keys are switched off. `code` and `detail` say why it was refused.
    `units` (reserve, ship) and `amount` in minor units of `currency` (post, refund) are
    what the command asked for. `correlation` came with the command, to be given back in messages
    about it. `looked_up_at`: of a downstream without keys, when somebody had looked before this
    command, and found nothing on record.
    """

    customer_id: str
    order_id: str
    step: str
    idempotency_key: str
    outcome: Literal["done", "refused"]
    reference: str
    at: int
    code: str | None = None
    detail: str | None = None
    units: int | None = None
    amount: int | None = None
    currency: str | None = None
    correlation: str | None = None
    looked_up_at: int | None = None

    @property
    def done(self) -> bool:
        return self.outcome == "done"


class LedgerUnavailableError(Exception):
    """The storage did not answer: whether it did what was asked is unknown."""


class KeyReusedError(Exception):
    """This key first came with another body."""


class Ledger(Protocol):
    """One downstream's storage. Both writes are conditional and atomic; nothing is overwritten.

    `fingerprint` is that of the body that came with the key. Both writes may raise
    `KeyReusedError`, and every method `LedgerUnavailableError`.
    """

    def claim(self, idempotency_key: str, fingerprint: str) -> None:
        """From now on this key belongs to this body alone."""

    def record(self, entry: Entry, fingerprint: str) -> Entry:
        """Claim its key, and return the entry on record for this order, step and key: this one, if
        there was none."""

    def entries(self, customer_id: str, order_id: str) -> tuple[Entry, ...]:
        """All of one order, no older than this call."""

    def all_entries(self) -> list[Entry]:
        """The whole ledger in no particular order, for an audit."""


class MemoryLedger:
    """A ledger for the simulation and the tests. `on_entry` gets each new entry."""

    def __init__(self, on_entry: Callable[[Entry], None] = lambda _: None) -> None:
        self._on_entry = on_entry
        self._lock = threading.Lock()
        self._claims: dict[str, str] = {}
        self._entries: dict[tuple[str, str], dict[tuple[str, str], Entry]] = {}

    def claim(self, idempotency_key: str, fingerprint: str) -> None:
        with self._lock:
            self._claim(idempotency_key, fingerprint)

    def _claim(self, idempotency_key: str, fingerprint: str) -> None:
        if self._claims.setdefault(idempotency_key, fingerprint) != fingerprint:
            raise KeyReusedError(idempotency_key)

    def record(self, entry: Entry, fingerprint: str) -> Entry:
        with self._lock:
            self._claim(entry.idempotency_key, fingerprint)
            order = self._entries.setdefault((entry.customer_id, entry.order_id), {})
            recorded = order.setdefault((entry.step, entry.idempotency_key), entry)
        if recorded is entry:
            self._on_entry(entry)
        return recorded

    def entries(self, customer_id: str, order_id: str) -> tuple[Entry, ...]:
        with self._lock:
            return tuple(self._entries.get((customer_id, order_id), {}).values())

    def all_entries(self) -> list[Entry]:
        with self._lock:
            return [entry for order in self._entries.values() for entry in order.values()]
