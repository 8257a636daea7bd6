"""Calls from a process to the outside: here time passes and faults are injected.

A call waits, then has its effect and gets its answer, in one atomic moment. Everything that can go
wrong with a call goes wrong here, the same for each service: an error without the effect, the
effect without the answer, the effect long after the caller has given up, the death of the caller
before or after it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from simulation.world.chance import Chance
from simulation.world.faults import Fault, Faults, Kinds
from simulation.world.scheduler import Killed, Scheduler, Task
from simulation.world.trace import Trace

#: A healthy call takes one to so many virtual milliseconds.
LATENCY_MAX_MS = 20
#: How long after its caller's timeout a request may still arrive, from a buffer on the way.
LATE_MAX_MS = 10 * 60 * 1000

T = TypeVar("T")
#: Has the effect and returns the answer, given the fault that shapes the answer, if one does. An
#: answer's attribute `traced` is the outcome in a trace.
Do = Callable[[Fault | None], T]


class NotModelled(NotImplementedError):
    """The service uses something that the world does not model. That is not a fault of the service:
    extend the model and its contract tests."""


#: A call's error, as its library raises it.
Failing = Callable[[str, Chance], Exception]


@dataclass(frozen=True, slots=True)
class Site:
    """One kind of call to one service.

    `kinds` are the faults that can be injected. `writes`: it changes something outside.
    `timeout_ms`: when its caller gives up.
    """

    service: str
    call: str
    kinds: Kinds
    timeout_ms: int
    failed: Failing
    throttled: Failing
    writes: bool = True


@dataclass(eq=False)
class Calls:
    """`made` counts all calls, `changes` those that change something outside."""

    scheduler: Scheduler
    faults: Faults
    trace: Trace | None
    made: int = 0
    changes: int = 0

    def make(self, site: Site, do: Do[T], about: str = "", *, slow_ms: int = 0) -> T:
        """Make a call, which takes so much longer than others. Without a task no process makes it
        (an audit's read, a contract test): nothing goes wrong and no time passes."""
        scheduler = self.scheduler
        task = scheduler.task
        if task is None:
            return do(None)
        self.made += 1
        self.changes += site.writes
        task.calls += 1
        now = scheduler.now
        fault = None
        if now < self.faults.heal_at:
            fault = self.faults.at_call(
                site.kinds, site.service, lambda: call_location(task, site), task.chance, now
            )
        latency = 1 + int(task.chance() * LATENCY_MAX_MS)
        call = _Call(self, site, do, about, task)
        if fault is None and slow_ms:
            return call.slowly(slow_ms)
        if fault is None and now + latency <= task.process.deadline:
            scheduler.sleep(latency)
            return call.done(None)
        return call.with_fault(fault, latency)


@dataclass(eq=False, slots=True)
class _Call(Generic[T]):
    calls: Calls
    site: Site
    do: Do[T]
    about: str
    task: Task

    def with_fault(  # noqa: C901 - one branch a fault, and each is two lines
        self, fault: Fault | None, latency: int
    ) -> T:
        scheduler, site, chance = self.calls.scheduler, self.site, self.task.chance
        sleep = scheduler.sleep
        match fault:
            case Fault.CRASH_BEFORE:
                self._trace(fault, "the process dies before it")
                self._kill()
            case Fault.CRASH_AFTER:
                sleep(latency)
                self.done(None)
                self._trace(fault, "the process dies before it hears")
                self._kill()
            case Fault.REQUEST_LOST | Fault.OUTAGE:
                sleep(latency if chance() < 0.5 else site.timeout_ms)
                self._trace(fault, "did not arrive")
                raise site.failed(site.call, chance)
            case Fault.ANSWER_LOST:
                sleep(latency)
                self._attempt()
                sleep(site.timeout_ms - latency)
                self._trace(fault, "its answer was lost")
                raise site.failed(site.call, chance)
            case Fault.LATE:
                arrives = site.timeout_ms + int(chance() ** 4 * LATE_MAX_MS) + 1
                scheduler.after(arrives, self._attempt)
                sleep(site.timeout_ms)
                self._trace(fault, "given up, and still under way")
                raise site.failed(site.call, chance)
            case Fault.TRIED_TWICE:
                sleep(latency)
                self._attempt()
                sleep(latency)
                return self.done(fault)
            case Fault.SLOW:
                sleep(int(site.timeout_ms * (0.5 + 0.49 * chance())))
                return self.done(fault)
            case Fault.THROTTLED:
                sleep(latency)
                self._trace(fault, "throttled")
                raise site.throttled(site.call, chance)
            case None:
                # The process will be killed while it waits; its request may get through.
                if chance() < 0.5:
                    scheduler.after(latency, self._attempt)
                sleep(latency)
            case _:
                sleep(latency)
                return self.done(fault)
        raise AssertionError("a killed task goes on")

    def slowly(self, milliseconds: int) -> T:
        """It is answered after this time. If its caller has given up by then, it had its effect at
        once, or has it only then; or its bytes trickled in, which no timeout between them ends."""
        calls, site = self.calls, self.site
        if milliseconds <= site.timeout_ms:
            calls.scheduler.sleep(milliseconds)
            return self.done(Fault.LATENCY)
        match self.task.chance.below(3):
            case 0:
                self._attempt()
                calls.scheduler.sleep(site.timeout_ms)
            case 1:
                calls.scheduler.after(milliseconds, self._attempt)
                calls.scheduler.sleep(site.timeout_ms)
            case _:
                calls.scheduler.sleep(milliseconds)
                return self.done(Fault.LATENCY)
        self._trace(Fault.LATENCY, "given up")
        raise site.failed(site.call, self.task.chance)

    def done(self, fault: Fault | None) -> T:
        try:
            answer = self.do(fault)
        except ClientError as error:
            self._trace(fault, error.response["Error"]["Code"])
            raise
        self._trace(fault, getattr(answer, "traced", ""))
        return answer

    def _attempt(self) -> None:
        """Has its effect, if it can. Its caller is gone, or never learns of it."""
        with suppress(ClientError):
            self.done(None)

    def _kill(self) -> None:
        self.task.process.die("crashed")
        raise Killed

    def _trace(self, fault: Fault | None, outcome: str) -> None:
        if self.calls.trace is not None:
            what = f"{self.site.service} {self.site.call}"
            what += f" {self.about}" if self.about else ""
            injected = "" if fault is None else fault.value
            self.calls.trace.add(self.calls.scheduler.now, self.task.name, what, outcome, injected)


def call_location(task: Task, site: Site) -> str:
    return f"{task.name}, call {task.calls}: {site.service}.{site.call}"


def client_error(code: str, call: str, message: str = "", **members: Any) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": message or code}, **members}
    return ClientError(response, call)


_NO_ANSWER: tuple[type[Exception], ...] = (
    ReadTimeoutError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ConnectionClosedError,
)


def aws_failed(call: str, chance: Chance) -> Exception:
    """What botocore raises after a call and its second attempt brought no answer."""
    if chance() < 0.2:
        return client_error("InternalServerError", call)
    return chance.pick(_NO_ANSWER)(endpoint_url="https://aws.example")  # type: ignore[call-arg]


def table_throttled(call: str, chance: Chance) -> Exception:
    code = chance.pick(("ProvisionedThroughputExceededException", "ThrottlingException"))
    return client_error(code, call)


def aws_throttled(call: str, _: Chance) -> Exception:
    return client_error("ThrottlingException", call)
