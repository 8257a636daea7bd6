"""How many orders come when: a coupon, or what a file says."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

from spillway.errors import UsageError, why_not

COLUMNS = ("second", "orders_per_second")
_ROWS_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Profile:
    """Orders per second as straight lines between points (second, orders per second), in order of
    time; nothing before the first and after the last.

    >>> Profile("ramp", ((0, 0), (10, 100))).orders(0, 5)
    125.0
    """

    name: str
    points: tuple[tuple[float, float], ...]

    @property
    def seconds(self) -> float:
        """When the last order has come."""
        return self.points[-1][0]

    @property
    def peak(self) -> float:
        return max(rate for _, rate in self.points)

    @property
    def total(self) -> float:
        return self.orders(self.points[0][0], self.seconds)

    def orders(self, start: float, end: float) -> float:
        """How many come from one second to another."""
        total = 0.0
        for (t0, r0), (t1, r1) in pairwise(self.points):
            low, high = max(start, t0), min(end, t1)
            if high <= low:
                continue
            at_low = r0 + (r1 - r0) * (low - t0) / (t1 - t0)
            at_high = r0 + (r1 - r0) * (high - t0) / (t1 - t0)
            total += (high - low) * (at_low + at_high) / 2
        return total


def coupon(peak: float = 10_000, ramp_seconds: float = 10, seconds: float = 600) -> Profile:
    """A coupon goes out: from nothing to `peak` in `ramp_seconds`, `seconds` all in all."""
    over = (seconds + 0.001, 0.0)
    return Profile("coupon", ((0.0, 0.0), (ramp_seconds, peak), (seconds, peak), over))


def read_profile(path: Path) -> Profile:
    """Points from a CSV file with the columns second and orders_per_second.

    Raises SpillwayError when it cannot be read, lacks a column, or says something impossible.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            for name in COLUMNS:
                if name not in (table.fieldnames or ()):
                    wanted = " and ".join(COLUMNS)
                    raise UsageError(f"{path} lacks the column {name}: it needs {wanted}.")
            rows = enumerate(islice(table, _ROWS_MAX + 1), start=2)
            points = [_point(path, number, row) for number, row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = error if isinstance(error, csv.Error) else why_not(error)
        raise UsageError(f"{path} cannot be read: {why}.") from error
    return Profile(path.name, _in_order(path, points))


def _point(path: Path, number: int, row: dict[str, str]) -> tuple[float, float]:
    try:
        second, rate = (float(row[name]) for name in COLUMNS)
    except (TypeError, ValueError):
        raise UsageError(f"{path}, line {number}: both columns are numbers.") from None
    if not (0 <= second < float("inf") and 0 <= rate < float("inf")):
        raise UsageError(f"{path}, line {number}: seconds and rates are 0 or more.")
    return second, rate


def _in_order(path: Path, points: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    if len(points) > _ROWS_MAX:
        raise UsageError(f"{path} has more than {_ROWS_MAX:,} rows.")
    if len(points) < 2:
        raise UsageError(f"{path} has fewer than two rows: no time passes.")
    if any(later <= earlier for (earlier, _), (later, _) in pairwise(points)):
        raise UsageError(f"{path}: the seconds must rise from row to row.")
    if not any(rate for _, rate in points):
        raise UsageError(f"{path}: no order comes.")
    return tuple(points)
