"""What to raise, to what, for what price: one scaling step after the other, each simulated.

Each step tries every bottleneck: raised to what the profile needs, or to AWS's own limit. It takes
the raise that gains most or, where none gains alone, the one whose bottleneck delays most. Prices
are from the price book. What a downstream can take, only its owner can say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from spillway.plan.capacity.outcome import Bottleneck, Outcome, outcome
from spillway.plan.capacity.service import Service
from spillway.plan.capacity.simulate import simulate
from spillway.plan.limits import limits
from spillway.plan.prices import Book
from spillway.plan.profile import Profile

STEPS_MAX = 8
#: Orders settle well when 99% of them take no longer.
SETTLED_WELL_SECONDS = 120.0
_ROOM = 1.2
#: A raise gains when the last order settles in at most this share of the time.
_GAIN = 0.97
_FACTS = 3
PARALLELIZATION_MAX = 10
CONCURRENCY_MAX = 1_000.0


@dataclass(frozen=True, slots=True)
class Raise:
    """One change. `how`: a setting, or a quota that AWS raises on request. `dollars`: paid once.
    `confirmed`: whether a source confirms that price."""

    setting: str
    before: float
    after: float
    how: str
    service: Service
    dollars: float = 0.0
    confirmed: bool = True


@dataclass(frozen=True, slots=True)
class ScalingStep:
    """The outcome after this raise and those before it. The first step raises nothing."""

    raised: Raise | None
    outcome: Outcome


def scaling_steps(profile: Profile, service: Service, book: Book) -> list[ScalingStep]:
    """As it is, then raised step by step until orders settle well or nothing is left to raise."""
    steps = [ScalingStep(None, outcome(simulate(profile, service)))]
    while len(steps) <= STEPS_MAX and not _settles_well(steps[-1].outcome):
        tried = [
            ScalingStep(change, outcome(simulate(profile, change.service)))
            for change in _raises(steps[-1].outcome, profile, service, book)
        ]
        if not tried:
            break
        best = min(tried, key=lambda step: step.outcome.all_settled_at)
        if best.outcome.all_settled_at > steps[-1].outcome.all_settled_at * _GAIN:
            best = tried[0]
        steps.append(best)
        if best.raised is not None:
            service = best.raised.service
    return steps


def _settles_well(came: Outcome) -> bool:
    settle, resend = came.settle.p99, came.resend.p99 or 0.0
    return settle is not None and settle + resend <= SETTLED_WELL_SECONDS


def _raises(came: Outcome, profile: Profile, service: Service, book: Book) -> list[Raise]:
    """One for each bottleneck that can be raised, the one that delays most first."""
    raises: dict[str, Raise] = {}
    for bottleneck in sorted(came.bottlenecks, key=lambda one: -one.waited):
        raised = _raise(bottleneck, profile, service, book)
        if raised is not None and raised.after > raised.before:
            raises.setdefault(raised.setting, raised)
    return [*raises.values()]


def _raise(bottleneck: Bottleneck, profile: Profile, service: Service, book: Book) -> Raise | None:
    name = bottleneck.name
    if name.startswith("deliver_"):
        return _deliver(name.removeprefix("deliver_"), profile, service)
    found = _RAISES.get(name)
    return None if found is None else found(profile, service, book)


def _api(profile: Profile, service: Service, _: Book) -> Raise:
    wanted = profile.peak * _ROOM
    within = wanted <= limits().api_requests_per_second.value
    burst = min(limits().api_burst.value, wanted)
    return Raise(
        "api.place.requests_per_second_max",
        service.api_requests_per_second,
        wanted,
        "of the stage" if within else "and a quota of the account",
        replace(service, api_requests_per_second=wanted, api_burst=burst),
    )


def _concurrency(profile: Profile, service: Service, _: Book) -> Raise:
    each = min(limits().lambda_requests_per_environment.value, 1 / service.intake.seconds(1))
    behind = sum(service.deliver_concurrency.values()) + service.drain_concurrency
    lanes = service.relay_lanes(needed_write_units(profile, service))
    wanted = profile.peak * _ROOM / each + behind + lanes
    return Raise(
        "Lambda concurrency",
        service.concurrency,
        wanted,
        "a quota of the account",
        replace(service, concurrency=wanted),
    )


def needed_write_units(profile: Profile, service: Service) -> float:
    """What the table must take for orders to settle as fast as they come."""
    return profile.peak * (service.order_write_units + _FACTS)


def _table(profile: Profile, service: Service, book: Book) -> Raise:
    wanted = needed_write_units(profile, service) * _ROOM
    price = book["dynamodb.warm_writes"]
    quota = limits().table_write_units_per_second.value
    quotas = {**service.quotas, "table": max(wanted, quota)}
    return Raise(
        "warm write units/s",
        service.warm_write_units,
        wanted,
        "of the table" if wanted <= quota else "of the table, and a quota",
        replace(service, warm_write_units=wanted, quotas=quotas),
        price.of(wanted - service.warm_write_units),
        price.confirmed,
    )


def _drain(_profile: Profile, service: Service, _: Book) -> Raise:
    wanted = min(CONCURRENCY_MAX, service.drain_concurrency * 10)
    return Raise(
        "drain concurrency",
        service.drain_concurrency,
        wanted,
        "of the mapping",
        replace(service, drain_concurrency=wanted),
    )


def _relay(profile: Profile, service: Service, book: Book) -> Raise:
    """More batches of a shard at once. At their limit: more shards, with the table."""
    if service.parallelization >= PARALLELIZATION_MAX:
        return _table(profile, service, book)
    lane = service.relay.rate(service.relay_batch)
    lanes = profile.peak * (1 + _FACTS) * _ROOM / lane
    shards = service.relay_lanes(service.warm_write_units) / service.parallelization
    wanted = min(PARALLELIZATION_MAX, max(service.parallelization + 1, -int(-lanes // shards)))
    return Raise(
        "relay parallelization",
        service.parallelization,
        wanted,
        "of the stage",
        replace(service, parallelization=wanted),
    )


def _deliver(name: str, profile: Profile, service: Service) -> Raise:
    """All three take the same orders: raising one alone only moves the queue."""
    each = service.deliver[name].rate(service.deliver_batch)
    wanted = min(CONCURRENCY_MAX, max(2.0, profile.peak * _ROOM / each))
    concurrency = {one: max(most, wanted) for one, most in service.deliver_concurrency.items()}
    return Raise(
        "downstreams' concurrency_max",
        service.deliver_concurrency[name],
        wanted,
        "if they can take it",
        replace(service, deliver_concurrency=concurrency),
    )


_RAISES: Mapping[str, Callable[[Profile, Service, Book], Raise]] = {
    "api": _api,
    "concurrency": _concurrency,
    "table": _table,
    "drain": _drain,
    "relay": _relay,
}
