"""The network to the three downstreams: a connection pool that ends at the fakes.

The fakes are those of simulation/downstreams, over ledgers in memory. Their fault settings decide
what they refuse. This module decides what goes wrong on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ProtocolError,
)
from urllib3.exceptions import ReadTimeoutError as HttpReadTimeoutError
from urllib3.util import Timeout

from simulation.downstreams.exchange import Request
from simulation.downstreams.fake import FakeDownstream
from simulation.world.calls import Calls, Site
from simulation.world.chance import Chance
from simulation.world.express import Call
from simulation.world.faults import EXPRESS_KINDS, HTTP_WRITE_KINDS, Fault, Kinds
from simulation.world.invariants import InvariantChecker
from simulation.world.later import LaterDownstream

_LOOKUP_KINDS = Kinds((Fault.CRASH_BEFORE, Fault.REQUEST_LOST, Fault.SLOW, Fault.ERROR_ANSWER))
_ERRORS = (500, 502, 503, 504, 408, 429)
#: What a downstream answers to a key that it does not know.
_WRONG_KEY = (401, b'{"code": "api_key_wrong"}')
#: What a wrong address answers: a gateway, or some other web server.
_ELSEWHERE = (
    (403, b"<html><body>Forbidden</body></html>"),
    (403, b'{"message": "Forbidden"}'),
    (404, b'{"message": "Not Found"}'),
    (405, b""),
    (308, b""),
    (200, b"<!doctype html><title>Sign in</title>"),
    (400, b"<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>"),
)
#: So many milliseconds, one after the other, at which a wrong address begins, answer otherwise.
WRONG_ANSWERS = len(_ELSEWHERE)
#: What a service answers that is at work on a request with this key.
_IN_USE = (409, b'{"code": "idempotency_key_in_use"}')


@dataclass(slots=True)
class Answer:
    """As urllib3's response has it, as far as it is read."""

    status: int
    data: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    #: What has not been read of it.
    _left: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._left = self.data

    def read1(self, amount: int) -> bytes:
        part, self._left = self._left[:amount], self._left[amount:]
        return part

    def close(self) -> None:
        """There is no connection."""

    @property
    def traced(self) -> str:
        return f"answered {self.status}"


@dataclass(eq=False)
class Connections:
    """A urllib3 pool: every connection ends at the fake of the downstream that has the address.
    `downstreams`: by their addresses."""

    downstreams: Mapping[str, str]
    fakes: Mapping[str, FakeDownstream | LaterDownstream]
    calls: Calls
    timeout_seconds: float
    invariants: InvariantChecker
    _looked_up: dict[str, int] = field(default_factory=dict)
    _sites: dict[tuple[str, str, bool], Site] = field(default_factory=dict)

    def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None,
        headers: Mapping[str, str],
        timeout: Timeout,
        retries: bool,
        redirect: bool,
        preload_content: bool,
    ) -> Answer:
        base = next((base for base in self.downstreams if url.startswith(f"{base}/")), None)
        if retries or redirect or base is None:
            raise AssertionError(f"{url}: another host, or urllib3's own retries")
        if not timeout.total:
            raise AssertionError(f"{url}: may take forever")
        downstream = self.downstreams[base]
        fake = self.fakes[downstream]
        path, _, query = url.removeprefix(base).partition("?")
        request = Request(
            method=method,
            path=path,
            headers=headers,
            body=body or b"",
            query=dict(parse_qsl(query)) if query else {},
        )
        key = headers.get("idempotency-key", "")
        task = self.calls.scheduler.task
        who = "" if task is None else task.name

        def ask(fault: Fault | None) -> Answer:
            beside_the_point = self._beside_the_point(downstream)
            if beside_the_point is not None:
                return Answer(*beside_the_point)
            if method == "GET":
                self._looked_up[who] = self.invariants.moment()
            else:
                self.invariants.looked_up = self._looked_up.get(who)
            if fault is Fault.ERROR_ANSWER:
                return self._error(fake, request)
            if fault is Fault.KEY_IN_USE:
                return Answer(*_IN_USE)
            answer = fake(request)
            if answer is None:
                raise AssertionError("a fake without lose_answers_rate lost an answer")
            return Answer(answer.status, answer.body, answer.headers)

        express = self.invariants.express
        call = express.call_begins(task, downstream, path, request.body, request.query)
        # Where its process is killed, the call ends with it.
        outcome = "whose caller died"
        try:
            answer = self.calls.make(
                self._site(downstream, method, path, call),
                ask,
                key.partition("-")[0],
                slow_ms=self._latency_ms(downstream),
            )
            outcome = _outcome(answer)
        except HTTPError:
            outcome = "without an answer"
            raise
        finally:
            express.call_ends(call, outcome)
        return answer

    def _latency_ms(self, downstream: str) -> int:
        slow = self.calls.faults.outage(f"{downstream}'s answers", self.calls.scheduler.now)
        return 0 if slow is None else slow.latency_ms

    def _site(self, downstream: str, method: str, path: str, call: Call | None) -> Site:
        of_express = call is not None and call.of_express
        site = self._sites.get((method, path, of_express))
        if site is None:
            write_kinds = EXPRESS_KINDS if of_express else HTTP_WRITE_KINDS
            kinds = write_kinds if method == "POST" else _LOOKUP_KINDS
            site = self._sites[method, path, of_express] = Site(
                downstream,
                f"{method} {path}",
                kinds,
                round(self.timeout_seconds * 1000),
                no_answer,
                no_answer,
                writes=method == "POST",
            )
        return site

    def _error(self, fake: FakeDownstream | LaterDownstream, request: Request) -> Answer:
        """5xx and the like prove nothing: it may have acted before it failed."""
        task = self.calls.scheduler.running
        if task.chance() < 0.5:
            fake(request)
        return Answer(task.chance.pick(_ERRORS), b"")

    def _beside_the_point(self, downstream: str) -> tuple[int, bytes] | None:
        """What is answered without a look at the order: the same for as long as it lasts."""
        faults, now = self.calls.faults, self.calls.scheduler.now
        misrouted = faults.outage(f"{downstream}'s address", now)
        if misrouted is not None:
            return _ELSEWHERE[misrouted.begins % len(_ELSEWHERE)]
        return None if faults.outage(f"{downstream}'s key", now) is None else _WRONG_KEY


def _outcome(answer: Answer) -> str:
    if answer.data.startswith(b"<"):
        return "answered with a page"
    if answer.status < 300 or (answer.status == 409 and answer.data != _IN_USE[1]):
        return "done or refused"
    return f"answered {answer.status}"


def no_answer(_: str, chance: Chance) -> Exception:
    """urllib3's ways of saying that no answer came."""
    pool: Any = None
    match chance.below(4):
        case 0:
            return HttpReadTimeoutError(pool, "", "Read timed out.")
        case 1:
            return ConnectTimeoutError("timed out")
        case 2:
            return NewConnectionError(pool, "refused")
        case _:
            return ProtocolError("Connection aborted.")
