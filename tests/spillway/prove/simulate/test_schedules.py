"""Schedules: the same seed is the same schedule, and a fault does what it says."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from orders.domain.saga import DOWNSTREAMS
from simulation.catalogue import START, ExpectedOutcome
from simulation.world.faults import AT_CALLS, Fault, Outage
from simulation.world.network import WRONG_ANSWERS
from simulation.world.trace import Trace
from spillway.prove.simulate import exhaustive
from spillway.prove.simulate.exhaustive import cases, each_fault
from spillway.prove.simulate.plan import ExpressPath, Plan, planned
from spillway.prove.simulate.saga_states import sets_of_facts
from spillway.prove.simulate.schedule import Result, run
from spillway.prove.simulate.tally import Tally, tallied

HEALTHY: Plan = cases()["confirmed"]


def traced(plan: Plan, **options: object) -> tuple[Result, list[str]]:
    trace = Trace()
    result = run(plan, trace=trace, **options)  # type: ignore[arg-type]
    return result, [f"{line.who}: {line.what} {line.outcome}" for line in trace.lines]


def trace_of(plan: Plan, **options: object) -> list[str]:
    return traced(plan, **options)[1]


@pytest.fixture(scope="module")
def tally() -> Tally:
    return tallied(range(100))


def test_the_promises_hold_under_a_hundred_schedules(tally: Tally) -> None:
    assert tally.broken == {}
    assert tally.side_effects / tally.seeds >= 20
    # Orders lose against their void ids, also after they have waited in the overflow queue.
    assert tally.outcomes["intake void"]
    assert tally.outcomes["drain void"]
    for what in ("approval_released", "approval_refused"):
        assert tally.outcomes[f"intake {what}"], what
    for what in ("shipped", "delivered", "returned", "dead_lettered", "forged"):
        assert tally.outcomes[f"outcomes {what}"], what
    assert tally.faults[Fault.CONTRADICTED]


def test_schedules_meet_every_part_of_the_express_path(tally: Tally) -> None:
    seen = tally.express
    assert seen["schedules in trouble"] > seen["schedules"] / 4 > 10
    for what in (
        *("writes of 3 outcomes", "writes of 2 outcomes", "writes of 1 outcomes"),
        *("writes with a refusal", "orders settled by one write", "calls left out for a breaker"),
        "cancellations between the calls and the write",
        "deliveries of an order once more",
        *("calls without an answer", "calls whose caller died", "calls answered 409"),
        *("faults: crash_before", "faults: crash_after", "faults: error_answer", "faults: late"),
    ):
        assert seen[what], what


@pytest.mark.parametrize("downstream", DOWNSTREAMS)
@pytest.mark.parametrize("what", ["key", "address"])
@pytest.mark.parametrize("express", [None, ExpressPath(at_start=True)])
def test_a_key_or_an_address_that_is_wrong_for_two_minutes_needs_no_other_hand(
    downstream: str, what: str, express: ExpressPath | None
) -> None:
    kind = Fault.WRONG_KEY if what == "key" else Fault.MISROUTED
    length = 2 * 60_000
    for begins in range(1 if what == "key" else WRONG_ANSWERS):
        wrong = Outage(f"{downstream}'s {what}", START + begins, START + length, kind)
        plan = replace(HEALTHY, outages=(wrong,), heal_after=length, express=express)
        result = run(plan)
        assert result.broken == ()
        # Ever less often: after 1 to 2 s, and then a quarter longer each time.
        assert 11 <= result.outcomes["deliver misconfigured"] <= 17
        assert not result.outcomes["deliver dead_lettered"]


@pytest.mark.parametrize("seeds", [12, pytest.param(500, marks=pytest.mark.slow)])
def test_a_seed_makes_the_same_trace_in_every_process(seeds: int) -> None:
    asks = f"""
from simulation.world.trace import Trace
from spillway.prove.simulate.plan import planned
from spillway.prove.simulate.schedule import run

for seed in range(1000, {1000 + seeds}):
    trace = Trace()
    print(run(planned(seed), trace=trace).injected, trace)
