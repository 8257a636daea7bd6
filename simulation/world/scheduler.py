"""Virtual time, and which task runs when.

Everything that runs in a world is a task (a greenlet) or a plain callback. A task runs until it
waits; then whatever is due next runs. Nothing else ever switches. So everything between two waits
is atomic, and only the due times, and the order of the requests for them, decide what comes first.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from heapq import heappop, heappush
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet

from simulation.world.chance import Chance


class Killed(GreenletExit):
    """Unwinds a task whose process is gone. No `except Exception` catches it, and nothing that it
    unwinds can have an effect any more."""


@dataclass(eq=False, slots=True)
class Process:
    """Everything that dies together: an invocation with all its tasks, an operator at a terminal.

    `deadline` is when it is killed, in virtual milliseconds.
    """

    name: str
    deadline: int
    on_death: Callable[[str], None]
    dead: bool = False

    def die(self, cause: str) -> None:
        if not self.dead:
            self.dead = True
            self.on_death(cause)


@dataclass(eq=False, slots=True)
class Task:
    """One line of execution in a process. `calls`: how many calls it has made to the outside."""

    name: str
    process: Process
    chance: Chance
    work: Callable[[], None]
    calls: int = 0
    #: The greenlet that runs it, once it has begun.
    worker: greenlet | None = None


class Scheduler:
    """`now` is Unix milliseconds; `task` is the one that runs, None in a callback."""

    def __init__(self, start: int) -> None:
        self.now = start
        self.task: Task | None = None
        self._due: list[tuple[int, int, Callable[..., object], tuple[Any, ...]]] = []
        self._asked = 0
        self._until = start
        self._hub = getcurrent()
        self._idle = _idle_workers(self._hub)

    def at(self, when: int, do: Callable[..., object], *arguments: object) -> None:
        self._asked += 1
        heappush(self._due, (when, self._asked, do, arguments))

    def after(self, milliseconds: int, do: Callable[..., object], *arguments: object) -> None:
        self.at(self.now + milliseconds, do, *arguments)

    @property
    def running(self) -> Task:
        """The task that runs; asked only where one does."""
        if self.task is None:
            raise RuntimeError("no task runs")
        return self.task

    @property
    def idle(self) -> bool:
        """Nothing is due any more."""
        return not self._due

    def run(self, until: int) -> None:
        """Run all that is due until then, that moment included."""
        due = self._due
        self._until = until
        while due and due[0][0] <= until:
            self.now, _, do, arguments = heappop(due)
            do(*arguments)

    def skip_to(self, when: int) -> None:
        """Nothing is due until then."""
        self.now = max(self.now, when)

    def start(self, name: str, process: Process, chance: Chance, work: Callable[[], None]) -> Task:
        """A new task, which begins as soon as nothing else runs."""
        task = Task(name, process, chance, work)
        self.at(self.now, self._go_on, task)
        return task

    def sleep(self, milliseconds: int) -> None:
        """The running task waits. Does not return if its process dies meanwhile."""
        task = self.running
        process = task.process
        wake_at = self.now + milliseconds
        if wake_at > process.deadline:
            self.at(max(process.deadline, self.now), self._go_on, task)
            self._hub.switch()
            process.die("timed out")
        elif wake_at <= self._until and (not self._due or self._due[0][0] > wake_at):
            # Nothing else happens before: the same, without leaving the task.
            self.now = wake_at
        else:
            self.at(wake_at, self._go_on, task)
            self._hub.switch()
        if process.dead:
            raise Killed

    def pause(self) -> None:
        """The running task waits until `go_on` is called for it."""
        task = self.running
        self._hub.switch()
        if task.process.dead:
            raise Killed

    def go_on(self, task: Task) -> None:
        self.at(self.now, self._go_on, task)

    def _go_on(self, task: Task) -> None:
        self.task = task
        try:
            if task.worker is None:
                task.worker = self._idle.pop() if self._idle else _worker(self._hub, self._idle)
                task.worker.switch(task.work)
            else:
                task.worker.switch()
        finally:
            self.task = None


@cache
def _idle_workers(_: greenlet) -> list[greenlet]:
    """The workers of a hub that have nothing to do. To make a greenlet and begin it costs 10 µs,
    to wake one up half of one."""
    return []


def _worker(hub: greenlet, idle: list[greenlet]) -> greenlet:
    """Runs one task after the other, and is among the idle ones between two."""

    def serve(work: Callable[[], None]) -> None:
        while True:
            with suppress(Killed):
                work()
            idle.append(worker)
            work = hub.switch()

    worker = greenlet(serve, hub)
    return worker
