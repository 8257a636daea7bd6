"""What a test needs beside Python. The fixture that starts it says so, and each test that uses the
fixture is marked (see `pytest_collection_modifyitems` in conftest.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

Fixture = TypeVar("Fixture", bound=Callable[..., Any])

_ATTRIBUTE = "starts"
#: The marks that fixtures give, what takes longest first. `slow` is given by hand.
NEEDS = ("browser", "emulator", "mysql", "cdk")


def starts(*needs: str) -> Callable[[Fixture], Fixture]:
    """Put it between `@pytest.fixture` and a fixture that starts something: which of NEEDS."""
    assert set(needs) <= set(NEEDS)

    def declared(fixture: Fixture) -> Fixture:
        setattr(fixture, _ATTRIBUTE, needs)
        return fixture

    return declared


def needs_of(item: pytest.Item) -> Iterator[str]:
    """The needs of all fixtures that the test uses, directly or through others."""
    found = getattr(item, "_fixtureinfo", None)
    for definitions in found.name2fixturedefs.values() if found is not None else ():
        yield from getattr(definitions[-1].func, _ATTRIBUTE, ())
