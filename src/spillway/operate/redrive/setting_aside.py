"""Takes a dead letter out of its queue for good, and keeps it in a file on this machine.

For a message that no retry can help: another program's, one of a second order under an id that is
taken, or one about changes that the stream no longer has. Never for one that an order still needs:
without it the order would wait for ever, or be gone.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from orders.aws.messages import check_of, command_of, overflowed_order_of
from orders.domain import saga
from orders.domain.order import OrderKey
from orders.domain.saga import DOWNSTREAMS
from orders.failures import PermanentFailure
from spillway.errors import SpillwayError
from spillway.operate.redrive.dead_letters import DeadLetter, contents, source_of, why
from spillway.operate.redrive.found import Found
from spillway.operate.redrive.moving import Receiver
from spillway.paths import home
from spillway.target.service import Service
from spillway.ui.formatting import rfc3339

REASON_MAX = 500
_FOREVER = 2**53


@dataclass(frozen=True, slots=True)
class SetAside:
    """`path` is the file that has the whole message now, readable by its owner only. `at` is RFC
    3339."""

    queue: str
    message_id: str
    reason: str
    path: Path
    at: str = ""


def set_aside_before(service: Service, folder: Path | None = None) -> list[SetAside]:
    """What was set aside on this machine, from this stage, the latest first."""
    found = []
    for path in (folder or _folder(service)).glob("*.json"):
        with suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads(path.read_text(encoding="utf-8"))
            why_aside = str(kept["set_aside_because"])
            at = str(kept["set_aside_at"])
            found.append(SetAside(str(kept["queue"]), str(kept["message_id"]), why_aside, path, at))
    return sorted(found, key=lambda one: one.at, reverse=True)


def set_aside(
    service: Service,
    queue: str,
    message_id: str,
    reason: str,
    *,
    folder: Path | None = None,
    now: Callable[[], float] = time.time,
) -> SetAside:
    """Write a dead letter to a file, then delete it from its queue. One that was set aside before
    stays as it is.

    SpillwayError: there is no such message, an order still needs it, or it could not be deleted; it
    is in the queue then. `reason` is the operator's, and must be given.
    """
    reason = " ".join(reason.split())
    if not 1 <= len(reason) <= REASON_MAX:
        raise SpillwayError(f"Say why it is set aside, in 1 to {REASON_MAX} characters.")
    folder = folder or _folder(service)
    source = source_of(service.queues, queue)
    receiver = Receiver(service.sqs, source.dead_letters, _FOREVER, Found(visible=1))
    try:
        letter = _received(receiver, message_id)
        if letter is None:
            for before in set_aside_before(service, folder):
                if (before.queue, before.message_id) == (queue, message_id):
                    return before
            raise SpillwayError(
                f"{queue} has no dead letter {message_id}, or another command is looking at it:"
                " try again in 5 minutes."
            )
        for key in still_needing(service, queue, letter.body):
            raise SpillwayError(
                f"Order {key.order_id} still needs this message: fix the cause, then move it back."
            )
        at = int(now() * 1000)
        path = _written(folder, queue, letter, reason, at)
        if receiver.delete([letter]):
            raise SpillwayError(f"SQS did not delete the message: it is in {path} too. Try again.")
    finally:
        receiver.release()
    return SetAside(queue, message_id, reason, path, rfc3339(at))


def _folder(service: Service) -> Path:
    return home() / "set-aside" / service.stage


def _received(receiver: Receiver, message_id: str) -> DeadLetter | None:
    for letters in receiver.dead_letters():
        for letter in letters:
            if letter.message_id == message_id:
                return letter
    return None


def still_needing(service: Service, queue: str, body: str) -> list[OrderKey]:
    """The orders that would wait for ever, or be gone, without the message."""
    needing = []
    for message in contents(queue, body):
        with suppress(PermanentFailure):
            if queue in DOWNSTREAMS:
                command = command_of(message)
                key = command.key
                record = service.orders.order(key)
                needed = record is not None and command.step in saga.owed(record.facts)
            elif queue == "overflow":
                # Another order or a void id under its id: it can never be placed.
                key = overflowed_order_of(message).key
                needed = not service.orders.items_of(key)
            else:
                # Moving it back costs nothing: the watchdog is quickly done with a settled order.
                key = check_of(message).key
                needed = bool(service.orders.items_of(key))
            if needed:
                needing.append(key)
    return needing


def _written(folder: Path, queue: str, letter: DeadLetter, reason: str, now: int) -> Path:
    """The file, on the disk before the message leaves its queue."""
    content = {
        "queue": queue,
        "message_id": letter.message_id,
        "sent_at": rfc3339(letter.sent_at),
        "why_it_is_a_dead_letter": why(letter, None),
        "set_aside_at": rfc3339(now),
        "set_aside_because": reason,
        "body": letter.body,
    }
    name = "".join(one if one.isalnum() or one == "-" else "_" for one in letter.message_id)
    path = folder / f"{queue}-{name}.json"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    return path
