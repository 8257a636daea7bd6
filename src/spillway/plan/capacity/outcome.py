"""What came of a spike: how long orders waited, for what, and why none was lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

from infra.event_sources import RECORD_AGE_SECONDS_MAX
from orders.domain.refusals import ORDER_ID_AGE_MAX_MS
from orders.domain.saga import DOWNSTREAMS
from spillway.plan.capacity.simulate import Curve, Flow, Moment

_LOOKS = 4_000
_NOTHING = 0.01
#: A bottleneck that is gone for less than this is still the same one.
_PAUSE_SECONDS = 60.0

WHAT: Mapping[str, str] = {
    "api": "the API's own throttle",
    "lambda_ramp": "Lambda starts 1,000 environments in 10 s and no more",
    "concurrency": "Lambda's concurrency in the account",
    "table": "what the table takes",
    "drain": "drain, which works the overflow off slowly on purpose",
    "relay": "relay: a batch at a time for each shard of the stream",
    "pollers_ramp": "Lambda's pollers of a queue: 5, and 300 more a minute",
    **{f"deliver_{name}": f"deliveries to {name}: its concurrency limit" for name in DOWNSTREAMS},
}


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """What held orders up from one second to another.

    At its worst `demand` met `limit` (orders, requests, records or units, as `what` has it).
    `waited` is how many order-seconds lay before it.
    """

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
    """p50 and p99, in seconds; None where nobody waited so."""

    p50: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class Kept:
    """So many orders came through where they would be lost elsewhere, and by what."""

    mechanism: str
    orders: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """`offered` = `accepted` + `buffered` + `resent` + `lost`, and each order is in one of them:

    accepted  into the table at the first try
    buffered  at the first try into the overflow queue, answered 202
    resent    refused at first (429 or 503), acknowledged when its client sent it again
    lost      acknowledged and never settled, or never acknowledged; `needs_a_person` are not lost:
              they lie in the table, and somebody must redrive them
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
    acknowledged_per_second_max: float
    all_settled_at: float
    bottlenecks: tuple[Bottleneck, ...]
    kept: tuple[Kept, ...]


def outcome(flow: Flow) -> Outcome:
    """Read a flow."""
    offered = flow.offered.total
    resent = flow.resent.total
    accepted, buffered = flow.at_once.total, flow.buffered
    lost = offered - flow.settled.total
    given_up = _given_up(flow)
    return Outcome(
        flow=flow,
        offered=offered,
        accepted=accepted,
        buffered=buffered,
        resent=resent,
        lost=0.0 if lost < max(0.5, offered * 1e-9) else lost,
        needs_a_person=given_up,
        late_ids=_late(flow.refused_first, flow.resent, ORDER_ID_AGE_MAX_MS / 1000),
        settle=_settle(flow),
        resend=_waited(flow.refused_first, flow.resent),
        buffer=_waited(flow.into_overflow, flow.out_of_overflow),
        acknowledged_per_second_max=max(moment.acknowledged for moment in flow.moments),
        all_settled_at=flow.settled.when(flow.settled.total - 0.5),
        bottlenecks=_bottlenecks(flow),
        kept=_kept(flow, accepted, buffered, resent, given_up),
    )


def _kept(
    flow: Flow, accepted: float, buffered: float, resent: float, given_up: float
) -> tuple[Kept, ...]:
    overflowed = buffered + flow.resent_into_overflow
    kept = [
        Kept("the table has it before it is answered, and its stream tells relay of it", accepted),
        Kept("what the table did not take lies in the overflow queue before it is answered",
             overflowed),
        Kept("what was refused is kept by its client, and sent again under the same id", resent),
        Kept("what waits for a downstream lies in a queue for up to 14 days; a concurrency limit"
             " delays it and drops nothing", flow.settled.total),
    ]  # fmt: skip
    if given_up:
        kept.append(
            Kept("what relay has not come to in 22 h goes to the dead letters; the order is in the"
                 " table, and `spillway redrive` brings it back", given_up)
        )  # fmt: skip
    return tuple(one for one in kept if one.orders >= 0.5)


def _given_up(flow: Flow) -> float:
    """Orders whose first record was not relayed in time."""
    return _late(flow.placed, flow.relayed["order"], RECORD_AGE_SECONDS_MAX)


def _late(into: Curve, out: Curve, seconds: float) -> float:
    """How many were between two curves for longer than this."""
    if not out.total:
        return 0.0
    late = sum(delay > seconds for delay, _ in _delays(into, out))
    return out.total * late / _LOOKS


def _settle(flow: Flow) -> Waits:
    """From acknowledgement to confirmation: by the table at once, or after the overflow queue."""
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


def _waited(into: Curve, out: Curve) -> Waits:
    """How long things were between two curves."""
    return _percentiles([(delay, 1.0) for delay, _ in _delays(into, out)])


def _delays(into: Curve, out: Curve) -> list[tuple[float, float]]:
    """`_LOOKS` samples of how long it took from one curve to the other, with when it began."""
    total = min(into.total, out.total)
    if total < _NOTHING:
        return []
    seconds = [into.when(total * (look + 0.5) / _LOOKS) for look in range(_LOOKS)]
    ends = [out.when(total * (look + 0.5) / _LOOKS) for look in range(_LOOKS)]
    return [(max(0.0, end - second), second) for second, end in zip(seconds, ends, strict=True)]


def _percentiles(samples: list[tuple[float, float]]) -> Waits:
    """Of (seconds, weight)."""
    total = sum(weight for _, weight in samples)
    if not total:
        return Waits(None, None)
    ordered = sorted(samples)
    passed = accumulate(weight for _, weight in ordered)
    by_share = [
        (weight / total, seconds) for weight, (seconds, _) in zip(passed, ordered, strict=True)
    ]

    def at(share: float) -> float:
        return next((seconds for reached, seconds in by_share if reached >= share), ordered[-1][0])

    return Waits(at(0.50), at(0.99))


def _bottlenecks(flow: Flow) -> tuple[Bottleneck, ...]:
    """In the order in which they began."""
    found: dict[str, list[float]] = {}
    spans: dict[str, list[list[float]]] = {}
    previous = 0.0
    for moment in flow.moments:
        step = moment.second - previous
        for name, (demand, limit) in moment.binding.items():
            worst = found.setdefault(name, [demand, limit, 0.0])
            if demand / max(limit, 1e-9) > worst[0] / max(worst[1], 1e-9):
                worst[:2] = [demand, limit]
            worst[2] += _before(name, moment) * step
            own = spans.setdefault(name, [])
            if own and previous - own[-1][1] <= _PAUSE_SECONDS:
                own[-1][1] = moment.second
            else:
                own.append([previous, moment.second])
        previous = moment.second
    bottlenecks = [
        Bottleneck(name, spans[name][0][0], spans[name][-1][1], *found[name]) for name in found
    ]
    return tuple(sorted(bottlenecks, key=lambda one: (one.began, -one.waited)))


def _before(name: str, moment: Moment) -> float:
    """How much waits before a bottleneck."""
    match name:
        case "api" | "concurrency" | "lambda_ramp":
            return moment.clients_waiting
        case "table" | "drain":
            return moment.overflow
        case "relay":
            return moment.stream
        case "pollers_ramp":
            return sum(moment.queues.values())
    return sum(waiting for queue, waiting in moment.queues.items() if name == f"deliver_{queue}")
