"""Batch messages: several messages that travel as one, because a queue is paid by the message.

Messages in a batch message have nothing to do with each other, so one that fails must not hold up
the rest. Therefore a batch message is tried only once:

- First attempt: each message inside is handled. Those that are not done are requeued as single
  messages, and only then is the batch message deleted. A crash in between makes duplicates, which
  every step tolerates.
- Any later attempt: the batch message is split, which requeues all its messages without handling
  them. Whatever ended the first attempt, perhaps one of the messages, can then end only its own.

A message is requeued once, and a few times more where what a downstream says of having taken it
changes (orders.flow.deliver.TAKEN_MAX), never as a way to wait: Lambda stops a message that
functions have sent to their own queue about 16 times (its recursive loop detection), so a long
outage would lose it. Single messages wait by their visibility timeout instead, which sends nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from orders.ports import Inbox, Message


def open_batch(batch: Message) -> Sequence[Message]:
    """The messages inside, for their first attempt; none when the batch message has come back."""
    if batch.attempt > 1:
        return ()
    return [
        Message(f"{batch.id}/{number}", body, attempt=1)
        for number, body in enumerate(batch.batched)
    ]


def split(batch: Message, inbox: Inbox) -> str:
    batch.log["messages"] = len(batch.batched)
    inbox.requeue([(body, 0) for body in batch.batched])
    return "split"
