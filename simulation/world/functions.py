"""Lambda: functions, their environments, and how an invocation can end.

As on AWS, an environment serves one invocation at a time and keeps what the module made. A new one
begins cold. An invocation dies with its environment, at its timeout at the latest, and may have
finished its work although its caller hears of an error. The handlers and the wiring are the
deployed ones. Only the `Runtime` that a process gets is the world's.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from orders.domain.saga import Downstream
from orders.domain.units import Millis
from orders.ports import ConcurrentMap, Message, SideBySide
from orders.wiring import Runtime
from simulation.world.chance import Chance
from simulation.world.faults import Fault, Faults
from simulation.world.scheduler import Process, Scheduler

#: How far the clock of one environment may be off when clocks are skewed. Lambda's are synchronised
#: within milliseconds; a minute is far outside what AWS has ever had.
SKEW_MAX_MS = 60_000

_A = TypeVar("_A")
_B = TypeVar("_B")

Event = Mapping[str, Any]
#: After a change of settings the environments that are there live on for this time, some of them.
LIVES_ON_MS = 5 * 60 * 1000
#: Gets the answer and None, or None and what went wrong.
OnEnd = Callable[[Any, str | None], None]


@dataclass(frozen=True, slots=True)
class EnvironmentClock:
    scheduler: Scheduler
    skew_ms: int

    def now(self) -> Millis:
        return Millis(self.scheduler.now + self.skew_ms)


@dataclass(eq=False, slots=True)
class Environment:
    """What lives as long as a module does. `parts` are made at its first invocation."""

    runtime: Runtime
    settings: Mapping[str, str]
    parts: Any = None


@dataclass(frozen=True, slots=True)
class Code:
    """`wire` makes what `handle`, the handler without the wiring, takes after the event."""

    wire: Callable[[Runtime], Any]
    handle: Callable[..., Any]


@dataclass(eq=False)
class Function:
    """One deployed function. `settings` are its environment's variables."""

    name: str
    code: Code
    settings: Mapping[str, str]
    timeout_seconds: int
    runtime: Callable[[Mapping[str, str], EnvironmentClock, Function], Runtime]
    scheduler: Scheduler
    faults: Faults
    seed: int
    invocations: int = 0
    #: When its settings were changed.
    _changed_at: int = 0
    _idle: list[Environment] = field(default_factory=list)
    _environments: int = 0
    _labels: dict[str, int] = field(default_factory=dict)

    def change(self, settings: Mapping[str, str]) -> None:
        """A deployment with other settings: new environments have them."""
        self.settings, self._changed_at = settings, self.scheduler.now

    def end_environments(self) -> None:
        """A deployment of other code, with nothing under way."""
        self._idle.clear()

    def invoke(self, label: str, event: Event, on_end: OnEnd) -> None:
        """Begin an invocation. `label` says what it is about; its task is called by it."""
        scheduler, faults = self.scheduler, self.faults
        count = self._labels[label] = self._labels.get(label, 0) + 1
        name = f"{self.name} {label}" if count == 1 else f"{self.name} {label}, again {count - 1}"
        self.invocations += 1
        if faults.outage(self.name, scheduler.now) is not None:
            # A deployment that cannot start: a missing permission, a broken bundle.
            scheduler.after(10, on_end, None, "cannot start")
            return
        environment = self._environment(name)

        def died(cause: str) -> None:
            scheduler.at(scheduler.now, on_end, None, cause)

        process = Process(name, scheduler.now + self.timeout_seconds * 1000, died)
        chance = Chance(self.seed, name)

        def work() -> None:
            try:
                if environment.parts is None:
                    environment.parts = self.code.wire(environment.runtime)
                result = self.code.handle(event, *environment.parts)
            except Exception as error:  # noqa: BLE001 - as Lambda's own runtime does
                self._idle.append(environment)
                scheduler.at(scheduler.now, on_end, None, f"raised {error!r}"[:200])
                return
            self._idle.append(environment)
            if faults.injects_at(Fault.RESULT_LOST, scheduler.now, name, ": its result"):
                scheduler.at(scheduler.now, on_end, None, "its result was lost")
            else:
                scheduler.at(scheduler.now, on_end, result, None)

        scheduler.start(name, process, chance, work)

    def _environment(self, name: str) -> Environment:
        now = self.scheduler.now
        while self._idle:
            environment = self._idle.pop()
            if not self._lives_on(environment, name):
                continue
            if not self.faults.injects_at(Fault.COLD_START, now, name, ": its environment"):
                return environment
            break
        self._environments += 1
        skew = 0
        place = f"{self.name}, environment {self._environments}: its clock"
        if self.faults.injects_at(Fault.CLOCK_SKEW, now, place):
            skew = round((Chance(self.seed, place)() * 2 - 1) ** 3 * SKEW_MAX_MS)
        clock = EnvironmentClock(self.scheduler, skew)
        return Environment(self.runtime(self.settings, clock, self), self.settings)

    def _lives_on(self, environment: Environment, name: str) -> bool:
        """Whether it takes this invocation: every other one while a deployment is new."""
        if environment.settings is self.settings:
            return True
        is_new = self.scheduler.now < self._changed_at + LIVES_ON_MS
        return is_new and Chance(self.seed, f"{name}: its deployment")() < 0.5


