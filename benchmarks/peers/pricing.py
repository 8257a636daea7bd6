"""What each system costs in a month, by one price list: servers sized from what was measured,
AWS's engines by what was counted, Spillway by its own record. An order is one that nobody refuses.

What is left out favours those with servers: free tiers, addresses, NAT, logs, alarms, backups, what
passes between zones, and the people who run them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from math import ceil
from pathlib import Path
from typing import Any

from spillway.plan.cost.alternatives import alternatives
from spillway.plan.cost.model import CostModel, cost_model
from spillway.plan.cost.usage import (
    GB,
    MONTH_SECONDS,
    REQUESTS_TO_DOWNSTREAMS,
    idle,
)
from spillway.plan.price_list import Bill, PriceList, Usage, Use, load, priced

PRICES = Path(__file__).with_name("prices.toml")
VOLUMES = (10_000, 1_000_000, 100_000_000)
HOURS = MONTH_SECONDS / 3_600
ZONES = 2
#: How much more comes in the busiest hour than on average: what cannot grow by itself must bear it.
PEAK = 10
#: How busy what grows with the load is on average, and what does not at the peak.
BUSY, BUSY_AT_PEAK = 0.5, 0.8
#: Of what a process was measured to hold, for it to hold so many orders more.
MEMORY_SPARE = 1.5
#: Burstable servers of two vCPUs: what of them each has all the time, and its memory in GB.
_BURSTABLE = {"micro": (0.2, 1), "small": (0.4, 2), "medium": (0.4, 4)}
_BURSTABLE_VCPUS = 2
_DISK_GB_MIN = 20.0
#: Of a node of Restate's, by the least that its documentation sets for little traffic.
_NODE_GB_MIN = 1.5
#: Of three, those that bear the load.
_NODES_BUSY = 2
#: Of a month's orders, those whose histories are kept at the least: a day's.
A_DAY = 1 / 30
#: Of one family; a price goes by their number.
_VCPUS = (1, 2, 4, 8, 16, 32, 48, 64)
#: New connections a second that a unit of the load balancer bears.
_BALANCER_UNIT = 25.0
#: Of Temporal: a start, and three activities.
ACTIONS = 4
_BUSINESS_ACTIONS_FREE = 2_500_000
#: 100 GB of closed workflows, each of 744 hours.
_BUSINESS_GB_HOURS_FREE = 74_400.0
_BUSINESS_DOLLARS_MIN = 500.0
PUBLIC_ACTIONS_MAX = 200_000_000
_PLAN_SHARE = 0.1

Results = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Measured:
    """What a part of a system was measured to take: processor seconds an order and, at rest, a
    second; bytes of memory."""

    an_order: float
    at_rest: float
    memory_bytes: float

    def __add__(self, other: Measured) -> Measured:
        """Both as containers of one task."""
        return Measured(
            self.an_order + other.an_order,
            self.at_rest + other.at_rest,
            self.memory_bytes + other.memory_bytes,
        )

    def vcpus(self, orders: float, times: float = 1.0) -> float:
        """On average in a month of so many orders, or at `times` that load."""
        return self.an_order * orders / MONTH_SECONDS * times + self.at_rest


@dataclass(frozen=True, slots=True)
class Offer:
    """One way to run a system. `usage` of a month with so many orders; None: it has no price, and
    `without` says why. `at_least`: something that it needs could not be measured."""

    system: str
    name: str
    of: str
    usage: Callable[[int], Usage | None]
    at_least: bool = False
    without: str = "no public price"


@dataclass(frozen=True, slots=True)
class Priced:
    """An offer with a month's bill by the number of orders."""

    offer: Offer
    bills: Mapping[int, Bill | None]


