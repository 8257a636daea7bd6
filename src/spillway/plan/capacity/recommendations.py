"""What to raise, to what, for what price: one scaling step after the other, each simulated.

Each step tries every bottleneck: raised to what the profile needs, or to AWS's own limit. It takes
the raise that gains most or, where none gains alone, the one whose bottleneck delays most. Prices
are from the price list. What a downstream can take, only its owner can say.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from orders.domain.saga import DOWNSTREAMS
from orders.settings import EXPRESS_CALLS
from spillway.plan.capacity.outcome import Outcome
from spillway.plan.capacity.service import Service
from spillway.plan.capacity.simulate import simulate
from spillway.plan.price_list import PriceList
from spillway.plan.profile import Profile
from spillway.target import limits

STEPS_MAX = 8
#: Orders settle well when 99% of them take no longer.
SETTLED_WELL_SECONDS = 120.0
_ROOM = 1.2
#: A raise gains when the last order settles in at most this share of the time.
_GAIN = 0.97
#: So many times as many orders a second must twice the memory get through: time is paid by memory,
#: so 2 would cost nothing.
_MEMORY_GAIN = 1.5
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


def scaling_steps(profile: Profile, service: Service, price_list: PriceList) -> list[ScalingStep]:
    """As it is, then raised step by step until orders settle well or nothing is left to raise."""
    steps = [ScalingStep(None, Outcome(simulate(profile, service)))]
    while len(steps) <= STEPS_MAX and not _settles_well(steps[-1].outcome):
        tried = [
            ScalingStep(change, Outcome(simulate(profile, change.service)))
            for change in _raises(steps[-1].outcome, profile, service, price_list)
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


def _raises(
    came: Outcome, profile: Profile, service: Service, price_list: PriceList
) -> list[Raise]:
    """One for each bottleneck that can be raised, the one that delays most first."""
    raises: dict[str, Raise] = {}
    for bottleneck in sorted(came.bottlenecks, key=lambda one: -one.waited):
        raised = _raise(bottleneck.name, profile, service, price_list)
        if raised is not None and raised.after > raised.before:
            raises.setdefault(raised.setting, raised)
    return [*raises.values()]


def _raise(
    bottleneck: str, profile: Profile, service: Service, price_list: PriceList
) -> Raise | None:
    match bottleneck:
        case "api":
            return _api(profile, service)
        case "concurrency":
            return _concurrency(profile, service)
        case "relay" if service.parallelization < PARALLELIZATION_MAX:
            return _relay(profile, service)
        case "table" | "relay":
            # At the limit of relay's parallelization: more shards, with the table.
            return _table(profile, service, price_list)
        case "drain":
            wanted = min(CONCURRENCY_MAX, service.drain_concurrency * 10)
            return _raised(service, "drain concurrency", "of the mapping", drain_concurrency=wanted)
        case "parameters":
            return _raised(
                service,
                "Parameter Store reads/s",
                "a setting of the account, 0.05 dollars per 10,000 reads",
                parameter_reads_per_second=limits.PARAMETER_READS_PER_SECOND_MAX,
            )
        case "coupons":
            return _coupons(profile, service, price_list)
        case "pollers_ramp" | "lambda_ramp" | "counters":
            return None
    # Memory comes before what a downstream has to bear.
    more = _memory(service)
    return more or _deliver(bottleneck.removeprefix("deliver_"), profile, service)


def _raised(service: Service, setting: str, how: str, **changes: Any) -> Raise:
    """The first of the changes has the setting's name in `Service`."""
    name = next(iter(changes))
    return Raise(setting, getattr(service, name), changes[name], how, replace(service, **changes))


def _api(profile: Profile, service: Service) -> Raise:
    wanted = profile.peak * _ROOM
    within = wanted <= limits.API_REQUESTS_PER_SECOND
    return _raised(
        service,
        "api.place.requests_per_second_max",
        "of the stage" if within else "and a quota of the account",
        api_requests_per_second=wanted,
        api_burst=min(limits.API_BURST, wanted),
    )


