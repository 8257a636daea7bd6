"""The message processor of deliver, drain and watchdog.

It calls `handle` for each message. What `handle` does decides what becomes of the message, and
under which outcome it is logged:

    returns an outcome         done: the queue deletes it (that outcome)
    raises RetryLater          nothing failed, but it comes back after a wait, perhaps with another
                               body (its own outcome)
    raises TransientFailure    its outcome is unknown: it comes back after a wait (postponed)
    raises Misconfigured       the same, and somebody must mend something (misconfigured)
    raises PermanentFailure    a retry can't help: it moves to the dead-letter queue (dead_lettered)
    raises Contradiction       the same (contradicted)
    raises anything else       a bug: it comes back after the queue's own timeout (bug)

If the wait or the dead letter can't be arranged, the queue's own timeout brings the message back
(unavailable). Waits grow exponentially, and the queue does the waiting. A message that fails never
affects the other messages that Lambda passed in with it.

Several messages may travel as one batch message. orders.flow.batches says what happens to those
that are not done at their first attempt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from orders.domain.backoff import Backoff
from orders.domain.waits import BATCH_MS
from orders.failures import (
    Contradiction,
    Misconfigured,
    PermanentFailure,
    TransientFailure,
    error_location,
)
from orders.flow.batches import open_batch, split
from orders.ports import Clock, ConcurrentMap, Inbox, Jitter, Log, Message

#: Does what a message asks for. Returns the outcome for the log, None for one not worth a line.
Handle = Callable[[Message], str | None]
#: An SQS event as Lambda passes it in.
Event = Mapping[str, Any]


class RetryLater(Exception):
    """Nothing failed, but the message must come back. `outcome` is for the log.

    `backoff`: how long it waits, where not as the consumer's other messages. `body`: a message with
    this body comes in its place, whose attempts count anew. It is sent, so a message is replaced a
    few times at most (orders.flow.batches).
    """

    def __init__(
        self, outcome: str, *, backoff: Backoff | None = None, body: str | None = None
    ) -> None:
        super().__init__(outcome)
        self.outcome, self.backoff, self.body = outcome, backoff, body


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a message.

    `done`: the queue may delete it. `retry_seconds`: the wait until it comes back, None where the
    queue's own timeout decides. `body`: of the message that comes in its place, if another does.
    """

    outcome: str | None
    done: bool = True
    retry_seconds: int | None = None
    body: str | None = None


