"""Downstreams that take a command and decide it later: inventory says where to ask, fulfilment
tells on a queue of ours, accounting calls back (the descriptions `<downstream>-later`).

Each wraps the fake of its contract, whose keys and ledger stay what they are: what was taken is
given to the fake when it is decided. Until then a command with the same key is answered as the
first was. What was taken may be forgotten, so that its outcome never comes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from orders.domain.order import OrderKey
from orders.domain.saga import Downstream, Step
from orders.domain.units import CustomerId, OrderId
from orders.downstream.keys import correlated, correlation_id
from orders.downstream.told import sign
from orders.ports import Command
from simulation.downstreams.exchange import Request
from simulation.downstreams.fake import FakeDownstream
from simulation.world.chance import Chance
from simulation.world.faults import Fault, Faults
from simulation.world.scheduler import Scheduler

KEY = b"what downstreams sign their callbacks with"
JOBS = "/jobs"
_WRONG_KEY = b"somebody's own key"

#: Each with the bound below which a number in [0, 1) means it: how long a decision takes.
_DECIDED_AFTER = (
    (0.35, 40),
    (0.6, 1_000),
    (0.8, 20_000),
    (0.95, 10 * 60_000),
    (1.0, 2 * 3_600_000),
)
#: Commands that are decided at once.
_AT_ONCE = 0.35
#: How long after its decision a message is sent that is late, and a second one.
_LATE_MAX_MS = 3 * 3_600_000
#: A sender that is not answered 2xx sends again after this, doubled each time, so often.
_RESENT_AFTER_MS, _RESENT_MAX = 1_000, 5

#: Tells a message: its body and what it is about.
Tell = Callable[[bytes, str], None]


@dataclass(eq=False, slots=True)
class _Job:
    """A command that was taken. `correlation_id`: what its outcome is told under."""

    request: Request
    correlation_id: str
    name: str
    decided: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(eq=False)
class LaterDownstream:
    """`tell` sends a message, None where the downstream is asked. `label` names a step of an
    order."""

    name: Downstream
    fake: FakeDownstream
    scheduler: Scheduler
    faults: Faults
    seed: int
    label: Callable[[str, str, str], str]
    tell: Tell | None
    #: Sends what somebody without a key claims.
    forge: Callable[[bytes], None]
    taken: int = 0
    #: Messages that are about nothing of ours.
    misdirected: list[bytes] = field(default_factory=list)
    _jobs: dict[tuple[str, str, str], _Job] = field(default_factory=dict)

    def __call__(self, request: Request) -> Reply:
        if request.path == JOBS:
            return self._asked(request)
        job_key = self._key_of(request)
        job = self._jobs.get(job_key)
        if job is None and request.method == "POST" and not self._decides_at_once(job_key):
            return self._take(request, job_key)
        if job is not None and not job.decided:
            return self._taken(job_key)
        return self._now(request)

    def _now(self, request: Request) -> Reply:
        answer = self.fake(request)
        if answer is None:
            raise AssertionError("a fake without lose_answers_rate lost an answer")
        return Reply(answer.status, answer.body)

    def _take(self, request: Request, key: tuple[str, str, str]) -> Reply:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        self.taken += 1
        name = f"{self.label(*key)}, taken {self.taken}"
        job = self._jobs[key] = _Job(request, request.headers.get("correlation-id", ""), name)
        if self._injects(Fault.FORGED_OUTCOME, f"{name} is forged"):
            self.scheduler.after(_DECIDED_AFTER[0][1], self.forge, _forged(job))
        chance = Chance(self.seed, f"{name} is decided")
        if self._injects(Fault.TOLD_EARLY, f"{name} is told before it is answered"):
            self._decide(key, job)
        else:
            self.scheduler.after(_drawn(chance, _DECIDED_AFTER), self._decide, key, job)
        return self._taken(key)

    def _refusal(self, request: Request) -> Reply | None:
        """It takes only what it would decide: a wrong key, or a body that it cannot read, is told
        at once."""
        if self.fake.fault_settings.outage or self.fake.fault_settings.misconfigured:
            return self._now(request)
        return None

    def _taken(self, key: tuple[str, str, str]) -> Reply:
        named = zip(("path", "customer_id", "order_id"), key, strict=True)
        location = f"{JOBS}?{urlencode([*named], quote_via=quote)}"
        return Reply(202, headers={} if self.tell else {"location": location})

    def _asked(self, request: Request) -> Reply:
        named = request.query
        key = (named["path"], named["customer_id"], named["order_id"])
        job = self._jobs.get(key)
        if job is None:
            return Reply(404, b'{"code": "nothing_on_record"}')
        return self._now(job.request) if job.decided else self._taken(key)

    def _decide(self, key: tuple[str, str, str], job: _Job) -> None:
        """Do it, or forget that it was ever taken."""
        name = job.name
        if self._injects(Fault.OUTCOME_NEVER, f"{name} is forgotten"):
            del self._jobs[key]
            return
        answer = self._now(job.request)
        if answer.status >= 500:
            self.scheduler.after(_DECIDED_AFTER[1][1], self._decide, key, job)
            return
        job.decided = True
        if self.tell is None:
            return
        body = _message(job.correlation_id, answer)
        if body is None or self._injects(Fault.TOLD_NEVER, f"{name} is not told"):
            return
        chance = Chance(self.seed, f"{name} is told")
        wait = 0
        if self._injects(Fault.TOLD_LATE, f"{name} is told late"):
            wait = int(chance() ** 4 * _LATE_MAX_MS)
        self.scheduler.after(wait, self._tell, body, f"{name}, told")
        if self._injects(Fault.TOLD_TWICE, f"{name} is told twice"):
            again = wait + int(chance() ** 4 * _LATE_MAX_MS)
            self.scheduler.after(again, self._tell, body, f"{name}, told again")
        if self._injects(Fault.MISDIRECTED, f"{name} is told of something else"):
            wrong = _of_something_else(job.correlation_id, answer.status, chance)
            self.misdirected.append(wrong)
            self.scheduler.after(wait, self._tell, wrong, f"{name}, misdirected")

    def _tell(self, body: bytes, label: str) -> None:
        if self.tell is not None:
            self.tell(body, label)

    def _injects(self, kind: Fault, place: str) -> bool:
        return self.faults.injects_at(kind, self.scheduler.now, place)

    def _decides_at_once(self, key: tuple[str, str, str]) -> bool:
        return Chance(self.seed, f"{self.label(*key)} is taken")() < _AT_ONCE

    def _key_of(self, request: Request) -> tuple[str, str, str]:
        """Path, customer and order."""
        named = request.query if request.method == "GET" else msgspec.json.decode(request.body)
        return request.path, named["customer_id"], named["order_id"]


def callback(
    downstream: Downstream, body: bytes, now: int, *, forged: bool = False
) -> dict[str, Any]:
    """As the HTTP API hands a downstream's callback over."""
    timestamp = str(now)
    return {
        "version": "2.0",
        "routeKey": "POST /outcomes/{downstream}",
        "headers": {
            "signature": sign(body, timestamp, _WRONG_KEY if forged else KEY),
            "signature-timestamp": timestamp,
        },
        "pathParameters": {"downstream": downstream},
        "body": body.decode(),
        "isBase64Encoded": False,
    }


