"""What came of a spike: how long orders waited, for what, and why none was lost."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import accumulate

from infra.event_sources import RECORD_AGE_SECONDS_MAX
from orders.domain.refusals import ORDER_ID_AGE_MAX_MS
from orders.domain.saga import DOWNSTREAMS
from spillway.plan.capacity.simulate import Flow, Sample, Series

_DELAYS = 4_000
_NOTHING = 0.01
WHAT: Mapping[str, str] = {
    "api": "the API's own throttle",
    "lambda_ramp": "Lambda starts at most 1,000 environments in 10 s",
    "concurrency": "Lambda's concurrency in the account",
    "table": "the table's write throughput",
    "drain": "drain, which works slowly on purpose",
    "relay": "relay: one batch at a time for each shard of the stream",
    "pollers_ramp": "Lambda's pollers of a queue: 5, and 300 more a minute",
    **{f"deliver_{name}": f"deliveries to {name}: its concurrency limit" for name in DOWNSTREAMS},
}


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """What delayed orders from one second to another. At its worst `demand` met `limit` (orders,
    requests, records or units a second). `waited`: order-seconds spent before it."""

    name: str
    began: float
    ended: float
    demand: float
    limit: float
    waited: float

    @property
    def what(self) -> str:
        return WHAT[self.name]


@dataclass(frozen=True, slots=True)
class Waits:
    """In seconds; None where no order waited so."""

    p50: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class Kept:
    """So many orders that a system without this mechanism would lose."""

    mechanism: str
    orders: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """`offered` = `accepted` + `buffered` + `resent` + `lost`, and each order is in one of them:

    accepted  into the table at the first try
    buffered  at the first try into the overflow queue, answered 202
    resent    refused at first (429 or 503), acknowledged when its client sent it again
    lost      never acknowledged, or acknowledged and never settled. `needs_a_person` are not lost:
              they are in the table, and someone must redrive them
    """

    flow: Flow
    offered: float
    accepted: float
    buffered: float
    resent: float
    lost: float
    needs_a_person: float
    late_ids: float
    settle: Waits
    resend: Waits
    buffer: Waits
    all_settled_at: float
    bottlenecks: tuple[Bottleneck, ...]
    kept: tuple[Kept, ...]


def outcome(flow: Flow) -> Outcome:
    offered = flow.offered.total
    lost = offered - flow.settled.total
    given_up = _late(flow.placed, flow.relayed["order"], RECORD_AGE_SECONDS_MAX)
    return Outcome(
        flow=flow,
        offered=offered,
        accepted=flow.at_once.total,
        buffered=flow.buffered,
        resent=flow.resent.total,
        lost=0.0 if lost < max(0.5, offered * 1e-9) else lost,
        needs_a_person=given_up,
        late_ids=_late(flow.refused_first, flow.resent, ORDER_ID_AGE_MAX_MS / 1000),
        settle=_settle(flow),
        resend=_waited(flow.refused_first, flow.resent),
        buffer=_waited(flow.into_overflow, flow.out_of_overflow),
        all_settled_at=flow.settled.when(flow.settled.total - 0.5),
        bottlenecks=_bottlenecks(flow),
        kept=_kept(flow, given_up),
    )


def _kept(flow: Flow, given_up: float) -> tuple[Kept, ...]:
    overflowed = flow.buffered + flow.resent_into_overflow
    kept = (
        Kept("the table stores each order before it is answered", flow.at_once.total),
        Kept("the overflow queue stores what the table cannot take, before it is answered",
             overflowed),
        Kept("clients keep what was refused, and send it again under the same id",
             flow.resent.total),
        Kept("queues keep what waits for a downstream for up to 14 days", flow.settled.total),
        Kept("relay dead-letters what it cannot send in 22 h; `spillway redrive` brings it back",
             given_up),
    )  # fmt: skip
    return tuple(one for one in kept if one.orders >= 0.5)


def _late(into: Series, out: Series, seconds: float) -> float:
    """How many were between two series for longer than this."""
    if not out.total:
        return 0.0
    late = sum(delay > seconds for delay, _ in _delays(into, out))
    return out.total * late / _DELAYS


def _settle(flow: Flow) -> Waits:
    """From acknowledgement to confirmation: through the table at once, or the overflow queue."""
    healthy = flow.service.healthy_settle_seconds
    buffered = flow.into_overflow.total
    samples = [
        (delay + healthy, flow.acknowledged.total - buffered)
        for delay, _ in _delays(flow.placed, flow.settled)
    ]
    for delay, second in _delays(flow.into_overflow, flow.out_of_overflow):
        drained = second + delay
        settled = flow.settled.when(flow.placed.passed(drained))
        samples.append((delay + max(0.0, settled - drained) + healthy, buffered))
    return _percentiles(samples)


def _waited(into: Series, out: Series) -> Waits:
    return _percentiles([(delay, 1.0) for delay, _ in _delays(into, out)])


def _delays(into: Series, out: Series) -> list[tuple[float, float]]:
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


def _percentiles(samples: list[tuple[float, float]]) -> Waits:
    """Of (seconds, weight)."""
    total = sum(weight for _, weight in samples)
    if not total:
        return Waits(None, None)
    ordered = sorted(samples)
    passed = [*accumulate(weight for _, weight in ordered)]

    def at(share: float) -> float:
        return ordered[min(bisect_left(passed, share * total), len(ordered) - 1)][0]

    return Waits(at(0.50), at(0.99))


def _bottlenecks(flow: Flow) -> tuple[Bottleneck, ...]:
    """In the order in which they began."""
    found: dict[str, Bottleneck] = {}
    previous = 0.0
    for sample in flow.samples:
        for name, (demand, limit) in sample.binding.items():
            waited = _before(name, sample) * (sample.second - previous)
            known = found.get(name) or Bottleneck(name, previous, 0.0, demand, limit, 0.0)
            if demand * known.limit > known.demand * limit:
                known = replace(known, demand=demand, limit=limit)
            found[name] = replace(known, ended=sample.second, waited=known.waited + waited)
        previous = sample.second
    return tuple(sorted(found.values(), key=lambda one: (one.began, -one.waited)))


def _before(name: str, sample: Sample) -> float:
    """How much waits before a bottleneck."""
    match name:
        case "api" | "concurrency" | "lambda_ramp":
            return sample.clients_waiting
        case "table" | "drain":
            return sample.overflow
        case "relay":
            return sample.stream
        case "pollers_ramp":
            return sum(sample.queues.values())
    return sum(waiting for queue, waiting in sample.queues.items() if name == f"deliver_{queue}")
