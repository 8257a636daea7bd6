"""A real headless Chromium in front of a real stack, and customers of each test's own."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser

from spillway.run.stack import Stack
from spillway.run.stack.users import User
from tests.conftest import started_browsers
from tests.needs import starts
from tests.web.visitor import Visitor

Visits = Callable[..., Visitor]


@pytest.fixture(scope="package")
@starts("browser")
def browsers() -> Iterator[Callable[[str], Browser]]:
    """Kept from one file to the next."""
    yield from started_browsers()


@pytest.fixture
def visit(stack: Stack, browser: Browser) -> Iterator[Visits]:
    """Makes visitors: `visit()` a shopper, `visit("wholesale")` a shop that resells, and one of a
    company with its name.

    Afterwards no page may have logged an error.
    """
    visitors: list[Visitor] = []

    def make(*groups: str, company: str | None = None, limit: int | None = None) -> Visitor:
        name = f"visitor-{secrets.token_hex(4)}"
        password = stack.pool.create(name, User(groups, company, limit))
        visitors.append(Visitor(stack, browser, name, password))
        return visitors[-1]

    yield make
    complaints = [complaint for visitor in visitors for complaint in visitor.complaints]
    for visitor in visitors:
        visitor.context.close()
    assert complaints == []
