"""What a downstream keeps: one entry per effect or refusal, and which body each key came with."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Entry:
    """One effect (`done`) or one refusal, written once and never changed.

    `at` is Unix milliseconds by the downstream's clock. `idempotency_key` is the one it came with,
    or the fake's own for it where keys are switched off. `code` and `detail` say why it was
    refused. `units` (reserve, ship) and `amount` in minor units of `currency` (post, refund) are
    what the command asked for.
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

    @property
    def done(self) -> bool:
        return self.outcome == "done"


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries, and the cursor of the next page: None at the end. A page may be empty before
    the end."""

    entries: tuple[Entry, ...]
    cursor: str | None


class LedgerUnavailableError(Exception):
    """The storage did not answer: nothing is known of what was asked of it."""


class Ledger(Protocol):
    """One downstream's storage. Both writes are conditional and atomic; nothing is overwritten.

    Claim and entry are two writes. A crash between them is harmless: the retry finds its own claim
    and goes on to the entry.

    Every method may raise `LedgerUnavailableError`.
    """

    def claim(self, idempotency_key: str, fingerprint: str) -> str:
        """The fingerprint of the body that this key first came with: this one, if it is new."""

    def record(self, entry: Entry) -> Entry:
        """The entry that stands under this order, step and key: this one, if there was none."""

    def entries(self, customer_id: str, order_id: str) -> tuple[Entry, ...]:
        """All of one order, no older than this call."""

    def page(self, cursor: str | None, limit: int) -> Page:
        """Up to `limit` entries of the whole ledger in no particular order, for an audit."""


def all_entries(ledger: Ledger, page_size: int = 500) -> Iterator[Entry]:
    """Every entry of a ledger, read page by page."""
    cursor: str | None = None
    while True:
        page = ledger.page(cursor, page_size)
        yield from page.entries
        if page.cursor is None:
            return
        cursor = page.cursor


class MemoryLedger:
    """A ledger for the simulation and the tests, safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._claims: dict[str, str] = {}
        self._entries: dict[tuple[str, str], dict[tuple[str, str], Entry]] = {}

    def claim(self, idempotency_key: str, fingerprint: str) -> str:
        with self._lock:
            return self._claims.setdefault(idempotency_key, fingerprint)

    def record(self, entry: Entry) -> Entry:
        with self._lock:
            order = self._entries.setdefault((entry.customer_id, entry.order_id), {})
            return order.setdefault((entry.step, entry.idempotency_key), entry)

    def entries(self, customer_id: str, order_id: str) -> tuple[Entry, ...]:
        with self._lock:
            return tuple(self._entries.get((customer_id, order_id), {}).values())

    def page(self, cursor: str | None, limit: int) -> Page:
        with self._lock:
            everything = [entry for order in self._entries.values() for entry in order.values()]
        start = int(cursor or 0)
        end = start + limit
        return Page(tuple(everything[start:end]), str(end) if end < len(everything) else None)
