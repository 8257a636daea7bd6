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

import botocore
from botocore.config import Config as ClientConfig
from pymysql.connections import Connection

from spillway.errors import SpillwayError
from spillway.migrate.applying import TOUCHED, Applier
from spillway.migrate.config import Config, Target
from spillway.migrate.connection import Account, account, connected, run
from spillway.migrate.copying import Copy, OnProgress
from spillway.migrate.customers import CustomerFile, customer_file
from spillway.migrate.following import Follow, OnLag
from spillway.migrate.going_back import GoBack
from spillway.migrate.mapping import Mapper
from spillway.migrate.quarantine import Quarantine
from spillway.migrate.rate import Rate
from spillway.migrate.source import position_now
from spillway.migrate.state import State, quarantined_of
from spillway.migrate.target import Writer, encode_at_once
from spillway.migrate.verifying.comparing import Verify
from spillway.migrate.verifying.going_back import VerifyBack
from spillway.migrate.verifying.new import NewSide
from spillway.migrate.verifying.old import OldSide

#: Makes a boto3 client of a service.
ClientFor = Callable[[str], Any]

#: A follower that does not catch up for so long is too slow for the shop, or stuck.
SETTLE_SECONDS_MAX = 600
#: Conditional writes go one by one; so many are under way at once.
CONCURRENT_MAX = 12

WRITING = ClientConfig(
    # A throttle must be seen where the rate is decided, not be waited out in the SDK.
    retries={"total_max_attempts": 1, "mode": "standard"},
    # The SDK would make its own twice for each request, a quarter of what a batch costs.
    user_agent=f"Botocore/{botocore.__version__} app/spillway-migrate",
    connect_timeout=5,
    read_timeout=10,
    max_pool_connections=24,
)
_PATIENT = ClientConfig(
    retries={"total_max_attempts": 6, "mode": "standard"},
    connect_timeout=5,
    read_timeout=120,
    max_pool_connections=8,
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the orders table is, and how it is reached.

    `client` makes patient clients, for reading; `writing` ones whose every failure is seen at once.
    """

    client: ClientFor
    writing: ClientFor
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
    environment: Mapping[str, str]

    def mapper_for(self, utc_columns: frozenset[str]) -> Mapper:
        subjects = (lambda old: old) if self.customers is None else self.customers.subject
        return Mapper.of(self.config, subjects, time.time_ns() // 1_000_000, utc_columns)

    def copy(self, on_progress: OnProgress) -> Copy:
        return Copy(
            self.config, self.account, self.state, self.applier, self.mapper_for, on_progress
        )

    def old_side(self) -> OldSide:
        subject_of = (lambda old: old) if self.customers is None else self.customers.subject
        return OldSide(self.config, self.account, subject_of)

    def verify(self, on_progress: Callable[[str, int], None]) -> Verify:
        return Verify(
            self.old_side(),
            NewSide(self.place.client("dynamodb"), self.place.orders_table),
            self.quarantined,
            self.settle,
            on_progress,
        )

    def verify_back(self, on_progress: Callable[[str, int], None]) -> VerifyBack:
        return VerifyBack(
            self.old_side(),
            NewSide(self.place.client("dynamodb"), self.place.orders_table),
            on_progress,
            self.quarantined,
        )

    def before_the_switch(self) -> None:
        """SpillwayError: it has been made, and the old table is now behind the new one."""
        if self.state.standing().phase == "switched":
            raise SpillwayError(
                "The switch has been made: `spillway migrate verify --back` compares from here on."
            )

    def back(self, on_progress: Callable[[int, float], None]) -> GoBack:
        """SpillwayError: the configuration does not say how to go back."""
        back = self.config.back
        if back is None:
            raise SpillwayError("The configuration has no [back]: it says how to write old rows.")
        return GoBack(
            self.config,
            back,
            account(self.config.source, self.environment, back.url_variable),
            self.state,
            self.writer,
            self.place.client("dynamodbstreams"),
            self.place.orders_table,
            self._old_customer,
            on_progress,
            self.applier.quarantine,
        )

    def _old_customer(self, connection: Connection[Any], subject: str) -> str | None:
        customers = self.config.customers
        if customers.by == "csv" and self.customers is not None:
            return self.customers.customer(subject)
        if customers.by == "table":
            found = run(
                connection,
                f"SELECT `{customers.key}` FROM `{customers.table}`"  # noqa: S608 -- names, checked
                f" WHERE `{customers.subject}` = %s",
                (subject,),
            )
            return found[0][0] if found else None
        return subject

    def quarantined(self) -> dict[str, bool]:
        """Keys in quarantine, and whether the new service has changed the order since."""
        entries = map(quarantined_of, self.state.listed("quarantine"))
        return {key: TOUCHED in reasons for key, reasons in entries}

    def settle(self) -> bool:
        """Wait until `follow` has written all that has happened until now; false if none runs."""
        with connected(self.account) as connection:
            goal = position_now(connection)
        deadline = time.monotonic() + SETTLE_SECONDS_MAX
        while time.monotonic() < deadline:
            standing = self.state.standing()
            if standing.followed is not None and standing.followed.reached(goal):
                return True
            if standing.work != "follow" or standing.until < time.time() * 1000:
                return False
            time.sleep(0.2)
        return False

    def follow(self, on_lag: OnLag) -> Follow:
        return Follow(self.config, self.account, self.state, self.applier, self.mapper_for, on_lag)


@contextmanager
def parts(config: Config) -> Iterator[Parts]:
    """SpillwayError: the environment lacks something, or there is no such stack."""
    with assembled(config, place_for(config.target), os.environ) as made:
        yield made


@contextmanager
def assembled(config: Config, place: Place, environment: Mapping[str, str]) -> Iterator[Parts]:
    state = State(place.client("dynamodb"), place.state_table)
    rate = Rate(config.target.write_units_per_second_max)
    dynamodb = place.writing("dynamodb")
    encode_at_once(dynamodb)
    writer = Writer(dynamodb, rate, state.ensure)
    quarantine = Quarantine(Path(config.quarantine_file))
    with (
        ThreadPoolExecutor(CONCURRENT_MAX) as pool,
        customer_file(config.customers) as customers,
    ):
        applier = Applier(writer, place.orders_table, place.state_table, quarantine, pool)
        yield Parts(
            config,
            account(config.source, environment),
            place,
            state,
            writer,
            applier,
            customers,
            environment,
        )


def place_for(target: Target) -> Place:
    if target.local_port is not None:
        from spillway.run.stack import attach

        stack = attach(target.local_port)
        orders = stack.tables["orders"]
        return Place(
            lambda service: stack.client(service, _PATIENT),
            lambda service: stack.client(service, WRITING),
            orders,
            target.state_table or f"{orders}-migration",
            stack.queues.get("watchdog"),
        )
    import boto3

    session: Any = boto3.Session(region_name=target.region)
    if session.get_credentials() is None:
        raise SpillwayError("No AWS credentials: sign in first (aws sso login, or AWS_PROFILE).")
    orders = target.orders_table or ""
    return Place(
        lambda service: session.client(service, config=_PATIENT),
        lambda service: session.client(service, config=WRITING),
        orders,
        target.state_table or f"{orders}-migration",
        target.watchdog_queue_url,
    )
