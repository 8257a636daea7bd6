"""The stages' templates, synthesised once for all tests."""

from __future__ import annotations

import pytest

# Before any test module imports the CDK's library: importing `infra` says which Node it runs on.
from infra.stage import load
from tests.infra.templates import Templates, synthesise


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    return synthesise(load("local"), tmp_path_factory.mktemp("local"))


@pytest.fixture(scope="session")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    return synthesise(load("dev"), tmp_path_factory.mktemp("dev"))


@pytest.fixture(scope="session")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    return synthesise(load("prod"), tmp_path_factory.mktemp("prod"))
