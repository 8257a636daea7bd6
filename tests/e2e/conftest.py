"""The three customers of a local stack."""

from __future__ import annotations

import pytest

from spillway.local import Stack
from tests.e2e.shop import Customer


@pytest.fixture(scope="session")
def shopper(stack: Stack) -> Customer:
    return Customer(stack, "shopper")


@pytest.fixture(scope="session")
def other(stack: Stack) -> Customer:
    return Customer(stack, "other")


@pytest.fixture(scope="session")
def wholesale(stack: Stack) -> Customer:
    return Customer(stack, "wholesale")