def _concurrency(profile: Profile, service: Service) -> Raise:
    each = min(limits.LAMBDA_REQUESTS_PER_ENVIRONMENT_AND_SECOND, 1 / service.intake.seconds(1))
    behind = sum(service.deliver_concurrency.values()) + service.drain_concurrency
    lanes = service.relay_lanes(_needed_write_units(profile, service))
    wanted = profile.peak * _ROOM / each + behind + lanes
    return _raised(service, "Lambda concurrency", "a quota of the account", concurrency=wanted)


def _needed_write_units(profile: Profile, service: Service) -> float:
    """What the table must take for orders to settle as fast as they come."""
    tries = service.claims.tries(service.claims.met(profile.peak)) if service.claims else 1.0
    return profile.peak * (service.order_write_units * tries + service.writes)


def _table(profile: Profile, service: Service, price_list: PriceList) -> Raise:
    wanted = _needed_write_units(profile, service) * _ROOM
    price = price_list["dynamodb.warm_writes"]
    raised = _raised(
        service,
        "warm write units/s",
        "of the table"
        if wanted <= limits.TABLE_WRITE_UNITS_PER_SECOND
        else "of the table, and a quota",
        warm_write_units=wanted,
        table_write_units_max=max(wanted, limits.TABLE_WRITE_UNITS_PER_SECOND),
    )
    dollars = price.of(wanted - service.warm_write_units)
    return replace(raised, dollars=dollars, confirmed=price.confirmed)


def _coupons(profile: Profile, service: Service, price_list: PriceList) -> Raise | None:
    claims = service.claims
    if claims is None:
        return None
    tries = claims.tries(claims.met(profile.peak))
    wanted = profile.peak * tries * claims.write_units * _ROOM
    price, before = price_list["dynamodb.warm_writes"], claims.warm_write_units
    return Raise(
        "warm write units/s of coupons",
        before,
        wanted,
        "of the coupons table",
        replace(service, claims=replace(claims, warm_write_units=wanted)),
        price.of(wanted - before),
        price.confirmed,
    )


def _relay(profile: Profile, service: Service) -> Raise:
    """More batches of a shard at once."""
    lane = service.relay.rate(service.relay_batch)
    lanes = profile.peak * service.changes * _ROOM / lane
    shards = service.shards(service.warm_write_units)
    wanted = min(PARALLELIZATION_MAX, max(service.parallelization + 1, -int(-lanes // shards)))
    return _raised(service, "relay parallelization", "of the stage", parallelization=wanted)


def _memory(service: Service) -> Raise | None:
    """Of deliveries on the express path, whose processor it decides: as much as ends in time, and
    then as nearly pays for itself. None where they have that."""
    express = service.express
    if express is None:
        return None
    sizes = [size for size in sorted(express.sizes) if size >= express.memory_mb]
    batch, enough = service.deliver_batch, express.memory_mb
    for size, larger in pairwise(sizes):
        before, after = (express.sizes[one].express.rate(batch) for one in (size, larger))
        if express.in_time(size) and after < before * _MEMORY_GAIN:
            break
        enough = larger
    if enough == express.memory_mb:
        return None
    changed = replace(express, memory_mb=enough)
    return Raise(
        "deliver.memory_mb",
        express.memory_mb,
        enough,
        "of the stage",
        replace(service, express=changed, deliver=express.sizes[enough].queued),
    )


def _deliver(name: str, profile: Profile, service: Service) -> Raise:
    """All that take the same orders: raising one alone only moves the queue. By the express path
    inventory's take them all, and the two others what it left over."""
    whose, together, orders = "downstreams'", DOWNSTREAMS, profile.peak * _ROOM
    if service.express is not None and name in EXPRESS_CALLS:
        whose, together = "fulfilment's and accounting's", EXPRESS_CALLS
        orders *= service.left_over
    elif service.express is not None:
        together = DOWNSTREAMS[:1]
    each = service.delivering(name, service.deliver_batch)
    wanted = min(CONCURRENCY_MAX, max(2.0, orders / each))
    most = service.deliver_concurrency
    raised = replace(
        service,
        deliver_concurrency={**most, **{one: max(most[one], wanted) for one in together}},
    )
    return Raise(
        f"{whose} concurrency_max",
        max(service.borne[one] for one in together),
        max(raised.borne[one] for one in together),
        "if they can take it",
        raised,
    )