@dataclass(slots=True)
class _Threads:
    """So many of one environment. `begin` returns whether it has begun: one that nobody waits for
    any more has not."""

    count: int
    busy: int = 0
    waiting: deque[Callable[[], bool]] = field(default_factory=deque)

    def take(self, begin: Callable[[], bool]) -> None:
        if self.busy == self.count:
            self.waiting.append(begin)
        elif begin():
            self.busy += 1

    def free(self) -> None:
        self.busy -= 1
        while self.waiting and self.busy < self.count:
            self.take(self.waiting.popleft())


@dataclass(frozen=True, slots=True)
class Tasks:
    """Processes messages concurrently, so many at a time, as the threads of a batch do.
    `on_side_by_side` hears which task, a delivery of another downstream, calls which of them."""

    scheduler: Scheduler
    seed: int
    on_side_by_side: Callable[[str, Collection[str]], None]

    def __call__(self, count: int) -> ConcurrentMap:
        def concurrent_map(process: Callable[[_A], _B], each: Iterable[_A], /) -> Iterable[_B]:
            every = list(each)
            if len(every) <= 1:
                return [process(one) for one in every]
            return self._at_once(process, every, count)

        return concurrent_map

    def side_by_side(self, count: int) -> SideBySide:
        """Calls that are late go on by themselves, as threads do while their environment lives."""
        threads: defaultdict[Downstream, _Threads] = defaultdict(partial(_Threads, count))

        def made(
            calls: Mapping[Downstream, Callable[[], _A]], within_seconds: float
        ) -> Mapping[Downstream, _A]:
            scheduler, parent = self.scheduler, self.scheduler.running
            self.on_side_by_side(parent.name, calls)
            results: dict[Downstream, _A] = {}
            left = len(calls)
            waits = bool(calls)

            def go_on() -> None:
                nonlocal waits
                if waits:
                    waits = False
                    scheduler.go_on(parent)

            def run(name: Downstream, call: Callable[[], _A]) -> None:
                nonlocal left
                try:
                    results[name] = call()
                finally:
                    threads[name].free()
                    left -= 1
                    if left == 0 or parent.process.dead:
                        go_on()

            def begin(name: Downstream, call: Callable[[], _A]) -> bool:
                if not waits or parent.process.dead:
                    return False
                task = f"{parent.name} > {name}"
                chance = Chance(self.seed, task)
                scheduler.start(task, parent.process, chance, partial(run, name, call))
                return True

            for name, call in calls.items():
                threads[name].take(partial(begin, name, call))
            if calls:
                scheduler.after(round(within_seconds * 1000), go_on)
                scheduler.pause()
            return dict(results)

        return made

    def _at_once(self, process: Callable[[_A], _B], every: list[_A], count: int) -> Iterable[_B]:
        scheduler, seed = self.scheduler, self.seed
        parent = scheduler.running
        errors: list[Exception] = []
        results: dict[int, _B] = {}
        waiting = deque(enumerate(every))
        left = len(every)

        def start_next() -> None:
            number, one = waiting.popleft()
            name = f"{parent.name} > {one.id if isinstance(one, Message) else number}"
            scheduler.start(name, parent.process, Chance(seed, name), lambda: run(number, one))

        def run(number: int, one: _A) -> None:
            nonlocal left
            try:
                results[number] = process(one)
            except Exception as error:  # noqa: BLE001 - raised where the results are read
                errors.append(error)
            finally:
                if parent.process.dead:
                    left -= len(waiting)
                    waiting.clear()
                left -= 1
                if left == 0:
                    scheduler.go_on(parent)
            if waiting:
                start_next()

        for _ in range(min(count, len(every))):
            start_next()
        scheduler.pause()
        if errors:
            raise errors[0]
        return [results[number] for number in range(len(every))]
