"""What processes take of the machine, as Linux counts it."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Usage:
    """`processor_seconds` only ever grows. `memory_bytes`: users of a page share it.

    What Linux counts as written to the disk is of no use here: it takes a page that was touched for
    written as a whole, and pages are large. PostgreSQL's 5 kB of log an order counted as 930 kB.
    """

    processor_seconds: float = 0.0
    memory_bytes: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.processor_seconds + other.processor_seconds,
            self.memory_bytes + other.memory_bytes,
        )


def has_proc() -> bool:
    return (_PROC / "self" / "stat").exists()


def tree(root: int) -> set[int]:
    """A process and all that descend from it."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for pid, parent in _parents():
        children[parent].append(pid)
    found, left = set(), [root]
    while left:
        pid = left.pop()
        found.add(pid)
        left += children[pid]
    return found


def of(pids: Iterable[int]) -> Usage:
    """Of these processes and of those of their children that have ended."""
    total = Usage()
    for pid in pids:
        total += _of_process(pid)
    return total


def resident_bytes(pid: int) -> int:
    """What it holds, also of what it shares; quicker to know than `memory_bytes`."""
    return 1024 * _named(pid, "status", "VmRSS")


def command(pid: int) -> str | None:
    """Its command line; None once it has ended."""
    try:
        line = (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return None
    return line or None


def ended_children_seconds(pid: int) -> float:
    """Processor time of the children that have ended."""
    fields = _stat(pid)
    return sum(map(int, fields[13:15])) / _TICKS if fields else 0.0


def folder_bytes(folder: Path) -> int:
    """What the files in it take on the disk."""
    return sum(512 * path.lstat().st_blocks for path in folder.rglob("*") if path.is_file())


def processor() -> str:
    """What Linux calls it."""
    for line in (_PROC / "cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"


def memory_gib() -> float:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)


def filesystem(folder: Path) -> str:
    """The type of the file system that holds `folder`, such as ext4 or tmpfs."""
    best, kind = "", "unknown"
    for line in (_PROC / "self/mounts").read_text().splitlines():
        _, mounted, type_, *_ = line.split()
        inside = folder.is_relative_to(mounted)
        if inside and len(mounted) >= len(best):
            best, kind = mounted, type_
    return kind


def _of_process(pid: int) -> Usage:
    fields = _stat(pid)
    if not fields:
        return Usage()  # it has ended; its parent has its time
    return Usage(
        processor_seconds=sum(map(int, fields[11:15])) / _TICKS,
        memory_bytes=1024 * _named(pid, "smaps_rollup", "Pss"),
    )


def _stat(pid: int) -> list[str]:
    """From the state on (field 3 of proc(5)); empty for a process that has ended."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _named(pid: int, file: str, name: str) -> int:
    try:
        lines = (_PROC / str(pid) / file).read_text().splitlines()
    except OSError:
        return 0
    for line in lines:
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    return 0


def _parents() -> Iterator[tuple[int, int]]:
    for entry in _PROC.iterdir():
        if entry.name.isdecimal():
            fields = _stat(int(entry.name))
            if fields:
                yield int(entry.name), int(fields[1])