def _none(_body: str) -> Sequence[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Consumer:
    """`unbatch` returns the bodies inside a batch message's body, none for a single message's.
    `finish_ms`: so long after a batch came in what is not done of a batch message may still be
    requeued."""

    step: str
    inbox: Inbox
    clock: Clock
    jitter: Jitter
    log: Log
    backoff: Backoff
    concurrent_map: ConcurrentMap = map
    unbatch: Callable[[str], Sequence[str]] = _none
    finish_ms: int = BATCH_MS

    def received(self, event: Event) -> list[Message]:
        return [
            Message(
                id=record["messageId"],
                body=record["body"],
                attempt=int(record["attributes"]["ApproximateReceiveCount"]),
                receipt=record["receiptHandle"],
                batched=self.unbatch(record["body"]),
            )
            for record in event["Records"]
        ]

    def consume(self, messages: Sequence[Message], handle: Handle) -> dict[str, Any]:
        """Process all messages. Never raises, because Lambda would then bring back all of them.

        Returns Lambda's partial batch response. It names the messages that must come back; the
        queue deletes the others. Single messages go first: those inside batch messages take turns.
        """
        inside = {message: open_batch(message) for message in messages if message.batched}
        singles = [message for message in messages if not message.batched]
        handled = [*singles, *chain.from_iterable(inside.values())]
        now = self.clock.now()
        begin_by, finish_by = now + BATCH_MS, now + self.finish_ms
        each = self.concurrent_map(lambda message: self.process(message, handle, begin_by), handled)
        results = dict(zip(handled, each, strict=True))
        finished = self.concurrent_map(
            lambda batch: self._finish_batch(batch, inside[batch], results, finish_by), inside
        )
        results |= zip(inside, finished, strict=True)
        return {
            "batchItemFailures": [
                {"itemIdentifier": message.id} for message in messages if not results[message].done
            ]
        }

    def process(self, message: Message, handle: Handle, begin_by: int) -> Result:
        """Handle one message, arrange what follows, and log it in one line. Never raises."""
        started = self.clock.now()
        if started <= begin_by:
            result = self._tried(message, handle)
        else:
            result = Result("unavailable", done=False)
            message.log["detail"] = "no time was left to begin it"
        if result.outcome is not None:
            self.log(
                self.step,
                result.outcome,
                # Nearly all succeed at the first attempt, and log lines are paid by the byte.
                attempt=message.attempt if message.attempt > 1 else None,
                duration_ms=self.clock.now() - started,
                **message.log,
            )
        return result

    def _tried(self, message: Message, handle: Handle) -> Result:
        try:
            return self._handled(message, handle)
        except TransientFailure as failure:
            message.log["detail"] = str(failure)
            return Result("unavailable", done=False)
        except Exception as bug:  # noqa: BLE001 - a bug in one message must not affect the others
            message.log["error"] = error_location(bug)
            return Result("bug", done=False)

    def _handled(self, message: Message, handle: Handle) -> Result:
        try:
            return Result(handle(message))
        except RetryLater as later:
            backoff = later.backoff or self.backoff
            if later.body is not None:
                return self._replace(message, later.outcome, backoff, later.body)
            return self._retry(message, later.outcome, backoff)
        except Misconfigured as failure:
            message.log["detail"] = str(failure)
            return self._retry(message, "misconfigured", self.backoff)
        except TransientFailure as failure:
            message.log["detail"] = str(failure)
            return self._retry(message, "postponed", self.backoff)
        except PermanentFailure as failure:
            message.log["detail"] = str(failure)
            self.inbox.dead_letter(message.body, str(failure))
            contradicted = isinstance(failure, Contradiction)
            return Result("contradicted" if contradicted else "dead_lettered")

    def _retry(self, message: Message, outcome: str, backoff: Backoff) -> Result:
        seconds = backoff.delay_seconds(message.attempt, self.jitter())
        if message.receipt is not None:
            self.inbox.postpone(message.receipt, seconds)
        return Result(outcome, done=False, retry_seconds=seconds)

    def _replace(self, message: Message, outcome: str, backoff: Backoff, body: str) -> Result:
        """Send the other message first: a crash in between leaves both, which every step bears."""
        seconds = backoff.delay_seconds(1, self.jitter())
        if message.receipt is None:
            # It is requeued together with what else of its batch message comes back.
            return Result(outcome, done=False, retry_seconds=seconds, body=body)
        self.inbox.requeue([(body, seconds)])
        return Result(outcome)

    def _finish_batch(
        self,
        batch: Message,
        members: Sequence[Message],
        results: Mapping[Message, Result],
        finish_by: int,
    ) -> Result:
        """Requeue what is not done, one by one. If that fails, the batch message comes back."""

        def requeue_rest(_: Message) -> None:
            rest = [
                (
                    results[member].body or member.body,
                    self._requeue_seconds(member, results[member]),
                )
                for member in members
                if not results[member].done
            ]
            if rest:
                self.inbox.requeue(rest)

        def split_untried(batch: Message) -> str:
            return split(batch, self.inbox)

        return self.process(batch, requeue_rest if members else split_untried, finish_by)

    def _requeue_seconds(self, member: Message, result: Result) -> int:
        # After a bug no wait was chosen yet.
        if result.retry_seconds is not None:
            return result.retry_seconds
        return self.backoff.delay_seconds(member.attempt, self.jitter())
