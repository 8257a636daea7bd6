"""The service as the simulation knows it: how fast each part works, and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp

from orders.aws.coupons import TRIES
from orders.domain.saga import DOWNSTREAMS, ONCE_RESERVED
from orders.settings import EXPRESS_CALLS, EXPRESS_SHARE
from spillway.plan.work import Work
from spillway.target import limits

#: A client waits so long before it sends again, at first and at most: doubling, with the upper half
#: at random (docs/client.md).
RESEND_FIRST_SECONDS = 1.0
RESEND_MAX_SECONDS = 60.0


#: Meeting makes more tries, and more tries meet more often: after so many rounds it is settled.
_ROUNDS = 50


@dataclass(frozen=True, slots=True)
class Claims:
    """What each order claims of a limited coupon, in the transaction that stores it.

    `write_units`: of a claim, in the coupons table, which takes `warm_write_units` a second at the
    start. `counters`: how many share the limit. `seconds`: how long a transaction holds its counter
    against another.
    """

    write_units: float
    counters: int
    seconds: float
    warm_write_units: float

    def met(self, orders_per_second: float) -> float:
        """The chance that a try meets another transaction on its counter, and is cancelled."""
        each, met = orders_per_second / self.counters * self.seconds, 0.0
        for _ in range(_ROUNDS):
            met = 1 - exp(-each * self.tries(met))
        return met

    def tries(self, met: float) -> float:
        """Transactions that an order takes."""
        return sum(met**failed for failed in range(TRIES))

    def refused(self, met: float) -> float:
        """The share of orders whose every try was cancelled."""
        return met**TRIES


@dataclass(frozen=True, slots=True)
class Looks:
    """How customers follow their orders: when the service asks them to, for as long as they keep
    the page open. `per_second`: what the API lets through."""

    reads: Work
    per_second: float
    watched_seconds: float

    @property
    def each_environment(self) -> float:
        """Looks a second."""
        return min(limits.LAMBDA_REQUESTS_PER_ENVIRONMENT_AND_SECOND, 1 / self.reads.seconds(1))


@dataclass(frozen=True, slots=True)
class Sized:
    """How long the deliveries take for a batch with so much memory: inventory's by the express
    path, and each by its own queue."""

    express: Work
    queued: Mapping[str, Work]


@dataclass(frozen=True, slots=True)
class Express:
    """The express path: inventory's deliveries have an order shipped and posted too.

    `sizes`: by the deliveries' memory in MB; they have `memory_mb`. `seconds`: what the stage gives
    one of them, half of it at most for its first round of calls. `left_over`: the share of orders
    whose shipment and posting go by their own queues, as all do while breakers are open. At least
    this: see `Service.left_over`. `relayed`: whether relay is run for the write of all facts:
    where a stage publishes no events a filter drops it.
    """

    sizes: Mapping[int, Sized]
    memory_mb: int
    seconds: float
    left_over: float = 0.0
    relayed: bool = True

    @property
    def delivery(self) -> Work:
        return self.sizes[self.memory_mb].express

    def in_time(self, memory_mb: int) -> bool:
        """Whether an order's delivery ends in time in a full batch, where those that run at once
        share the processor."""
        work = self.sizes[memory_mb].express
        return max(work.per_record * work.at_once, work.per_record + work.wait) <= self.seconds


@dataclass(frozen=True, slots=True)
class Service:
    """One stage's settings and its functions' times.

    `order_write_units`: of the order itself; each further write of an order takes one more.
    `warm_write_units`: the table's throughput a second at the start; `table_write_units_max`: the
    account's quota of it. `parallelization`: batches of one shard that relay handles at once.
    `deliver_batch`: commands in a batch. `parameter_reads_per_second`: what Parameter Store answers
    the account; each new environment of intake needs one. `claims`: where each order has a limited
    coupon; such orders do not overflow. `looks`: where customers follow their orders. `express`:
    where orders go by that path.
    """

    api_requests_per_second: float
    api_burst: float
    concurrency: float
    intake: Work
    intake_init_seconds: float
    buffering_seconds: float
    order_write_units: float
    warm_write_units: float
    relay: Work
    relay_batch: int
    parallelization: int
    deliver: Mapping[str, Work]
    deliver_batch: float
    deliver_concurrency: Mapping[str, float]
    drain: Work
    drain_batch: int
    drain_concurrency: float
    table_write_units_max: float = limits.TABLE_WRITE_UNITS_PER_SECOND
    parameter_reads_per_second: float = limits.PARAMETER_READS_PER_SECOND
    claims: Claims | None = None
    looks: Looks | None = None
    express: Express | None = None

    @property
    def left_over(self) -> float:
        """The share of orders whose shipment and posting go by their own queues: all of them, too,
        where a full batch has too little of the processor to be answered in time."""
        express = self.express
        if express is None or not express.in_time(express.memory_mb):
            return 1.0
        return express.left_over

    @property
    def writes(self) -> float:
        """Of an order after its own: each fact by itself, or all with one write."""
        return 1 + len(ONCE_RESERVED) * self.left_over

    @property
    def changes(self) -> float:
        """Of an order, that relay gets: itself, and those of its writes that are not dropped."""
        dropped = self.express is not None and not self.express.relayed
        return 1 + self.writes - (1 - self.left_over if dropped else 0.0)

    @property
    def borne(self) -> Mapping[str, float]:
        """Each downstream's `concurrency_max`: its own deliveries, and its share of inventory's
        where those call it too."""
        also = self.deliver_concurrency["inventory"] * EXPRESS_SHARE if self.express else 0.0
        return {
            name: most + (also if name in EXPRESS_CALLS else 0.0)
            for name, most in self.deliver_concurrency.items()
        }

    def delivering(self, name: str, records: float) -> float:
        """Orders a second that one environment of a downstream's deliveries gets through, in
        batches of so many."""
        seconds = self.deliver[name].seconds(records)
        if self.express is not None and name == "inventory":
            left = self.left_over
            seconds = left * seconds + (1 - left) * self.express.delivery.seconds(records)
        return records / seconds

    def relay_lanes(self, write_units: float) -> float:
        """Batches that relay handles at once when the table takes so much."""
        return self.shards(write_units) * self.parallelization

    def shards(self, write_units: float) -> float:
        """Of the stream: the table has one for each partition."""
        most = max(limits.TABLE_NEW_WRITE_UNITS_PER_SECOND, write_units)
        return most / limits.PARTITION_WRITE_UNITS_PER_SECOND

    @property
    def healthy_settle_seconds(self) -> float:
        """How long an order takes that never waits: two hops over the stream and two deliveries,
        or one of each by the express path.

        Lambda polls a stream four times a second, so a change waits an eighth on average.
        """
        relay = 0.125 + self.relay.seconds(1)
        if self.express is not None and self.left_over < 1:
            return relay + self.express.delivery.seconds(1)
        slowest = max(self.deliver[name].seconds(1) for name in DOWNSTREAMS[1:])
        return 2 * relay + self.deliver["inventory"].seconds(1) + slowest
