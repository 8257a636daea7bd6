"""The parts of trouble that are neither a downstream's switch nor a fault of the proxy."""

from __future__ import annotations

import os
import random
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from orders.aws.messages import check_of
from orders.domain.order import OrderKey
from orders.domain.promises import Promise
from orders.domain.saga import DOWNSTREAMS
from orders.failures import PermanentFailure
from orders.ports import Check
from spillway.operate.redrive.dead_letters import sources
from spillway.operate.redrive.moving import Redrive
from spillway.prove.audit.verdicts import Violation
from spillway.run.stack import Stack
from spillway.run.stack.processes import children
from spillway.target.reading import read_depths
from spillway.target.records import Depth

#: A worker is killed every so many seconds, drawn anew each time: while there is work, at any point
#: of it. Any faster, and a laptop does little but start them again.
KILL_EVERY_SECONDS = (0.2, 0.8)

#: All queues empty and nothing settled for this long: a message that somebody is about to send
#: would have come, and one that waits for its next try is counted by its queue.
LOST_AFTER_SECONDS = 10.0

#: The watchdog's queue delays what it is given by 10 s, and a message is tried at once.
LETTERS_WITHIN_SECONDS = 30.0
_LETTERS_POLL_SECONDS = 0.5

FUNCTION = re.compile(r"ministack-lambda-spillway-local-(.+?)-[^-/]+/")


@dataclass
class Killer:
    """Kills the processes that run functions. `killed`: how often, by function."""

    stack: Stack
    rng: random.Random
    killed: Counter[str] = field(default_factory=Counter)

    def fired(self) -> int:
        return self.killed.total()

    def kill_one(self) -> None:
        """Kill one at random, if there is any; one that has just gone by itself does not count.

        Each function is as likely, however many processes it has: intake's would take most of it.
        """
        functions = running_functions(self.stack)
        if not functions:
            return
        unlucky = self.rng.choice(sorted({*functions.values()}))
        pid = self.rng.choice(sorted(pid for pid, name in functions.items() if name == unlucky))
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.killed[functions[pid]] += 1


@contextmanager
def killing(killer: Killer) -> Iterator[Killer]:
    """Kill one of the processes that run functions again and again during the block."""
    stop = threading.Event()

    def kill() -> None:
        while not stop.wait(killer.rng.uniform(*KILL_EVERY_SECONDS)):
            killer.kill_one()

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    try:
        yield killer
    finally:
        stop.set()
        thread.join()


def running_functions(stack: Stack) -> dict[int, str]:
    """Which function each worker process runs, by the name of its folder."""
    return {
        pid: match[1]
        for pid, command in children(stack.emulator_pid).items()
        if (match := FUNCTION.search(command))
    }


@dataclass(slots=True)
class IdleDetector:
    """Nothing is in any queue for a while: what has not settled by then never will.

    Also the watchdog's delayed messages count: while there is one, an order is looked after.
    """

    stack: Stack
    empty_since: float | None = None

    def __call__(self) -> bool:
        depths = read_depths(self.stack.client("sqs"), self.stack.queues)
        return self.lasts(depths, time.monotonic())

    def lasts(self, depths: list[Depth], now: float) -> bool:
        """With these depths at `now`, seconds of a monotonic clock."""
        if any(depth.messages for depth in depths if not depth.is_dead_letter):
            self.empty_since = None
            return False
        if self.empty_since is None:
            self.empty_since = now
        return now - self.empty_since >= LOST_AFTER_SECONDS


@dataclass(frozen=True, slots=True)
class Poison:
    """Messages and a record that nobody can read, as they were planted.

    `messages`: queue name to body. `record`: the key of an item in the orders table.
    """

    messages: Mapping[str, str]
    record: OrderKey

    def fired(self) -> int:
        return len(self.messages) + 1


@contextmanager
def poisoned(stack: Stack, poison: Poison) -> Iterator[Poison]:
    """The poison in each queue and in the table's stream; the item is taken out at the end."""
    sqs, dynamodb = stack.client("sqs"), stack.client("dynamodb")
    key = {"pk": {"S": poison.record.customer_id}, "sk": {"S": poison.record.order_id}}
    for queue, body in poison.messages.items():
        sqs.send_message(QueueUrl=stack.queues[queue], MessageBody=body)
    dynamodb.put_item(TableName=stack.tables["orders"], Item={**key, "content": {"B": b"poison"}})
    try:
        yield poison
    finally:
        dynamodb.delete_item(TableName=stack.tables["orders"], Key=key)


def poison(record: OrderKey) -> Poison:
    """Poison for every queue that a function works off, and for relay."""
    queues = (*DOWNSTREAMS, "overflow", "watchdog")
    return Poison({queue: f'{{"poison":"{queue}"}}' for queue in queues}, record)


def taken_by_a_person(stack: Stack, planted: Poison) -> list[Violation]:
    """Wait for the dead letters that poison must come to, look at each and take it out.

    Returns what is missing. Whatever else is a dead letter stays there, for the audit to find.
    """
    sqs = stack.client("sqs")
    wanted: dict[str, str | None] = {**planted.messages, "relay": None}
    deadline = time.monotonic() + LETTERS_WITHIN_SECONDS
    while wanted and time.monotonic() < deadline:
        for queue, body in [*wanted.items()]:
            for dead_letter in _dead_letters(sqs, stack.queues[f"{queue}_dead_letter"]):
                reason = "reason" in dead_letter.get("MessageAttributes", {})
                ours = dead_letter["Body"] == body or _watches(dead_letter["Body"], planted.record)
                if reason and ours:
                    _take(sqs, stack.queues[f"{queue}_dead_letter"], dead_letter)
                    wanted.pop(queue, None)
        time.sleep(_LETTERS_POLL_SECONDS)
    return [
        Violation(Promise.ALWAYS_SETTLES, None, f"the poison of {queue} is not among dead letters")
        for queue in wanted
    ]


def redriven(stack: Stack) -> int:
    """What a person does about relay's dead letters: `spillway redrive relay`. How many moved."""
    work = Redrive(
        sqs=stack.client("sqs"),
        streams=stack.client("dynamodbstreams"),
        sources=[sources(stack.queues)["relay"]],
        dry_run=False,
    )
    work.count()
    work.run(lambda _dead_letters: None)
    return sum(found.moved for found in work.found.values())


def _dead_letters(sqs: Any, url: str) -> list[dict[str, Any]]:
    answer = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    )
    dead_letters: list[dict[str, Any]] = answer.get("Messages", [])
    return dead_letters


def _take(sqs: Any, url: str, dead_letter: Mapping[str, Any]) -> None:
    sqs.delete_message(QueueUrl=url, ReceiptHandle=dead_letter["ReceiptHandle"])


def _watches(body: str, key: OrderKey) -> bool:
    with suppress(PermanentFailure):
        return check_of(body) == Check(key, force=True)
    return False
