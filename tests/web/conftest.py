"""A real headless Chromium in front of a real stack, and customers of each test's own."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from spillway.local import Stack
from tests.web.visitor import Visitor

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")

Visits = Callable[..., Visitor]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = next((found for name in _BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.fail("These tests need Chromium: `apt install chromium`, or Chrome.")
    with sync_playwright() as playwright:
        # No sandbox: a container's root cannot have one, and nothing but our own pages is opened.
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def visit(stack: Stack, browser: Browser) -> Iterator[Visits]:
    """Makes visitors: `visit()` a shopper, `visit("wholesale")` a shop that resells.

    Afterwards none of their pages may have complained of anything.
    """
    visitors: list[Visitor] = []

    def make(group: str | None = None) -> Visitor:
        name = f"visitor-{secrets.token_hex(4)}"
        password = stack.pool.create(name, group)
        visitors.append(Visitor(stack, browser, name, password))
        return visitors[-1]

    yield make
    complaints = [complaint for visitor in visitors for complaint in visitor.complaints]
    for visitor in visitors:
        visitor.context.close()
    assert complaints == []