def resent_after_ms(attempt: int) -> int | None:
    """How long a sender waits after the `attempt`-th try that was not taken; None: it gives up."""
    return _RESENT_AFTER_MS << attempt if attempt <= _RESENT_MAX else None


def _drawn(chance: Chance, choices: tuple[tuple[float, int], ...]) -> int:
    number = chance()
    longest = next(choice for bound, choice in choices if number < bound)
    return int(longest * (0.2 + 0.8 * chance()))


def _message(correlation: str, answer: Reply) -> bytes | None:
    """What it has decided, None where that is about the request and not the order."""
    said = msgspec.json.decode(answer.body)
    if answer.status in (200, 201):
        said = {"status": "done", "reference": said["reference"]}
    elif answer.status == 409:
        said = {"status": "refused", "code": said["code"]}
    else:
        return None
    return msgspec.json.encode({"correlation_id": correlation, **said})


def _of_something_else(correlation: str, status: int, chance: Chance) -> bytes:
    """About an order that there is not, a step of another downstream, or one that can never have
    been commanded: the recall of a shipment that was refused."""
    named = correlated(correlation)
    if named is None:
        raise AssertionError(f"{correlation} names no command")
    key, step = named
    number = chance()
    if status == 409 and step is Step.SHIP and number < 0.6:
        step = Step.RECALL_SHIPMENT
    elif number < 0.5:
        step = Step.RESERVE
    else:
        key = OrderKey(CustomerId("nobody"), OrderId(key.order_id))
    return _done(correlation_id(Command(key, step)))


def _forged(job: _Job) -> bytes:
    return _done(job.correlation_id)


def _done(correlation: str) -> bytes:
    said = {"correlation_id": correlation, "status": "done", "reference": "nothing was done"}
    return msgspec.json.encode(said)
