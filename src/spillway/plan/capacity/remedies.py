"""What to raise, to what, for what price: one remedy after the other, each simulated anew.

At each rung every bottleneck is tried: raised to what the profile needs, or to where AWS's own
limit stands. The one that gains most is taken; where none gains by itself, the one that holds up
most. What that costs is from the price book; what a downstream can bear is for its owner to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from orders.domain.saga import DOWNSTREAMS
from spillway.plan.capacity.outcome import Bottleneck, Outcome, outcome
from spillway.plan.capacity.service import Service
from spillway.plan.capacity.simulate import simulate
from spillway.plan.limits import limits
from spillway.plan.prices import Book
from spillway.plan.profile import Profile

RUNGS_MAX = 8
#: Orders settle well when the slowest hundredth takes no longer.
SETTLED_WELL_SECONDS = 120.0
_ROOM = 1.2
#: A remedy gains when all have settled in so much of the time at most.
_GAIN = 0.97
_FACTS = 3
PARALLELIZATION_MAX = 10
CONCURRENCY_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Raise:
    """One change. `how`: a setting, or a quota that AWS raises on request. `dollars` once; None
    where nobody can say. `confirmed`: whether that price is."""

    bottleneck: str
    setting: str
    before: float
    after: float
    how: str
    dollars: float
    confirmed: bool
    service: Service


@dataclass(frozen=True, slots=True)
class Rung:
    """What came of it once this was raised too. The first rung raises nothing."""

    raised: Raise | None
    outcome: Outcome


def ladder(profile: Profile, service: Service, book: Book) -> list[Rung]:
    """As it is, then raised step by step until orders settle well or nothing more can be raised."""
    rungs = [Rung(None, outcome(simulate(profile, service)))]
    while len(rungs) <= RUNGS_MAX and not _well(rungs[-1].outcome):
        tried = [
            Rung(change, outcome(simulate(profile, change.service)))
            for change in _changes(rungs[-1].outcome, profile, service, book)
        ]
        if not tried:
            break
        best = min(tried, key=lambda rung: rung.outcome.all_settled_at)
        if best.outcome.all_settled_at > rungs[-1].outcome.all_settled_at * _GAIN:
            best = tried[0]
        rungs.append(best)
        if best.raised is not None:
            service = best.raised.service
    return rungs


def _well(came: Outcome) -> bool:
    settle, resend = came.settle.p99, came.resend.p99 or 0.0
    return settle is not None and settle + resend <= SETTLED_WELL_SECONDS


def _changes(came: Outcome, profile: Profile, service: Service, book: Book) -> list[Raise]:
    """A remedy for each bottleneck that has one left, that which holds up most first."""
    changes: dict[str, Raise] = {}
    for bottleneck in sorted(came.bottlenecks, key=lambda one: -one.waited):
        change = _raised(bottleneck, profile, service, book)
        if change is not None and change.after > change.before:
            changes.setdefault(change.setting, change)
    return [*changes.values()]


def _raised(bottleneck: Bottleneck, profile: Profile, service: Service, book: Book) -> Raise | None:
    remedy = _REMEDIES.get(bottleneck.name)
    return None if remedy is None else remedy(profile, service, book)


def _api(profile: Profile, service: Service, _: Book) -> Raise:
    wanted = profile.peak * _ROOM
    quota = limits().api_requests_per_second.value
    burst = min(limits().api_burst.value, wanted)
    return Raise(
        "api",
        "api.place.requests_per_second_max",
        service.api_requests_per_second,
        wanted,
        "of the stage" if wanted <= quota else "and a quota of the account",
        0.0,
        True,
        replace(service, api_requests_per_second=wanted, api_burst=burst),
    )


def _concurrency(profile: Profile, service: Service, _: Book) -> Raise:
    each = min(limits().lambda_requests_per_environment.value, 1 / service.intake.seconds(1))
    behind = sum(service.deliver_concurrency.values()) + service.drain_concurrency
    lanes = service.relay_lanes(needed_write_units(profile, service))
    wanted = profile.peak * _ROOM / each + behind + lanes
    return Raise(
        "concurrency",
        "Lambda concurrency",
        service.concurrency,
        wanted,
        "a quota of the account",
        0.0,
        True,
        replace(service, concurrency=wanted),
    )


def needed_write_units(profile: Profile, service: Service) -> float:
    """What the table takes when orders settle as fast as they come."""
    return profile.peak * (service.order_write_units + _FACTS)


def _table(profile: Profile, service: Service, book: Book) -> Raise:
    wanted = needed_write_units(profile, service) * _ROOM
    price = book["dynamodb.warm_writes"]
    quota = limits().table_write_units_per_second.value
    return Raise(
        "table",
        "warm write units/s",
        service.warm_write_units,
        wanted,
        "of the table" if wanted <= quota else "of the table, and a quota",
        price.of(wanted - service.warm_write_units),
        price.confirmed,
        replace(
            service,
            warm_write_units=wanted,
            quotas={**service.quotas, "table": max(wanted, quota)},
        ),
    )


def _drain(profile: Profile, service: Service, _: Book) -> Raise:
    del profile
    wanted = min(float(CONCURRENCY_MAX), service.drain_concurrency * 10)
    return Raise(
        "drain",
        "drain concurrency",
        service.drain_concurrency,
        wanted,
        "of the mapping",
        0.0,
        True,
        replace(service, drain_concurrency=wanted),
    )


def _relay(profile: Profile, service: Service, book: Book) -> Raise:
    """More batches of a shard at once; once that is used up, more shards, with the table."""
    if service.parallelization >= PARALLELIZATION_MAX:
        return _table(profile, service, book)
    lane = service.relay.rate(service.relay_batch)
    lanes = profile.peak * (1 + _FACTS) * _ROOM / lane
    shards = service.relay_lanes(service.warm_write_units) / service.parallelization
    wanted = min(PARALLELIZATION_MAX, max(service.parallelization + 1, -int(-lanes // shards)))
    return Raise(
        "relay",
        "relay parallelization",
        service.parallelization,
        wanted,
        "of the stage",
        0.0,
        True,
        replace(service, parallelization=wanted),
    )


def _deliver(name: str) -> Callable[[Profile, Service, Book], Raise]:
    def remedy(profile: Profile, service: Service, _: Book) -> Raise:
        each = service.deliver[name].rate(service.deliver_batch)
        wanted = min(float(CONCURRENCY_MAX), max(2.0, profile.peak * _ROOM / each))
        # All three take the same orders: one that is raised alone only moves the queue.
        concurrency = {one: max(most, wanted) for one, most in service.deliver_concurrency.items()}
        return Raise(
            f"deliver_{name}",
            "downstreams' concurrency_max",
            service.deliver_concurrency[name],
            wanted,
            "if they bear it",
            0.0,
            True,
            replace(service, deliver_concurrency=concurrency),
        )

    return remedy


_REMEDIES: Mapping[str, Callable[[Profile, Service, Book], Raise]] = {
    "api": _api,
    "concurrency": _concurrency,
    "table": _table,
    "drain": _drain,
    "relay": _relay,
    **{f"deliver_{name}": _deliver(name) for name in DOWNSTREAMS},
}
