"""The composition root of `spillway migrate`: parts made from one configuration."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore
from botocore.config import Config as ClientConfig

from spillway.errors import UsageError
from spillway.migrate.config import Config, Target
from spillway.migrate.new.applying import TOUCHED, Applier
from spillway.migrate.new.quarantine import Quarantine
from spillway.migrate.new.state import State, Verified, now_ms, quarantined_of
from spillway.migrate.new.target import Rate, Writer, encode_at_once
from spillway.migrate.old.connection import Account, account, connected
from spillway.migrate.old.customers import CustomerFile
from spillway.migrate.old.position import Position, position_now
from spillway.migrate.old.table import OldTable
from spillway.migrate.verifying.comparing import FollowState, OnProgress, Verdict, Verify
from spillway.migrate.verifying.comparing_back import VerifyBack
from spillway.migrate.verifying.new import NewSide
from spillway.migrate.verifying.old import OldSide
from spillway.migrate.verifying.subjects import Subjects
from spillway.target.archive import OUTPUT, Archive
from spillway.target.service import of_stack, outputs_of

#: Makes a boto3 client of a service.
ClientFor = Callable[[str, ClientConfig], Any]

#: A follower that does not catch up in this time is too slow for the shop, or stuck.
SETTLE_SECONDS_MAX = 600
#: So many conditional writes, each a request of its own, are under way at once.
CONCURRENT_MAX = 12

WRITING = ClientConfig(
    # The code that decides the rate must see each throttle: the SDK must not retry.
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
    client: ClientFor
    orders_table: str
    state_table: str
    watchdog_queue_url: str | None
    archive: Archive

    def patient(self, service: str) -> Any:
        """A client that retries, for reading."""
        return self.client(service, _PATIENT)

    def state(self, source: str = "") -> State:
        return State(self.patient("dynamodb"), self.state_table, source)


@dataclass(frozen=True, slots=True)
class Parts:
    config: Config
    account: Account
    place: Place
    state: State
    writer: Writer
    applier: Applier
    customers: CustomerFile | None
    #: The same file, for verification.
    subjects: Subjects | None
    environment: Mapping[str, str]

    @contextmanager
    def old_table(self) -> Iterator[OldTable]:
        with connected(self.account) as connection:
            yield OldTable(connection, self.config, self.subject)

    def old_side(self) -> OldSide:
        return OldSide(self.config, self.account, self.subjects or str)

    def subject(self, old: str) -> str | None:
        return old if self.customers is None else self.customers.subject(old)

    def _sides(self) -> tuple[OldSide, NewSide]:
        place, old = self.place, self.old_side()
        dynamodb = place.patient("dynamodb")
        return old, NewSide(dynamodb, place.orders_table, place.archive, old.sorts_lines)

    def verify(self, on_progress: OnProgress) -> Verify:
        orders = self.state.standing().copied
        return Verify(*self._sides(), self.quarantined, self.settle, on_progress, orders)

    def verify_back(self, on_progress: OnProgress) -> VerifyBack:
        orders = self.state.standing().copied
        return VerifyBack(*self._sides(), on_progress, self.quarantined, orders)

    def note(self, verdict: Verdict, *, back: bool) -> None:
        """Keep what was found for `status`: numbers alone, nothing of an order."""
        found = Verified(
            at=now_ms(),
            result=verdict.result,
            summary="no difference" if verdict.clean else verdict.summary,
            old_orders=verdict.old_orders,
            new_orders=verdict.new_orders,
            differences=len(verdict.differences) + len(verdict.unsettled),
            sampled=verdict.sampled,
            back=back,
        )
        self.state.note_verified(found)

    def quarantined(self) -> dict[str, bool]:
        """Keys in quarantine, and whether the new service has changed the order since."""
        entries = map(quarantined_of, self.state.listed("quarantine"))
        return {key: TOUCHED in reasons for key, reasons in entries}

    def position(self) -> Position:
        """The end of the binary log now."""
        with connected(self.account) as connection:
            return position_now(connection)

    def settle(self) -> FollowState:
        """Wait until `follow` has written all changes until now, and how that ended."""
        goal = self.position()
        deadline = time.monotonic() + SETTLE_SECONDS_MAX
        while time.monotonic() < deadline:
            standing = self.state.standing()
            if standing.followed is not None and standing.followed.reached(goal):
                return "caught up"
            if not standing.at_work("follow"):
                return "stopped"
            time.sleep(0.2)
        return "behind"


@contextmanager
def assembled(config: Config, place: Place, environment: Mapping[str, str]) -> Iterator[Parts]:
    """UsageError: the environment lacks something."""
    old = account(config.source, environment)
    state = place.state(f"{old.database}.{config.source.table}")
    dynamodb = place.client("dynamodb", WRITING)
    encode_at_once(dynamodb)
    writer = Writer(dynamodb, Rate(config.target.write_units_per_second_max), state.ensure)
    quarantine = Quarantine(Path(config.quarantine_file))
    file = config.customers.file
    with (
        ThreadPoolExecutor(CONCURRENT_MAX) as pool,
        closing(CustomerFile(Path(file))) if file else nullcontext() as customers,
        closing(Subjects(Path(file))) if file else nullcontext() as subjects,
    ):
        applier = Applier(writer, place.orders_table, place.state_table, quarantine, pool)
        yield Parts(config, old, place, state, writer, applier, customers, subjects, environment)


def place_for(target: Target) -> Place:
    if target.local_port is not None:
        from spillway.run.stack import attach

        stack = attach(target.local_port)
        client, orders = stack.client, stack.tables["orders"]
        watchdog = stack.queues.get("watchdog")
        archive = of_stack(stack).archive
    else:
        from spillway.target.service import session_of

        session = session_of(region=target.region)

        def client(service: str, config: Any = None) -> Any:
            return session.client(service, config=config)

        orders, watchdog = target.orders_table or "", target.watchdog_queue_url
        archive = Archive(lambda: client("s3"), lambda: _archive_bucket(orders, target.region))
    state = target.state_table or f"{orders}-migration"
    return Place(client, orders, state, watchdog, archive)


def _archive_bucket(orders_table: str, region: str | None) -> str:
    """Of the stage whose orders table this is."""
    named = re.fullmatch(r"spillway-(.+)-orders", orders_table)
    if named is None:
        raise UsageError(
            f"{orders_table} has archived orders and isn't a stage's table: bring them back first."
        )
    return outputs_of(named[1], profile=None, region=region)[OUTPUT]
