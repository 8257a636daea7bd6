"""The composition root of `spillway migrate`: parts made from one configuration."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.config import Config as ClientConfig

from spillway.errors import SpillwayError
from spillway.migrate.applying import Applier
from spillway.migrate.config import Config, Target
from spillway.migrate.connection import Account, account
from spillway.migrate.copying import Copy, OnProgress
from spillway.migrate.customers import CustomerFile, customer_file
from spillway.migrate.following import Follow, OnLag
from spillway.migrate.mapping import Mapper
from spillway.migrate.quarantine import Quarantine
from spillway.migrate.rate import Rate
from spillway.migrate.state import State
from spillway.migrate.target import Writer

#: Makes a boto3 client of a service.
ClientFor = Callable[[str], Any]

#: Conditional writes go one by one; so many are under way at once.
SIDE_BY_SIDE_MAX = 12

_CLIENT = ClientConfig(
    # A throttle must be seen where the rate is decided, not be waited out in the SDK.
    retries={"total_max_attempts": 1, "mode": "standard"},
    connect_timeout=5,
    read_timeout=10,
    max_pool_connections=24,
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the orders table is, and how it is reached."""

    client: ClientFor
    orders_table: str
    state_table: str
    watchdog_queue_url: str | None


@dataclass(frozen=True, slots=True)
class Parts:
    """One migration, put together."""

    config: Config
    account: Account
    place: Place
    state: State
    writer: Writer
    applier: Applier
    customers: CustomerFile | None

    def mapper_for(self, utc_columns: frozenset[str]) -> Mapper:
        subjects = (lambda old: old) if self.customers is None else self.customers.subject
        return Mapper.of(self.config, subjects, time.time_ns() // 1_000_000, utc_columns)

    def copy(self, on_progress: OnProgress) -> Copy:
        return Copy(
            self.config, self.account, self.state, self.applier, self.mapper_for, on_progress
        )

    def follow(self, on_lag: OnLag) -> Follow:
        return Follow(self.config, self.account, self.state, self.applier, self.mapper_for, on_lag)


@contextmanager
def parts(config: Config) -> Iterator[Parts]:
    """SpillwayError: the environment lacks something, or there is no such stack."""
    with assembled(config, place_of(config.target), os.environ) as made:
        yield made


@contextmanager
def assembled(config: Config, place: Place, environment: Mapping[str, str]) -> Iterator[Parts]:
    dynamodb = place.client("dynamodb")
    state = State(dynamodb, place.state_table)
    rate = Rate(config.target.write_units_per_second_max)
    writer = Writer(dynamodb, rate, state.ensure)
    quarantine = Quarantine(Path(config.quarantine_file))
    with (
        ThreadPoolExecutor(SIDE_BY_SIDE_MAX) as pool,
        customer_file(config.customers) as customers,
    ):
        applier = Applier(writer, place.orders_table, place.state_table, quarantine, pool)
        yield Parts(
            config, account(config.source, environment), place, state, writer, applier, customers
        )


def place_of(target: Target) -> Place:
    if target.local_port is not None:
        from spillway.local import attach

        stack = attach(target.local_port)
        orders = stack.tables["orders"]
        return Place(
            lambda service: stack.client(service, _CLIENT),
            orders,
            target.state_table or f"{orders}-migration",
            stack.queues.get("watchdog"),
        )
    import boto3

    session = boto3.Session(region_name=target.region)
    if session.get_credentials() is None:
        raise SpillwayError("No AWS credentials: sign in first (aws sso login, or AWS_PROFILE).")
    orders = target.orders_table or ""
    return Place(
        lambda service: session.client(service, config=_CLIENT),
        orders,
        target.state_table or f"{orders}-migration",
        target.watchdog_queue_url,
    )
