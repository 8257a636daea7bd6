"""A real old database, and a bare emulator with an orders table: no functions, no deployment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from spillway.local.aws import client
from spillway.local.emulator import emulator
from spillway.local.processes import REGION
from tests.spillway.migrate.legacy import DOCS, Shop
from tests.spillway.migrate.mariadb import Server, server
from tests.spillway.migrate.tables import make_orders_table


@pytest.fixture(scope="session")
def old_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server(tmp_path_factory.mktemp("mariadb")) as started:
        yield started


@pytest.fixture(scope="session")
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
