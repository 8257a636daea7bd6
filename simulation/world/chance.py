"""A schedule's randomness: one seed, and a stream of numbers for each name.

Every task, message and customer has its own stream. One stream for all would be enough to run a
seed again, but not to shrink it: without a single fault, every later draw would go to another task,
and the rest would be another schedule. Here the rest stays as it was (decision 0017).

`random.Random` seeded by a text costs 20 µs, and a schedule has some fifty streams; this costs one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar
from zlib import crc32

_MASK = (1 << 64) - 1
# Knuth's multiplier for 64 bits; the upper bits, which are used, are the good ones.
_MULTIPLIER = 6364136223846793005
_INCREMENT = 1442695040888963407
_UNIT = 2.0**-53

T = TypeVar("T")


class Chance:
    """A stream of random numbers: the same for the same seed and name, whatever else happens."""

    __slots__ = ("_state",)

    def __init__(self, seed: int, name: str) -> None:
        # Names and seeds that differ by little must not start alike: mixed as splitmix64 does.
        state = (crc32(name.encode()) << 32 ^ seed * 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ state >> 30) * 0xBF58476D1CE4E5B9) & _MASK
        self._state = ((state ^ state >> 27) * 0x94D049BB133111EB) & _MASK

    def __call__(self) -> float:
        """A number in [0, 1)."""
        self._state = state = (self._state * _MULTIPLIER + _INCREMENT) & _MASK
        return (state >> 11) * _UNIT

    def below(self, bound: int) -> int:
        """A whole number from 0 up to, not including, `bound`."""
        return int(self() * bound)

    def between(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + int(self() * (high - low + 1))

    def pick(self, choices: Sequence[T]) -> T:
        return choices[int(self() * len(choices))]

    def shuffled(self, things: Sequence[T]) -> list[T]:
        mixed = list(things)
        for last in range(len(mixed) - 1, 0, -1):
            other = int(self() * (last + 1))
            mixed[last], mixed[other] = mixed[other], mixed[last]
        return mixed
