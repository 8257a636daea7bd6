"""A task that waits alone goes on without leaving itself; nobody else may notice."""

from __future__ import annotations

from simulation.world.chance import Chance
from simulation.world.scheduler import Process, Scheduler

FAR = 1_000_000


class Day:
    """Two tasks that note when they go on, and a scheduler that begins at 0."""

    def __init__(self) -> None:
        self.scheduler = Scheduler(0)
        self.seen: list[tuple[str, int]] = []

    def start(self, name: str, *waits: int, deadline: int = FAR) -> Process:
        process = Process(name, deadline, lambda cause: self.note(f"{name} {cause}"))

        def work() -> None:
            for wait in waits:
                self.scheduler.sleep(wait)
                self.note(name)

        self.scheduler.start(name, process, Chance(1, name), work)
        return process

    def note(self, what: str) -> None:
        self.seen.append((what, self.scheduler.now))


def test_a_task_that_waits_alone_goes_on_at_its_times() -> None:
    day = Day()
    day.start("alone", 10, 5)
    day.scheduler.run(FAR)
    assert day.seen == [("alone", 10), ("alone", 15)]
    assert day.scheduler.idle


def test_tasks_take_turns_by_their_times() -> None:
    day = Day()
    day.start("one", 10, 10)
    day.start("two", 15, 10)
    day.scheduler.run(FAR)
    assert day.seen == [("one", 10), ("two", 15), ("one", 20), ("two", 25)]


def test_what_was_asked_for_first_comes_first_at_the_same_moment() -> None:
    day = Day()
    day.scheduler.at(10, day.note, "asked first")
    day.start("task", 10)
    day.scheduler.run(FAR)
    assert day.seen == [("asked first", 10), ("task", 10)]


def test_a_run_ends_on_time_although_a_task_sleeps_beyond_it() -> None:
    day = Day()
    day.start("task", 10, 20)
    day.scheduler.run(15)
    assert day.seen == [("task", 10)]
    assert day.scheduler.now <= 15
    day.scheduler.run(FAR)
    assert day.seen == [("task", 10), ("task", 30)]


def test_a_process_dies_at_its_deadline_though_nothing_else_is_due() -> None:
    day = Day()
    day.start("task", 10, 20, deadline=25)
    day.scheduler.run(FAR)
    assert day.seen == [("task", 10), ("task timed out", 25)]