"""
    traces = [
        subprocess.run(  # noqa: S603 - the command is ours
            [sys.executable, "-c", asks],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    ]
    assert traces[0] == traces[1]
    assert len(traces[0]) > 10_000


def test_a_seed_is_the_same_again_after_other_seeds() -> None:
    first = run(planned(7))
    for seed in range(8, 20):
        run(planned(seed))
    again = run(planned(7))
    assert (again.injected, again.side_effects) == (first.injected, first.side_effects)


def test_an_order_that_meets_no_fault_takes_the_shortest_way() -> None:
    trace = trace_of(HEALTHY, forced={})
    writes = [line for line in trace if "PutItem" in line or "UpdateItem" in line]
    assert len(writes) == 4
    assert sum("POST" in line for line in trace) == 3


def test_an_order_that_goes_by_express_takes_two_writes() -> None:
    trace = trace_of(cases()["express: confirmed"], forced={})
    writes = [line for line in trace if "PutItem" in line or "UpdateItem" in line]
    assert len(writes) == 2
    assert sum("POST" in line for line in trace) == 3


def test_an_expected_outcome_is_what_becomes_of_an_order() -> None:
    for name, plan in cases().items():
        if "cancelled" in name or name in ("held: refused", "held: expired"):
            continue
        [order] = plan.orders
        trace = "\n".join(trace_of(plan, forced={}))
        assert ("confirmed.v1" in trace) is (order.expected_outcome == ExpectedOutcome())
        assert ("rejected.v1" in trace) is (order.expected_outcome != ExpectedOutcome())


@pytest.mark.parametrize("fault", AT_CALLS)
def test_each_kind_of_fault_is_injected_where_it_is_forced_to(fault: Fault) -> None:
    injected = 0
    for case in (HEALTHY, cases()["blocked"]):
        for place, kinds in run(case, forced={}).visited:
            if fault in kinds and injected < 5:
                result = run(case, forced={place: fault})
                assert [(each.place, each.kind) for each in result.injected] == [(place, fault)]
                assert result.broken == ()
                injected += 1
    # A queue's count is asked for only where an order does not settle.
    assert injected or fault is Fault.STALE_COUNT


def test_an_order_survives_a_crash_before_and_after_each_of_its_side_effects() -> None:
    names = ("confirmed", "express: blocked, cancelled after 130 ms")
    tried = list(each_fault(exhaustive.CRASHES, names))
    assert len(tried) > 50
    assert [(case, faults) for case, faults, result in tried if result.broken] == []


def test_nothing_goes_wrong_but_what_is_left_of_a_schedule() -> None:
    plan = planned(5)
    everything = run(plan).injected
    assert len(everything) > 2
    left = everything[0]
    assert run(plan, only=frozenset()).injected == ()
    assert {each.place for each in run(plan, only={left.place}).injected} == {left.place}


@pytest.mark.parametrize("seeds", [12, pytest.param(500, marks=pytest.mark.slow)])
def test_all_that_was_injected_makes_the_same_schedule_again(seeds: int) -> None:
    """So that a broken schedule can be shrunk: what it took is among what is left out in turn."""
    late = 0
    for seed in range(100, 100 + seeds):
        result, trace = traced(planned(seed))
        late += sum(fault.kind is Fault.LATE_ACT for fault in result.injected)
        only = frozenset(fault.place for fault in result.injected)
        assert trace_of(planned(seed), only=only) == trace
    assert late


def test_what_is_left_out_changes_nothing_for_the_others() -> None:
    """Each task has a stream of numbers of its own: that is what makes shrinking work."""
    plan = planned(5)
    alone = replace(plan, orders=plan.orders[:1])
    places = {each.place for each in run(alone).injected}
    assert places
    assert run(alone, only=places).injected == run(alone).injected


def test_tallies_add_up() -> None:
    whole, parts = tallied(range(10)), Tally()
    for part in (tallied(range(4)), tallied(range(4, 10))):
        parts.merge(part)
    assert replace(parts, cpu_seconds=whole.cpu_seconds) == whole


def test_every_set_of_facts_that_a_world_sees_is_one_that_the_saga_can_reach(tally: Tally) -> None:
    assert tally.states <= sets_of_facts()
    assert len(tally.states) > 35