class Book:
    """The prices of all that can be priced from these results."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.prices: PriceList = load(PRICES)

    @cached_property
    def model(self) -> CostModel:
        return cost_model()

    def priced(self) -> list[Priced]:
        return [
            Priced(
                offer,
                {
                    orders: None if usage is None else priced(usage, self.prices)
                    for orders in VOLUMES
                    for usage in [offer.usage(orders)]
                },
            )
            for offer in self.offers()
        ]

    def offers(self) -> Iterator[Offer]:
        yield Offer("spillway", "Spillway", "its own cost record, orders evenly", self._spillway)
        if parts := self._measured("dbos"):
            yield Offer(
                "dbos",
                "DBOS",
                "tasks in two zones, PostgreSQL in two zones, load balancer",
                partial(self._dbos, parts),
            )
        if parts := self._measured("temporal"):
            yield from self._temporal(parts)
        if parts := self._measured("restate"):
            yield Offer(
                "restate",
                "Restate",
                "three nodes in three zones with their disks, endpoint in two, load balancer",
                partial(self._restate, parts),
                at_least=True,
            )
        yield self._of_aws("durable_functions", "Lambda durable functions")
        yield self._of_aws("step_functions", "Step Functions Standard")
        yield self._of_aws("step_functions", "Step Functions Express")

    def _measured(self, system: str) -> Mapping[str, Measured]:
        """By part; empty where the system did not run."""
        test = self.results["systems"].get(system, {}).get("tests", {}).get("healthy", {})
        if "crowd" not in test:
            return {}
        rest, after = test["at_rest"], test["memory_after_bytes"]
        return {
            part: Measured(
                an_order["processor_seconds"],
                rest[part]["processor_seconds_a_second"],
                max(after[part], rest[part]["memory_bytes"]),
            )
            for part, an_order in test["crowd"]["an_order"].items()
        }

    def _stored(self, system: str, what: str = "stored_bytes_an_order") -> float:
        """Of one order, in GB; where it was not counted, what its files took."""
        crowd = self.results["systems"][system]["tests"]["healthy"]["crowd"]
        return float(crowd.get(what) or crowd["stored_bytes_an_order"] or 0) / GB

    def _spillway(self, orders: int) -> Usage:
        order = self.model.an_order(self.model.steady(orders))
        own = Usage(tuple(use for use in order if use.name != REQUESTS_TO_DOWNSTREAMS))
        month = idle(self.model.stage) + self.model.working()
        return (own + self.model.kept()).scaled(orders) + month

    def _dbos(self, parts: Mapping[str, Measured], orders: int) -> Usage:
        return (
            tasks("application", parts["program"], orders)
            + database(parts["server"], orders, A_DAY * self._stored("dbos"))
            + balancer(orders)
        )

    def _temporal(self, parts: Mapping[str, Measured]) -> Iterator[Offer]:
        def own(orders: int) -> Usage:
            return tasks("worker and API", parts["worker"] + parts["api"], orders) + balancer(
                orders
            )

        def hosted(orders: int) -> Usage | None:
            # The development server's time is its database's too, which cannot be told apart. As
            # long as the smallest would bear all of it, the smallest it is.
            smallest = Measured(0.0, 0.0, 0.0)
            if parts["server"].vcpus(orders) > _BURSTABLE["micro"][0] * BUSY:
                return None
            return (
                own(orders)
                + tasks("servers", parts["server"], orders)
                + database(smallest, orders, A_DAY * self._stored("temporal"))
            )

        def cloud(orders: int) -> Usage | None:
            service = self._temporal_cloud(orders)
            return None if service is None else own(orders) + service

        yield Offer(
            "temporal",
            "Temporal, self-hosted",
            "servers, worker beside API in two zones, the smallest database in two zones, balancer",
            hosted,
            at_least=True,
            without="not measured",
        )
        yield Offer(
            "temporal",
            "Temporal Cloud",
            "actions and plan; worker beside API in two zones, load balancer",
            cloud,
        )

    def _temporal_cloud(self, orders: int) -> Usage | None:
        """By the cheaper of the two plans that have a public price."""
        actions = float(ACTIONS * orders)
        if actions > PUBLIC_ACTIONS_MAX:
            return None
        stored = self._stored("temporal", "history_bytes_an_order") * orders * HOURS
        developer = self._plan("temporal_cloud.actions", actions, stored, 0.0)
        business = self._plan(
            "temporal_cloud.business_actions",
            max(0.0, actions - _BUSINESS_ACTIONS_FREE),
            max(0.0, stored - _BUSINESS_GB_HOURS_FREE),
            _BUSINESS_DOLLARS_MIN,
        )
        return min(developer, business, key=lambda usage: priced(usage, self.prices).dollars)

    def _plan(self, price: str, actions: float, gb_hours: float, dollars_min: float) -> Usage:
        history = Use("history, kept for a month", "temporal_cloud.retained_storage", gb_hours)
        used = Usage((Use("actions", price, actions), history))
        share = _PLAN_SHARE * priced(used, self.prices).dollars
        return used + Usage((Use("plan", "temporal_cloud.plan", max(dollars_min, share)),))

    def _restate(self, parts: Mapping[str, Measured], orders: int) -> Usage:
        disk = max(_DISK_GB_MIN, A_DAY * self._stored("restate") * orders)
        return (
            tasks("endpoint", parts["program"], orders)
            + _monthly(
                _restate_nodes(parts["server"], orders),
                ("their disks", "ebs.gp3_storage", 3 * disk),
            )
            + balancer(orders)
        )

    def _of_aws(self, system: str, design: str) -> Offer:
        alternative = alternatives()[design]
        return Offer(
            system, design, alternative.what, lambda orders: alternative.usage({}).scaled(orders)
        )


def tasks(name: str, part: Measured, orders: float) -> Usage:
    """On Fargate, in two zones. They grow and shrink with the load in quarters of a vCPU, each with
    half a GB or more; one zone's are at least one."""
    quarters = max(1, ceil(4 * part.vcpus(orders) / ZONES / BUSY))
    each = quarters / 4
    held = ceil(2 * MEMORY_SPARE * part.memory_bytes / 2**30) / 2
    return _monthly(
        (f"{name}: {ZONES} x {each:g} vCPU", "fargate.vcpu_hours", ZONES * HOURS * each),
        (f"{name}: memory", "fargate.gb_hours", ZONES * HOURS * max(2 * each, held)),
    )


