"""A generator in a process of its own is a generator: in order, with its errors, and never left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count, islice
from multiprocessing import active_children

import pytest

from spillway.errors import SpillwayError
from spillway.migrate.aside import aside


def three_and_an_error() -> Iterator[int]:
    yield from range(3)
    raise SpillwayError("the old database denies this")


def dying() -> Iterator[int]:
    yield 1
    os._exit(9)


def test_it_yields_in_order_and_raises_its_error_here() -> None:
    told = aside(three_and_an_error)
    assert list(islice(told, 3)) == [0, 1, 2]
    with pytest.raises(SpillwayError, match="the old database denies this"):
        next(told)


def test_one_that_was_killed_is_told_in_a_sentence() -> None:
    told = aside(dying)
    with pytest.raises(SpillwayError, match="it goes on where it was"):
        list(told)


def test_one_that_nobody_needs_any_more_is_ended() -> None:
    told = aside(count, 5)
    assert next(told) == 5
    told.close()
    assert active_children() == []
