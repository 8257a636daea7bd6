"""Many schedules, spread over processes."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from multiprocessing import get_context

from spillway.prove.simulate.kill import MutantResult
from spillway.prove.simulate.tally import Tally

#: Seeds that a process takes at a time: about half a second.
CHUNK = 100


@dataclass(slots=True)
class Run:
    """`exhausted`: runs with one chosen fault, and what broke in them. `mutants`: what became
    of each, None where none was tried. `interrupted`: not all of it was run."""

    tally: Tally = field(default_factory=Tally)
    seconds: float = 0.0
    exhausted: int = 0
    exhausted_broken: list[str] = field(default_factory=list)
    mutants: Sequence[MutantResult] | None = None
    interrupted: bool = False

    @property
    def per_second(self) -> float:
        return self.tally.seeds / self.seconds if self.seconds else 0.0

    @property
    def survivors(self) -> list[str]:
        return [mutant.name for mutant in self.mutants or () if mutant.seeds is None]

    @property
    def held(self) -> bool:
        broken = self.tally.broken_seeds or self.exhausted_broken or self.survivors
        return not (broken or self.interrupted)


def simulate(seeds: range, jobs: int, on_done: Callable[[Tally], None], run: Run) -> None:
    """Run the schedules of these seeds into `run`, which is up to date also when interrupted.

    `on_done` is told each time that some more have run.
    """
    began = time.monotonic()
    if jobs == 1:
        for some in _chunks(seeds):
            _take(_tallied(some), began, on_done, run)
        return
    with ProcessPoolExecutor(
        jobs, mp_context=get_context("spawn"), initializer=_leave_ctrl_c_to_the_parent
    ) as processes:
        chunks = _chunks(seeds)
        under_way: set[Future[Tally]] = set()
        try:
            while True:
                while len(under_way) < 2 * jobs and (chunk := next(chunks, None)) is not None:
                    under_way.add(processes.submit(_tallied, chunk))
                if not under_way:
                    return
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                for future in done:
                    _take(future.result(), began, on_done, run)
        except BaseException:
            processes.shutdown(wait=False, cancel_futures=True)
            raise


def _take(tally: Tally, began: float, on_done: Callable[[Tally], None], run: Run) -> None:
    run.tally.merge(tally)
    run.seconds = time.monotonic() - began
    on_done(run.tally)


def _tallied(seeds: range) -> Tally:
    # Imported by each process for itself: the service comes with it.
    from spillway.prove.simulate.tally import tallied

    return tallied(seeds)


def _leave_ctrl_c_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _chunks(seeds: range) -> Iterator[range]:
    return (seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK))