def database(part: Measured, orders: float, stored_gb: float) -> Usage:
    """PostgreSQL in two zones, for the peak, with so many GB kept of each order."""
    disk = max(_DISK_GB_MIN, stored_gb * orders)
    return _monthly(_database_server(part, orders), ("its disk", "rds.storage_two_zones", disk))


def _database_server(part: Measured, orders: float) -> tuple[str, str, float]:
    """The smallest that has the processors and the memory."""
    mean, peak = part.vcpus(orders), part.vcpus(orders, PEAK) / BUSY_AT_PEAK
    if size := _burstable(mean, peak, MEMORY_SPARE * part.memory_bytes / 2**30):
        price = f"rds_postgresql.t4g_{size}_hours"
        return f"database: {ZONES} x db.t4g.{size}", price, ZONES * HOURS
    vcpus = max(2, _at_least(peak))
    hours = ZONES * HOURS * vcpus / 2
    return (f"database: {ZONES} x db.m7g of {vcpus} vCPU", "rds_postgresql.m7g_large_hours", hours)


def _restate_nodes(part: Measured, orders: float) -> tuple[str, str, float]:
    """Three of the smallest of which two bear the peak. That each log is written on two of them
    could not be measured on one."""
    mean = part.vcpus(orders) / _NODES_BUSY
    peak = part.vcpus(orders, PEAK) / _NODES_BUSY / BUSY_AT_PEAK
    held = max(_NODE_GB_MIN, MEMORY_SPARE * part.memory_bytes / 2**30)
    if size := _burstable(mean, peak, held):
        return f"3 nodes, t4g.{size}", f"ec2.t4g_{size}_hours", 3 * HOURS
    vcpus = _at_least(peak)
    return f"3 nodes, m7g of {vcpus} vCPU", "ec2.m7g_large_hours", 3 * HOURS * vcpus / 2


def _burstable(mean_vcpus: float, peak_vcpus: float, memory_gb: float) -> str | None:
    """The smallest that has them; None where none has."""
    if peak_vcpus > _BURSTABLE_VCPUS:
        return None
    for size, (always, memory) in _BURSTABLE.items():
        if mean_vcpus <= always * BUSY and memory_gb <= memory:
            return size
    return None


def balancer(orders: float) -> Usage:
    units = max(1.0, orders / MONTH_SECONDS / _BALANCER_UNIT)
    return _monthly(
        ("load balancer", "alb.hours", HOURS),
        ("load balancer: units", "alb.capacity_unit_hours", HOURS * units),
    )


def _at_least(vcpus: float) -> int:
    return next((size for size in _VCPUS if size >= vcpus), _VCPUS[-1] * ceil(vcpus / _VCPUS[-1]))


def _monthly(*uses: tuple[str, str, float]) -> Usage:
    return Usage(tuple(Use(name, price, units, per_month=True) for name, price, units in uses))
