"""The disruptions that are neither a downstream's fault setting nor a fault of the proxy."""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from orders.aws.messages import check_of
from orders.domain.order import OrderKey
from orders.domain.promises import Promise
from orders.domain.saga import Downstream
from orders.failures import PermanentFailure
from orders.ports import Check
from spillway.operate.redrive.dead_letters import source_of
from spillway.operate.redrive.moving import Redrive
from spillway.prove.audit.verdicts import Violation
from spillway.prove.chaos.recorder import ResponseRecorder
from spillway.run.load.patience import Patience
from spillway.run.stack import Stack
from spillway.run.stack.keys import parameter
from spillway.run.stack.processes import children
from spillway.target.reading import read_depths
from spillway.target.records import Depth

#: A worker is killed up to so long after the answer that pays for it, or after the kill before:
#: anywhere in the work that the answered order causes.
KILL_WITHIN_SECONDS = 0.5

#: Once all queues have been empty for so long, no message will come any more. Twice what the
#: slowest function (infra/stages/local.toml) may take: by then its messages have been sent, or have
#: come back to their queue. Only a run that loses orders waits for it.
IDLE_AFTER_SECONDS = 60.0

_POLL_SECONDS = 0.5

FUNCTION = re.compile(r"ministack-lambda-spillway-local-(.+?)-[^-/]+/")


@dataclass
class Killer:
    """Kills processes that run functions, or the function `only`. `killed`: how many, by
    function."""

    stack: Stack
    rng: random.Random
    only: str | None = None
    killed: Counter[str] = field(default_factory=Counter)
    _due: list[asyncio.TimerHandle] = field(default_factory=list)
    _tried: int = 0

    def fired(self) -> int:
        return self.killed.total()

    def has_tried_all(self) -> bool:
        """No kill is due any more: some may have found no process to kill."""
        return self._tried >= len(self._due)

    def kill_later(self) -> None:
        # One after the other, so that functions which begin later are hit too.
        loop = asyncio.get_running_loop()
        after = max(loop.time(), self._due[-1].when() if self._due else 0.0)
        wait = self.rng.uniform(0.0, KILL_WITHIN_SECONDS)
        self._due.append(loop.call_at(after + wait, self.kill_one))

    def kill_one(self) -> None:
        """Kill one at random, if there is any. One that has just ended does not count.

        Each function is as likely, however many processes it has; most of them run intake.
        """
        self._tried += 1
        functions = {
            pid: name
            for pid, name in running_functions(self.stack).items()
            if self.only in (None, name)
        }
        if not functions:
            return
        unlucky = self.rng.choice(sorted({*functions.values()}))
        pid = self.rng.choice(sorted(pid for pid, name in functions.items() if name == unlucky))
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.killed[functions[pid]] += 1

    @contextmanager
    def killing(self, recorder: ResponseRecorder) -> Iterator[Killer]:
        """During the block, each acknowledged order pays for one kill: on a slow machine the
        workers get the time that they need between two kills."""
        recorder.on_acknowledged = self.kill_later
        try:
            yield self
        finally:
            recorder.on_acknowledged = lambda: None
            for kill in self._due:
                kill.cancel()


def running_functions(stack: Stack) -> dict[int, str]:
    """Which function each worker process runs, by the name of its folder."""
    return {
        pid: match[1]
        for pid, command in children(stack.emulator_pid).items()
        if (match := FUNCTION.search(command))
    }


@dataclass(slots=True)
class IdleDetector:
    """True when no queue has held anything for a while: what has not settled by then never will.

    The watchdog's delayed messages count too: while there is one, an order is still checked.
    """

    stack: Stack
    _patience: Patience = field(default_factory=lambda: Patience(IDLE_AFTER_SECONDS))

    def __call__(self) -> bool:
        return self.is_idle(read_depths(self.stack.client("sqs"), self.stack.queues))

    def is_idle(self, depths: list[Depth]) -> bool:
        """With these depths now."""
        busy = any(depth.messages for depth in depths if not depth.is_dead_letter)
        return self._patience.is_over(busy) and not busy


@dataclass(frozen=True, slots=True)
class Poison:
    """Messages and a record that no function can read.

    `record`: the key of an item in the orders table, which relay reads. `queues`: those that a
    function reads.
    """

    record: OrderKey
    queues: Sequence[str]

    @classmethod
    def of(cls, queues: Iterable[str], record: OrderKey) -> Poison:
        """For each of a stack's queues but those that only people read."""
        return cls(record, [queue for queue in queues if not queue.endswith("_dead_letter")])

    @property
    def messages(self) -> Mapping[str, str]:
        """By queue."""
        return {queue: f'{{"poison":"{queue}"}}' for queue in self.queues}

    def fired(self) -> int:
        return len(self.messages) + 1


@contextmanager
def poisoned(stack: Stack, poison: Poison) -> Iterator[Poison]:
    """The poison in each queue and in the table's stream; the item is deleted at the end."""
    sqs, dynamodb = stack.client("sqs"), stack.client("dynamodb")
    key = {"pk": {"S": poison.record.customer_id}, "sk": {"S": poison.record.order_id}}
    for queue, body in poison.messages.items():
        sqs.send_message(QueueUrl=stack.queues[queue], MessageBody=body)
    dynamodb.put_item(TableName=stack.tables["orders"], Item={**key, "content": {"B": b"poison"}})
    try:
        yield poison
    finally:
        dynamodb.delete_item(TableName=stack.tables["orders"], Key=key)


def remove_poison(stack: Stack, poison: Poison) -> list[Violation]:
    """What an operator does: wait until all poison has been dead-lettered, and delete it there.

    Returns what is missing. Other dead letters stay where they are, for the audit to find.
    """
    sqs = stack.client("sqs")
    wanted: dict[str, str | None] = {**poison.messages, "relay": None}
    patience = Patience()
    while wanted and not patience.is_over(len(wanted)):
        for queue, body in [*wanted.items()]:
            url = stack.queues[f"{queue}_dead_letter"]
            answer = sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
            )
            for dead_letter in answer.get("Messages", []):
                reason = "reason" in dead_letter.get("MessageAttributes", {})
                ours = dead_letter["Body"] == body or _checks(dead_letter["Body"], poison.record)
                if reason and ours:
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=dead_letter["ReceiptHandle"])
                    wanted.pop(queue, None)
        time.sleep(_POLL_SECONDS)
    return [
        Violation(Promise.ALWAYS_SETTLES, None, f"the poison of {queue} is not among dead letters")
        for queue in wanted
    ]


@contextmanager
def wrong_key_stored(stack: Stack, downstream: Downstream) -> Iterator[None]:
    """Parameter Store has a key that this downstream does not know."""
    ssm, name = stack.client("ssm"), parameter(f"{downstream}/api-key")

    def put(key: str) -> None:
        ssm.put_parameter(Name=name, Value=key, Type="SecureString", Overwrite=True)

    put("a key that has run out")
    try:
        yield
    finally:
        put(stack.secrets.keys.api_keys[downstream])


def redrive(stack: Stack, name: str) -> int:
    """What an operator does: `spillway redrive NAME`. Returns how many dead letters moved."""
    work = Redrive(
        sqs=stack.client("sqs"),
        streams=stack.client("dynamodbstreams"),
        sources=[source_of(stack.queues, name)],
        dry_run=False,
    )
    work.run()
    return work.moved


def _checks(body: str, key: OrderKey) -> bool:
    with suppress(PermanentFailure):
        return check_of(body) == Check(key, force=True)
    return False
