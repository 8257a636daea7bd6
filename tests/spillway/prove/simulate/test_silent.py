"""Where no events are published, an order that the express path settles costs one run of relay."""

from __future__ import annotations

import pytest

from simulation.catalogue import START
from simulation.world.faults import Faults
from simulation.world.world import World
from spillway.prove.simulate.customers import Customer
from spillway.prove.simulate.plan import planned


@pytest.mark.parametrize(("silent", "runs"), [(True, 1), (False, 2)])
def test_an_order_that_is_settled_at_once_has_relay_run_once(*, silent: bool, runs: int) -> None:
    plan = planned(0)
    quiet = Faults(0, {}, START)
    fakes = {name: type(one)() for name, one in plan.fault_settings.items()}
    world = World(0, START, quiet, {}, fault_settings=fakes, express=True, silent=silent)
    draft = plan.orders[0].draft
    customer = Customer(key=draft.key, order=draft.order, world=world, name="ada", draft=draft)
    customer.place()
    # Longer than the watch's window and the delay of its checks.
    world.scheduler.run(START + 3_600_000)
    customer.read()
    world.scheduler.run(START + 3_660_000)
    assert customer.status == "confirmed"
    assert world.functions["relay"].invocations == runs
    assert bool(world.topic.heard) is not silent
    assert world.invariants.broken == []
    world.close()
