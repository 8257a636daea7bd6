"""What came of a spike: how long orders waited, for what, and why none was lost."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

from infra.event_sources import RECORD_AGE_SECONDS_MAX
from orders.domain.refusals import ORDER_ID_AGE_MAX_MS
from orders.domain.saga import DOWNSTREAMS
from spillway.plan.capacity.simulate import CHANGES, Flow, Sample, Series

_DELAYS = 4_000
_DELAYS_FOR_MAX = 1_000
_NOTHING = 0.01
_WHAT: Mapping[str, str] = {
    "api": "the API's own throttle",
    "lambda_ramp": "Lambda starts at most 1,000 environments in 10 s",
    "parameters": "Parameter Store, which each new environment reads the receipt keys from",
    "concurrency": "Lambda's concurrency in the account",
    "table": "the table's write throughput",
    "coupons": "the coupons table's write throughput",
    "counters": "the coupon's counters, where transactions meet",
    "drain": "drain, which works slowly on purpose",
    "relay": "relay: one batch at a time for each shard of the stream",
    "pollers_ramp": "Lambda's pollers of a queue: 5, and 300 more a minute",
    **{
        f"deliver_{name}": f"{name}'s deliveries: so many run at once, each so fast"
        for name in DOWNSTREAMS
    },
}


@dataclass(slots=True)
class Bottleneck:
    """What delayed orders from one second to another. At its worst `demand` met `limit` (orders,
    requests, records or units a second). `waited`: order-seconds spent before it."""

    name: str
    began: float
    ended: float = 0.0
    demand: float = 0.0
    limit: float = 1.0
    waited: float = 0.0

    @property
    def what(self) -> str:
        return _WHAT[self.name]

    def add(self, sample: Sample, seconds: float) -> None:
        """It delayed orders in this step too."""
        demand, limit = sample.binding[self.name]
        if demand * self.limit > self.demand * limit:
            self.demand, self.limit = demand, limit
        self.ended = sample.second
        self.waited += _waiting(self.name, sample) * seconds


def _waiting(name: str, sample: Sample) -> float:
    """How many orders wait before a bottleneck."""
    match name:
        case "api" | "concurrency" | "lambda_ramp" | "parameters" | "coupons" | "counters":
            return sample.clients_waiting
        case "table":
            return sample.before_table
        case "drain":
            return sample.overflow
        case "relay":
            return sample.stream
    return sum(
        waiting
        for queue, waiting in sample.queues.items()
        if name in ("pollers_ramp", f"deliver_{queue}")
    )


@dataclass(frozen=True, slots=True)
class Waits:
    """In seconds; None where no order waited so."""

    p50: float | None
    p99: float | None


class Outcome:
    """`offered` = `accepted` + `buffered` + `resent` + `lost`, and each order is in one of them:

    accepted  into the table at the first try
    buffered  at the first try into the overflow queue, answered 202
    resent    refused at first (429 or 503), acknowledged when its client sent it again
    lost      never acknowledged, or acknowledged and never settled. `needs_a_person` are not lost:
              they are in the table, and someone must redrive them
    """

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.offered = flow.offered.total
        self.accepted = flow.at_once.total
        self.buffered = flow.buffered
        self.resent = flow.resent.total
        lost = self.offered - flow.settled.total
        self.lost = 0.0 if lost < max(0.5, self.offered * 1e-9) else lost
        self.looks = flow.looks
        self.needs_a_person = _late(flow.placed, flow.relayed["order"], RECORD_AGE_SECONDS_MAX)
        self.late_ids = _late(flow.refused_first, flow.resent, ORDER_ID_AGE_MAX_MS / 1000)
        self.settle = _settle(flow)
        self.resend = _waited(flow.refused_first, flow.resent)
        self.buffer = _waited(flow.into_overflow, flow.out_of_overflow)
        self.all_settled_at = flow.settled.when(flow.settled.total - 0.5)
        self.bottlenecks = _bottlenecks(flow)

    @property
    def kept(self) -> dict[str, float]:
        """How many orders a system without each mechanism would lose."""
        flow = self.flow
        overflowed = flow.buffered + flow.resent_into_overflow
        kept = {
            "the table stores each order before it is answered": self.accepted,
            "the overflow queue stores what the table cannot take, before it is answered": (
                overflowed
            ),
            "clients keep what was refused, and send it again under the same id": self.resent,
            "queues keep what waits for a downstream for up to 14 days": flow.settled.total,
            "relay dead-letters what it cannot send in 22 h; `spillway redrive` brings it back": (
                self.needs_a_person
            ),
        }
        return {mechanism: orders for mechanism, orders in kept.items() if orders >= 0.5}

    @property
    def stream_seconds_max(self) -> float:
        """The longest that a change waited in the stream."""
        flow = self.flow
        return max(_delay_max(flow.recorded[change], flow.relayed[change]) for change in CHANGES)

    @property
    def queue_seconds_max(self) -> float:
        """The longest that a message waited in a queue."""
        recorded, relayed = self.flow.recorded, self.flow.relayed
        return max(
            _delay_max(relayed["order"], self.flow.reserved),
            _delay_max(relayed["reserve"], recorded["ship"]),
            _delay_max(relayed["reserve"], recorded["post"]),
            _delay_max(self.flow.into_overflow, self.flow.out_of_overflow),
        )

    @property
    def backlogs_max(self) -> dict[str, float]:
        """The most that waited at one time, by where."""
        samples = self.flow.samples
        return {
            "clients": max(sample.clients_waiting for sample in samples),
            "overflow": max(sample.overflow for sample in samples),
            "stream": max(sample.stream for sample in samples),
            **{str(name): max(sample.queues[name] for sample in samples) for name in DOWNSTREAMS},
        }


def _late(into: Series, out: Series, seconds: float) -> float:
    """How many were between two series for longer than this."""
    if not out.total:
        return 0.0
    late = sum(delay > seconds for delay, _ in delays(into, out))
    return out.total * late / _DELAYS


def _settle(flow: Flow) -> Waits:
    """From acknowledgement to confirmation: through the table at once, or the overflow queue."""
    healthy = flow.service.healthy_settle_seconds
    buffered = flow.into_overflow.total
    samples: list[tuple[float, float]] = []
    drained = delays(flow.into_overflow, flow.out_of_overflow)
    for share, way in flow.ways:
        placed = flow.placed.part(share)
        direct = share * (flow.acknowledged.total - buffered)
        samples += [(delay + healthy, direct) for delay, _ in delays(placed, way)]
        for delay, second in drained:
            out = second + delay
            settled = way.when(placed.passed(out))
            samples.append((delay + max(0.0, settled - out) + healthy, share * buffered))
    return _percentiles(samples)


def _waited(into: Series, out: Series) -> Waits:
    return _percentiles([(delay, 1.0) for delay, _ in delays(into, out)])


def delays(into: Series, out: Series) -> list[tuple[float, float]]:
    """Samples of how long it took from one series to the other, each with when it began."""
    total = min(into.total, out.total)
    if total < _NOTHING:
        return []
    orders = [total * (number + 0.5) / _DELAYS for number in range(_DELAYS)]
    begins = [into.when(order) for order in orders]
    return [
        (max(0.0, out.when(order) - began), began)
        for order, began in zip(orders, begins, strict=True)
    ]


def _delay_max(into: Series, out: Series) -> float:
    """The longest delay between two series, their last order included."""
    samples = min(_DELAYS_FOR_MAX, len(into.totals)) if into.total else 0
    orders = (into.total * sample / samples for sample in range(1, samples + 1))
    return max((out.when(order) - into.when(order) for order in orders), default=0.0)


def _percentiles(samples: list[tuple[float, float]]) -> Waits:
    """Of (seconds, weight)."""
    ordered = sorted(samples)
    passed = [*accumulate(weight for _, weight in ordered)]
    if not passed or not passed[-1]:
        return Waits(None, None)

    def at(share: float) -> float:
        return ordered[min(bisect_left(passed, share * passed[-1]), len(ordered) - 1)][0]

    return Waits(at(0.50), at(0.99))


def _bottlenecks(flow: Flow) -> list[Bottleneck]:
    """In the order in which they began."""
    found: dict[str, Bottleneck] = {}
    previous = 0.0
    for sample in flow.samples:
        for name in sample.binding:
            bottleneck = found.setdefault(name, Bottleneck(name, previous))
            bottleneck.add(sample, sample.second - previous)
        previous = sample.second
    return sorted(found.values(), key=lambda one: (one.began, -one.waited))
