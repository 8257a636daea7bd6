"""`make peers`: every system through every test, one after the other, and the figures as JSON.

It is unattended, ends by itself within `--minutes`, and leaves nothing running, also when it is
interrupted. What cannot be installed or started is named in the figures, with the reason. Beside
the JSON it writes the same as tables; `--record` makes both the project's own comparison.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import random
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks.peers import descendants, page, tables, trials, usage
from benchmarks.peers.catalogue import SYSTEMS
from benchmarks.peers.counting import COUNTED, counted
from benchmarks.peers.fakes import Fakes, serving_fakes
from benchmarks.peers.install import install, program_lines, versions
from benchmarks.peers.system import Unavailable, run
from benchmarks.peers.trials import Load
from spillway.errors import SpillwayError
from spillway.paths import PROJECT, home
from spillway.run.workload import Draft, generate, read_sales

#: Kept in memory, or not written through: there a database loses what it has confirmed.
_NOT_DURABLE = frozenset({"tmpfs", "ramfs"})
#: By each downstream, so that a run has time to kill after the steps that undo.
KILLED_REFUSED_SHARE = 0.1
FAULTED_ORDERS = 120
CHANGED_ORDERS = 60
OUTAGE = "outage"
OUTAGE_SECONDS = 300.0

#: With a folder for what it keeps.
Trial = Callable[[Path, Fakes], dict[str, Any]]


def main(
    system: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this one; may be repeated.")
    ] = None,
    orders: Annotated[int, typer.Option(min=100, help="How many orders the first test has.")] = 500,
    file: Annotated[
        Path | None, typer.Option("--from", metavar="FILE.csv[.gz]", help="Real orders for half.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEST",
            help="Only `healthy`, `killed`, `answers lost`, `changed code` or `outage`.",
        ),
    ] = None,
    minutes: Annotated[float, typer.Option(help="No test begins after so many.")] = 50.0,
    out: Annotated[Path | None, typer.Option(help="Where the figures go.")] = None,
    record: Annotated[
        bool, typer.Option(help="Keep a whole run's figures, and write docs/compared.md from them.")
    ] = False,
) -> None:
    if not usage.has_proc():
        _say("Processes are measured by /proc: run `make peers` on Linux.")
        sys.exit(1)
    # Both end the blocks that they interrupt, and with them every process.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if record and (system or only or out):
        raise typer.BadParameter("--record keeps a whole run: leave out --system, --only, --out.")
    known = [*SYSTEMS, *COUNTED]
    wanted = system or known
    if unknown := [name for name in wanted if name not in known]:
        raise typer.BadParameter(f"There is no {unknown[0]}: choose from {', '.join(known)}.")
    real, drafts = _drafts(orders, file)
    results: dict[str, Any] = {
        "machine": _machine(),
        "orders": {"real": real, "made_up": len(drafts) - real},
        "systems": {},
    }
    jobs = _jobs(results, wanted, only, drafts, minutes)
    to = out or home() / "peers" / "results.json"
    began = time.monotonic()
    with _alone(), descendants.watched() as peak:
        try:
            _carry_out(jobs, lambda: _write(results, to))
        finally:
            left = [without_paths(command) for command in descendants.end_all()]
    results["run"] = {
        "minutes": round((time.monotonic() - began) / 60, 1),
        "peak_memory_bytes": peak.memory_bytes,
        "left_running": left,
    }
    _write(results, to)
    for table in tables.tables(results):
        Console().print(table.panel())
    _say(tables.of_the_run(results))
    if record:
        shutil.copy(to, page.RECORD)
        page.write(results)
    done = [test for one in results["systems"].values() for test in one["tests"].values()]
    if left or any("failed" in test for test in done):
        sys.exit(1)


def _jobs(
    results: dict[str, Any],
    names: Sequence[str],
    only: Sequence[str] | None,
    drafts: tuple[Draft, ...],
    minutes: float,
) -> list[_Job]:
    """All that is to be run, each with its system's place in the results."""
    ends_at = time.monotonic() + 60 * minutes
    jobs = []
    for name in names:
        title, notes, tests = (_counts if name in COUNTED else _tests)(name, drafts)
        results["systems"][name] = {
            "title": title,
            "versions": _versions(name),
            "program_lines": program_lines(name),
            "notes": list(notes),
            "tests": {},
        }
        for test, trial in tests.items():
            if only is None or test.partition(":")[0] in only:
                jobs.append(_Job(name, test, trial, results["systems"][name], ends_at))
    return jobs


@dataclass(frozen=True, slots=True)
class _Job:
    """One test of one system; its figures go into `system`."""

    name: str
    test: str
    trial: Trial
    system: dict[str, Any]
    ends_at: float

    def carry_out(self, number: str) -> None:
        """`number` says which of how many it is."""
        which = f"{number} {self.system['title']}: {self.test}"
        _say(f"{which} ...")
        began = time.monotonic()
        figures = self._figures()
        seconds = time.monotonic() - began
        self.system["tests"][self.test] = {**figures, "took_seconds": round(seconds)}
        _say(f"{which}: {tables.in_short(figures)} ({seconds:.0f} s)")

    def _figures(self) -> dict[str, Any]:
        if time.monotonic() > self.ends_at:
            return {"not_run": "The run's time was over."}
        try:
            install(self.name)
            with _folder(self.name) as folder, serving_fakes() as fakes:
                return self.trial(folder, fakes)
        except Unavailable as unavailable:
            return {"not_run": without_paths(str(unavailable))}
        except Exception as failure:  # noqa: BLE001 -- it must not take the others' figures with it
            said = f"{type(failure).__name__}: {failure} Its logs are in {_logs_of(self.name)}."
            return {"failed": without_paths(said)}


