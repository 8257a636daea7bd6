"""A real old database, and a bare emulator with an orders table: no functions, no deployment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import pytest

from spillway.run.stack.emulator import emulator
from tests.needs import starts
from tests.spillway.migrate.legacy import Shop
from tests.spillway.migrate.servers import Make, Server, server


@pytest.fixture(scope="session")
@starts("mysql")
def old_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Make], Server]]:
    """Each server is started when a test first asks for it."""
    with ExitStack() as all_of_them:

        @cache
        def started(make: Make) -> Server:
            return all_of_them.enter_context(server(tmp_path_factory.mktemp(make), make))

        yield started


@pytest.fixture
def old_server(old_servers: Callable[[Make], Server], request: pytest.FixtureRequest) -> Server:
    """MariaDB, unless the test says otherwise, see `on_every_server`."""
    return old_servers(getattr(request, "param", "mariadb"))


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
