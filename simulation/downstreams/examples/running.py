"""The three examples at work: what they do without being asked.

The ERP decides its holds in batches and calls back; the warehouse reads its queue. Each has a
thread of its own until the block ends.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from simulation.downstreams.callback import Callback
from simulation.downstreams.examples.books import Books
from simulation.downstreams.examples.erp import Erp
from simulation.downstreams.examples.warehouse import BrokenDownError, Warehouse, parcel_form
from simulation.downstreams.ledger import Ledger, LedgerUnavailableError
from simulation.downstreams.parcels import Parcels
from simulation.downstreams.server import surroundings
from simulation.downstreams.service import Service

#: How often the ERP works off what waits.
BATCH_SECONDS = 1.0
SIGNATURE_HEADER = "x-erp-signatur"
TIMESTAMP_HEADER = "x-erp-zeitstempel"
#: A callback that is not answered with 2xx is sent again: after 1, 2, 4, 8 and 16 s.
CALLBACK_TRIES_MAX = 6
#: So long a thread may be at a message when the block ends.
_END_SECONDS = 10.0
#: How long the warehouse waits for messages, and how long before it looks again when it is paused.
_POLL_SECONDS = 1
_PAUSE_SECONDS = 0.2
#: After which a message comes again that was not handled.
VISIBILITY_SECONDS = 5
_MESSAGES_MAX = 10
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Examples:
    erp: Erp
    warehouse: Warehouse
    books: Books

    @property
    def by_downstream(self) -> dict[str, Service]:
        return {"inventory": self.erp, "fulfilment": self.warehouse, "accounting": self.books}


@dataclass(frozen=True, slots=True)
class Way:
    """How the examples reach whoever commands them. `sqs`: a boto3 client, for threads."""

    callback_url: str
    callback_key: bytes
    sqs: Any
    commands_url: str
    outcomes_url: str


def examples(ledgers: Mapping[str, Ledger], api_keys: Mapping[str, str], way: Way) -> Examples:
    """On the system's clock and dice. Both mappings are by downstream."""
    given = {name: surroundings(ledger, api_keys[name]) for name, ledger in ledgers.items()}
    parcels = Parcels(partial(_sent, way), parcel_form)
    return Examples(
        Erp(**given["inventory"]),
        Warehouse(**given["fulfilment"], parcels=parcels),
        Books(**given["accounting"]),
    )


def _sent(way: Way, body: bytes) -> bool:
    try:
        way.sqs.send_message(QueueUrl=way.outcomes_url, MessageBody=body.decode())
    except (ClientError, BotoCoreError):
        return False
    return True


@contextmanager
def at_work(fakes: Examples, way: Way) -> Iterator[None]:
    over = threading.Event()
    callbacks = Callbacks(way.callback_url, way.callback_key)
    queue = Queue(fakes.warehouse, way.sqs, way.commands_url, way.outcomes_url)
    threads = [
        threading.Thread(target=_repeat, args=(work, over, pause), daemon=True)
        for work, pause in (
            (lambda: callbacks.send(fakes.erp.work_off()), BATCH_SECONDS),
            (queue.work_off, 0.0),
        )
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(_END_SECONDS)


def _repeat(work: Callable[[], None], over: threading.Event, pause: float) -> None:
    while not over.is_set():
        try:
            work()
        except Exception:  # noqa: BLE001 - whatever it is, the next round may go well
            _log.exception("An example downstream failed")
            over.wait(_PAUSE_SECONDS)
        over.wait(pause)


@dataclass(frozen=True, slots=True)
class _Callback:
    body: bytes
    tries: int = 0
    due: float = 0.0


class Callbacks:
    """Sends the ERP's callbacks, each until it is taken or was tried so often."""

    def __init__(
        self,
        url: str,
        key: bytes,
        transport: httpx.BaseTransport | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._now = now
        self._callback = Callback(
            url,
            key,
            signature_header=SIGNATURE_HEADER,
            timestamp_header=TIMESTAMP_HEADER,
            prefix="sha256=",
            transport=transport,
            now=now,
        )
        self._waiting: list[_Callback] = []

    def send(self, bodies: Sequence[bytes]) -> None:
        """Send these, and those that are due again."""
        due = [one for one in self._waiting if one.due <= self._now()]
        self._waiting = [one for one in self._waiting if one.due > self._now()]
        for callback in [*due, *map(_Callback, bodies)]:
            if not self._callback.send(callback.body) and callback.tries + 1 < CALLBACK_TRIES_MAX:
                again = self._now() + 2**callback.tries
                self._waiting.append(replace(callback, tries=callback.tries + 1, due=again))


@dataclass(frozen=True, slots=True)
class Queue:
    """Reads the warehouse's queue. A message leaves it only after its outcome was sent, so that no
    outcome is lost with the process."""

    warehouse: Warehouse
    sqs: Any
    commands_url: str
    outcomes_url: str

    def work_off(self) -> None:
        """Handle what is there now, or wait a moment for the next."""
        if self.warehouse.paused:
            time.sleep(_PAUSE_SECONDS)
            return
        received = self.sqs.receive_message(
            QueueUrl=self.commands_url,
            MaxNumberOfMessages=_MESSAGES_MAX,
            WaitTimeSeconds=_POLL_SECONDS,
            VisibilityTimeout=VISIBILITY_SECONDS,
        ).get("Messages", ())
        if received:
            # Together, as a warehouse has many hands.
            time.sleep(self.warehouse.latency_ms / 1000)
        for message in received:
            self._handle(message)

    def _handle(self, message: Mapping[str, str]) -> None:
        try:
            outcome = self.warehouse.handle(message["Body"].encode())
        except (BrokenDownError, LedgerUnavailableError):
            return
        if outcome is not None:
            self.sqs.send_message(QueueUrl=self.outcomes_url, MessageBody=outcome.decode())
        self.sqs.delete_message(QueueUrl=self.commands_url, ReceiptHandle=message["ReceiptHandle"])
