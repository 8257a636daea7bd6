"""The service as the simulation knows it: how fast each part works, and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orders.domain.saga import DOWNSTREAMS
from spillway.plan import limits
from spillway.plan.work import Work

#: A client waits so long before it sends again, at first and at most: doubling, with the upper half
#: at random (docs/client.md).
RESEND_FIRST_SECONDS = 1.0
RESEND_MAX_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Service:
    """One stage's settings and its functions' times.

    `order_write_units`: of the order itself; each of the three facts takes one more.
    `warm_write_units`: the table's throughput a second at the start; `table_write_units_max`: the
    account's quota of it. `parallelization`: batches of one shard that relay handles at once.
    `deliver_batch`: commands in a batch.
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

    def relay_lanes(self, write_units: float) -> float:
        """Batches that relay handles at once when the table takes so much: the table has a shard
        for each partition."""
        most = max(limits.TABLE_NEW_WRITE_UNITS_PER_SECOND, write_units)
        return most / limits.PARTITION_WRITE_UNITS_PER_SECOND * self.parallelization

    @property
    def healthy_settle_seconds(self) -> float:
        """How long an order takes that never waits: two hops over the stream, two deliveries.

        Lambda polls a stream four times a second, so a change waits an eighth on average.
        """
        relay = 0.125 + self.relay.seconds(1)
        slowest = max(self.deliver[name].seconds(1) for name in DOWNSTREAMS[1:])
        return 2 * relay + self.deliver["inventory"].seconds(1) + slowest
