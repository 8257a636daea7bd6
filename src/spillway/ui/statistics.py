"""Percentiles and histograms of durations in seconds."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

BINS_MAX = 10

# Where bins may end, from fine to coarse, in every decade from milliseconds to hours: readable for
# 20 ms as for 2 minutes.
_SERIES = (
    (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0),
    (1.0, 1.5, 2.0, 3.0, 5.0, 7.0),
    (1.0, 2.0, 5.0),
    (1.0,),
)
_DECADES = range(-3, 5)


@dataclass(frozen=True, slots=True)
class Bin:
    """How many durations are longer than `over` seconds and not longer than `up_to`."""

    over: float
    up_to: float
    count: int


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that is not exceeded by at least this share of all (nearest rank).

    Without values it is None: no figure is better than an invented one.
    """
    if not values:
        return None
    rank = max(1, math.ceil(share * len(values)))
    return sorted(values)[rank - 1]


def histogram(values: Sequence[float]) -> list[Bin]:
    """All bins from the first to the last that holds a value, as fine as `BINS_MAX` allows."""
    if not values:
        return []
    for series in _SERIES:
        edges = [step * 10.0**decade for decade in _DECADES for step in series]
        places = [min(bisect_left(edges, value), len(edges) - 1) for value in values]
        first, last = min(places), max(places)
        if last - first < BINS_MAX:
            break
    return [
        Bin(edges[place - 1] if place else 0.0, edges[place], places.count(place))
        for place in range(first, last + 1)
    ]
