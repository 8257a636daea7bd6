"""What a dead letter says: which order it is about, and why it is there.

Pure, and without personal data: an order is named by its id and its customer's hash.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from orders.aws.messages import messages_in
from orders.domain.order import OrderKey, is_order_id
from orders.domain.saga import DOWNSTREAMS
from orders.domain.units import CustomerId
from orders.downstream.keys import CORRELATION_ID, correlated
from spillway.errors import UsageError

#: The names of the dead-letter queues, in the order in which they are shown.
SOURCES = (*DOWNSTREAMS, "overflow", "watchdog", "relay")
#: Only where a downstream tells what it decides later.
OF_TELLERS = tuple(f"outcomes-{name}" for name in DOWNSTREAMS)
#: Those of the two functions that read the table's stream. They may hold dead letters of Lambda's,
#: and what they hold goes to the watchdog's queue.
OF_STREAM_READERS = frozenset({"watchdog", "relay"})


@dataclass(frozen=True, slots=True)
class Source:
    """A dead-letter queue and the queue that its messages go back to, both URLs."""

    name: str
    dead_letters: str
    queue: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message of a dead-letter queue. `sent_at` is Unix milliseconds by SQS's clock.

    `reason` is what our code gave when it dead-lettered the message, None where SQS or Lambda did,
    or whoever else wrote it here. `moved_by_sqs`: SQS moved it here after its last attempt.
    """

    message_id: str
    receipt: str
    body: str
    sent_at: int
    reason: str | None
    moved_by_sqs: bool = False


class Unmovable(Exception):
    """Nothing can be sent for this dead letter, so it stays; the exception's text says why."""


class _Named(msgspec.Struct):
    """What a command, an order in the overflow queue and a check have in common."""

    customer_id: str
    order_id: str


# DynamoDB Streams refuses any other text as a parameter.
_SequenceNumber = Annotated[str, msgspec.Meta(pattern=r"^\d{21,40}$")]


# Source: "Retain discarded records for a DynamoDB event source", AWS Lambda Developer Guide.
class StreamBatch(msgspec.Struct, rename="camel"):
    """Stream records that Lambda gave up on, from sequence number `first` to `last`, inclusive."""

    stream_arn: str
    shard_id: str
    first: _SequenceNumber = msgspec.field(name="startSequenceNumber")
    last: _SequenceNumber = msgspec.field(name="endSequenceNumber")


class LambdaFailure(msgspec.Struct):
    """What Lambda writes about a batch that it gave up on."""

    batch: StreamBatch = msgspec.field(name="DDBStreamBatchInfo")
    context: dict[str, Any] = msgspec.field(name="requestContext")


def sources_in(queues: Collection[str]) -> tuple[str, ...]:
    """Of a stage with queues of these names, all that have dead letters of their own."""
    return (*SOURCES, *tellers_in(queues))


def tellers_in(queues: Collection[str]) -> tuple[str, ...]:
    """Of these names of queues, those on which a downstream tells what it decides later."""
    return tuple(name for name in OF_TELLERS if name in queues)


def source_of(queues: Mapping[str, str], name: str) -> Source:
    """`queues` are a stack's queues: name to URL, like `inventory_dead_letter`.

    Relay has no queue of its own: its dead letters go to the watchdog as forced checks. Raises
    UsageError where the stage has no such queue.
    """
    if f"{name}_dead_letter" not in queues:
        raise UsageError(f"This stage has no {name}: none of its downstreams tells outcomes there.")
    return Source(name, queues[f"{name}_dead_letter"], queues.get(name, queues["watchdog"]))


def dead_letter_of(message: Mapping[str, Any]) -> DeadLetter:
    """From a message of ReceiveMessage, which was asked for these attributes and `reason`."""
    reason = message.get("MessageAttributes", {}).get("reason", {}).get("StringValue")
    return DeadLetter(
        message_id=message["MessageId"],
        receipt=message["ReceiptHandle"],
        body=message["Body"],
        sent_at=int(message["Attributes"]["SentTimestamp"]),
        reason=reason,
        moved_by_sqs="DeadLetterQueueSourceArn" in message["Attributes"],
    )


def contents(queue: str, body: str) -> tuple[str, ...]:
    """The messages in a dead letter of this queue: those of a batch, else the message itself.

    What a downstream tells is never a batch of ours, even where it has a list of that name.
    """
    return (() if queue in OF_TELLERS else messages_in(body)) or (body,)


def order_keys(queue: str, body: str) -> list[OrderKey]:
    """The orders that a dead letter of this queue names: several for a batch, perhaps none."""
    if queue in OF_TELLERS:
        # Where in its message the id stands, only its description says.
        told = (correlated(found[0]) for found in CORRELATION_ID.finditer(body))
        named = [key for key, _ in filter(None, told)]
    else:
        named = [*filter(None, map(_order_key, contents(queue, body)))]
    return list(dict.fromkeys(named))


def _order_key(body: str) -> OrderKey | None:
    try:
        named = msgspec.json.decode(body, type=_Named)
    except (msgspec.DecodeError, RecursionError):
        return None
    # Another program's message may name anything so, even a person.
    if not is_order_id(named.order_id):
        return None
    return OrderKey(CustomerId(named.customer_id), named.order_id)


def lambda_failure(body: str) -> LambdaFailure | None:
    """A dead letter of Lambda's; None for any other."""
    try:
        return msgspec.json.decode(body, type=LambdaFailure)
    except (msgspec.DecodeError, RecursionError):
        return None


def why(dead_letter: DeadLetter, tries_max: int | None) -> str:
    """Why a message is a dead letter, as far as that is known. `tries_max`: after how many receives
    SQS moves a message.

    Our code always gives a reason. SQS gives none, but marks what it has moved.
    """
    if dead_letter.reason is not None:
        return dead_letter.reason
    failure = lambda_failure(dead_letter.body)
    if failure is not None:
        condition = failure.context.get("condition", "no condition given")
        return f"Lambda gave up on a batch of changes that could not be handled ({condition})"
    if dead_letter.moved_by_sqs:
        times = "as often as its queue allows" if tries_max is None else f"{tries_max} times"
        return f"tried {times} without an outcome"
    return "no reason given: it was not moved here from its queue"


_KEY_REFUSED = re.compile(r"answered 40[13]$")
_UNREADABLE = re.compile(r"(cannot be read as|not) an? (command|order|check)\b")


def advice(reason: str) -> str:
    """What to do first about dead letters with this reason; "" where only the runbook says it."""
    if _KEY_REFUSED.search(reason):
        return (
            "It refuses our key, or the address: put in the right one, wait 5 minutes until the"
            " functions have read it, then move these back."
        )
    if _UNREADABLE.match(reason):
        return "No order waits for what nobody can read: find out who wrote it, then set it aside."
    return ""
