"""A service with round numbers, so that what must come out can be worked out on paper."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from orders.domain.saga import DOWNSTREAMS
from spillway.plan.capacity.outcome import Outcome
from spillway.plan.capacity.planning import Plan, service_of
from spillway.plan.capacity.recommendations import ScalingStep
from spillway.plan.capacity.service import Express, Service, Sized
from spillway.plan.capacity.simulate import simulate
from spillway.plan.cost.model import cost_model
from spillway.plan.profile import Profile
from spillway.plan.work import Work

NO_LIMIT = 1e9

#: Nothing here holds anything up for a profile of some thousand orders a second.
UNLIMITED = Service(
    api_requests_per_second=NO_LIMIT,
    api_burst=0,
    concurrency=NO_LIMIT,
    intake=Work(0.02),
    intake_init_seconds=0.5,
    buffering_seconds=0.07,
    order_write_units=1.0,
    warm_write_units=NO_LIMIT,
    relay=Work(0.0, 1e-6),
    relay_batch=100,
    parallelization=1,
    deliver={name: Work(0.1, 0.0) for name in DOWNSTREAMS},
    deliver_batch=10,
    deliver_concurrency=dict.fromkeys(DOWNSTREAMS, 1_250.0),
    drain=Work(0.0, 0.01),
    drain_batch=10,
    drain_concurrency=2,
    table_write_units_max=NO_LIMIT,
    parameter_reads_per_second=NO_LIMIT,
)


def service(**changes: Any) -> Service:
    return replace(UNLIMITED, **changes)


def by_express(
    *, per_record: float = 0.0, memory_mb: int = 128, left_over: float = 0.0, **changes: Any
) -> Service:
    """Inventory's deliveries have orders shipped and posted too: each waits for 0.2 s and takes
    `per_record` of a processor of 128 MB. Two deliveries each are left to the others."""
    sizes = {
        size: Sized(Work(0.0, per_record * 128 / size, 0.2, 10), UNLIMITED.deliver)
        for size in (128, 256, 512)
    }
    express = Express(sizes, memory_mb, seconds=1.0, left_over=left_over)
    own = {"inventory": NO_LIMIT, "fulfilment": 2.0, "accounting": 2.0}
    return service(**{"express": express, "deliver_concurrency": own, **changes})


def as_it_is(profile: Profile, **changes: Any) -> Plan:
    """A plan of the deployed service that looks for nothing to raise: one simulation, not thirty.
    `changes`: what was raised before."""
    model = cost_model()
    raised = replace(service_of(model), **changes)
    return Plan(profile, (ScalingStep(None, Outcome(simulate(profile, raised))),), model)


def level(rate: float, seconds: float) -> Profile:
    """The same rate all the time."""
    return Profile("level", ((0.0, rate), (seconds, rate)))
