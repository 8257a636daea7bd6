"""A real old database, and a bare emulator with an orders table: no functions, no deployment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from spillway.run.stack.emulator import emulator
from tests.needs import starts
from tests.spillway.migrate.legacy import Shop
from tests.spillway.migrate.mariadb import Server, server


@pytest.fixture(scope="session")
@starts("mysql")
def old_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server(tmp_path_factory.mktemp("mariadb")) as started:
        yield started


@pytest.fixture(scope="session")
@starts("emulator")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of an emulator without any stack."""
    with emulator(tmp_path_factory.mktemp("emulator")) as started:
        yield started.url


@pytest.fixture
def shop(old_server: Server, request: pytest.FixtureRequest) -> Iterator[Shop]:
    """An empty old table; its shape is the test's parameter, else one row per order."""
    shape = getattr(request, "param", "row-per-order")
    with old_server.database() as name:
        made = Shop(old_server, name, shape)
        yield made
        made.close()