def _carry_out(jobs: Sequence[_Job], after_each: Callable[[], None]) -> None:
    """One after the other, and the outages last and side by side: nearly all of an outage is
    waiting, and nothing in it is measured that others disturb."""
    outages = [job for job in jobs if job.test == OUTAGE]
    others = [job for job in jobs if job.test != OUTAGE]
    for number, job in enumerate(others, 1):
        job.carry_out(f"[{number}/{len(jobs)}]")
        after_each()
    # Daemons, so that an interrupted run ends at once.
    threads = [
        threading.Thread(target=job.carry_out, args=[f"[{number}/{len(jobs)}]"], daemon=True)
        for number, job in enumerate(outages, len(others) + 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")  # at once, so that no two of them mix


@contextmanager
def _alone() -> Iterator[None]:
    """Two runs at once would disturb each other's figures, and use the same folders."""
    lock = home() / "peers" / "lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            _say("Another `make peers` runs: wait until it has ended.")
            sys.exit(1)
        yield


def _drafts(count: int, file: Path | None) -> tuple[int, tuple[Draft, ...]]:
    """Half of them real, where there is a file of such, and the others made up; and how many are
    real."""
    real = [] if file is None else read_sales(file).orders[: count // 2]
    made_up = [*generate(seed=1, count=count - len(real))]
    random.Random(1).shuffle(drafts := [*real, *made_up])  # noqa: S311 -- repeatable is the point
    return len(real), tuple(drafts)


def _tests(name: str, drafts: tuple[Draft, ...]) -> tuple[str, Sequence[str], Mapping[str, Trial]]:
    """The title of a system, what must be known to read its figures, and its tests by name."""
    kind, few = SYSTEMS[name], Load(drafts[:FAULTED_ORDERS])

    def on(trial: Callable[..., dict[str, Any]], load: Load, **more: Any) -> Trial:
        def carry_out(folder: Path, fakes: Fakes) -> dict[str, Any]:
            with kind(folder, fakes) as system:
                return trial(system, fakes, load, **more)

        return carry_out

    tests = {"healthy": on(trials.healthy, Load(drafts))}
    for victim in kind.victims:
        tests[f"killed: {victim}"] = on(
            trials.killed,
            Load(drafts, refused_share=KILLED_REFUSED_SHARE),
            victim=victim,
            rounds=trials.KILLED_ROUNDS,
        )
    tests["answers lost"] = on(trials.answers_lost, few)
    for upgrade in kind.upgrades:
        tests[f"changed code: {upgrade}"] = on(
            trials.changed_code,
            Load(drafts[:CHANGED_ORDERS], stall_seconds=trials.CHANGED_STALL_SECONDS),
            upgrade=upgrade,
        )
    tests[OUTAGE] = on(trials.outage, few, seconds=OUTAGE_SECONDS)
    return kind.title, kind.notes, tests


def _counts(name: str, drafts: tuple[Draft, ...]) -> tuple[str, Sequence[str], Mapping[str, Trial]]:
    service = COUNTED[name]
    few = partial(counted, service=service, load=Load(drafts[:FAULTED_ORDERS]))
    tests = {
        "healthy": partial(few, lose_answers=False),
        "answers lost": partial(few, lose_answers=True),
    }
    return service.title, service.notes, tests


@contextmanager
def _folder(name: str) -> Iterator[Path]:
    """For data and logs: gone after, but for the logs of what failed. A run that was killed has
    left it, and the next one takes it away."""
    folder = home() / "peers" / f"run-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if usage.filesystem(folder) in _NOT_DURABLE:
        raise Unavailable(f"{folder} is in memory: set SPILLWAY_HOME to a folder on a disk.")
    try:
        yield folder
    except Exception:
        _logs_of(name).mkdir(exist_ok=True)
        for log in folder.glob("*.log"):
            shutil.copy(log, _logs_of(name))
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _logs_of(name: str) -> Path:
    """Those of its last failure."""
    return home() / "peers" / f"failed-{name}"


def _versions(name: str) -> dict[str, str]:
    try:
        own = SYSTEMS[name].versions() if name in SYSTEMS else {}
    except Unavailable:
        own = {}  # its tests say so
    return {**versions(name), **own}


def without_paths(text: str) -> str:
    """What goes into a record tells nothing of where its maker keeps things."""
    for folder in (home(), PROJECT):
        text = text.replace(f"{folder}/", "")
    return text


def _machine() -> dict[str, Any]:
    return {
        "measured": time.strftime("%Y-%m-%d"),
        **_commit(),
        "processor": usage.processor(),
        "processors": os.cpu_count(),
        "memory_gib": usage.memory_gib(),
        "system": platform.platform(terse=True),
        "busy_before": round(os.getloadavg()[0], 1),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "filesystem": usage.filesystem(home()),
    }


def _commit() -> dict[str, str]:
    """None where the project is no clone."""
    try:
        return {"commit": run(["git", "rev-parse", "--short=8", "HEAD"], cwd=PROJECT)}
    except (OSError, SpillwayError):
        return {}


def _write(results: dict[str, Any], out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    out.with_suffix(".md").write_text(tables.markdown(results))


if __name__ == "__main__":
    typer.run(main)
