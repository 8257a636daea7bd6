"""What to raise: each step gains, and after the last orders settle well."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orders.domain.saga import DOWNSTREAMS
from spillway.plan.capacity.outcome import Outcome
from spillway.plan.capacity.planning import Plan, plan, service_of, with_claims
from spillway.plan.capacity.recommendations import SETTLED_WELL_SECONDS, scaling_steps
from spillway.plan.capacity.simulate import simulate
from spillway.plan.cost.batches import CROWD
from spillway.plan.cost.deployed import deployed
from spillway.plan.cost.model import cost_model, queued
from spillway.plan.price_list import Usage, Use, load, priced
from spillway.plan.profile import coupon
from tests.spillway.plan.capacity.builders import NO_LIMIT, as_it_is, by_express, level, service


def test_where_nothing_holds_orders_up_nothing_is_raised() -> None:
    [only] = scaling_steps(level(100, 30), service(), load())
    assert only.raised is None


def test_a_downstreams_limit_is_raised_to_what_the_profile_needs() -> None:
    # 2 at once x 10 in 0.1 s = 200 a second, for 1,000.
    tight = service(deliver_concurrency=dict.fromkeys(DOWNSTREAMS, 2.0))
    first, *rest = scaling_steps(level(1_000, 300), tight, load())
    assert first.outcome.all_settled_at > 1_000
    assert rest[-1].raised is not None
    assert rest[-1].raised.after == pytest.approx(1_000 * 1.2 / 100)
    assert rest[-1].outcome.all_settled_at < 320


def test_on_the_express_path_memory_is_raised_before_what_downstreams_must_bear() -> None:
    """A batch of ten takes 0.9 s with 128 MB and 0.55 s with 256 MB. More memory gains less: its
    deliveries then wait for downstreams."""
    own = {"inventory": 20.0, "fulfilment": 10.0, "accounting": 10.0}
    tight = by_express(per_record=0.07, deliver_concurrency=own)
    steps = scaling_steps(level(1_000, 300), tight, load())
    memory, concurrency = (step.raised for step in steps if step.raised)
    assert (memory.setting, memory.before, memory.after) == ("deliver.memory_mb", 128, 256)
    assert concurrency.setting == "downstreams' concurrency_max"
    # Half of inventory's are at each of the others, and ten are left to those.
    assert concurrency.before == 20
    assert concurrency.after == pytest.approx(1_000 * 1.2 / (10 / 0.55))
    assert steps[-1].outcome.all_settled_at < 320


def test_what_express_leaves_over_needs_more_of_the_others_deliveries_only() -> None:
    own = {"inventory": 100.0, "fulfilment": 2.0, "accounting": 2.0}
    ill = by_express(left_over=0.5, deliver_concurrency=own)
    [change] = [
        step.raised for step in scaling_steps(level(1_000, 300), ill, load()) if step.raised
    ]
    assert change.setting == "fulfilment's and accounting's concurrency_max"
    assert change.before == 100 / 2 + 2
    assert change.after == pytest.approx(100 / 2 + 1_000 * 1.2 / 2 / 100)
    assert change.service.deliver_concurrency["inventory"] == 100


def test_raising_the_tables_throughput_has_its_price_and_it_is_not_confirmed() -> None:
    tight = service(warm_write_units=4_000, table_write_units_max=40_000)
    steps = scaling_steps(level(4_000, 120), tight, load())
    [change] = [
        step.raised for step in steps if step.raised and step.raised.setting == "warm write units/s"
    ]
    assert change.dollars == pytest.approx((4_000 * 4 * 1.2 - 4_000) * 0.00065)
    assert not change.confirmed


@pytest.mark.slow
def test_a_coupon_on_the_stage_as_it_is_loses_nothing_and_can_be_made_to_settle_at_once() -> None:
    planned = plan(coupon())
    assert planned.outcome.lost == 0
    assert all(step.outcome.lost == 0 for step in planned.steps)
    last = planned.steps[-1].outcome
    assert (last.settle.p99 or 0) + (last.resend.p99 or 0) <= SETTLED_WELL_SECONDS
    assert planned.bills[-1] < 100


def test_a_spike_of_limited_coupons_has_its_price_and_needs_both_tables() -> None:
    # The downstreams are raised before: finding that takes longer than all else here.
    spike = coupon(seconds=30)
    downstreams: dict[str, float] = dict.fromkeys(DOWNSTREAMS, 553.0)
    plain = as_it_is(spike, deliver_concurrency=downstreams)
    model = plain.model
    limited = replace(with_claims(service_of(model), model), deliver_concurrency=downstreams)
    planned = Plan(spike, tuple(scaling_steps(spike, limited, model.price_list)), model)
    offered = planned.outcome.offered
    assert planned.outcome.lost == 0
    # Three write units for each that goes through at once, and what meeting costs.
    assert planned.for_claims > 3 * offered * 0.625e-6
    # An order with a claim doesn't overflow, and its customer looks at it at other times.
    assert planned.outcome.flow.into_overflow.total == 0 < plain.outcome.flow.into_overflow.total
    orders, plain_orders = (
        one.bills[0] - _for_looks(one) - _for_overflow(one) for one in (planned, plain)
    )
    assert orders == pytest.approx(plain_orders + planned.for_claims, rel=0.02)
    assert plain.for_claims == 0
    raised = {step.raised.setting: step.raised for step in planned.steps if step.raised}
    assert "warm write units/s" in raised
    coupons = raised["warm write units/s of coupons"]
    assert coupons.after > 10_000 * 2
    assert coupons.dollars == pytest.approx((coupons.after - 4_000) * 0.00065)


def test_the_service_that_is_planned_with_is_the_one_that_is_deployed() -> None:
    ours, stage = cost_model(), deployed("dev")
    planned = service_of(ours)
    assert planned.api_requests_per_second == stage.api_requests_per_second
    assert planned.parallelization == stage.parallelization
    accounting = stage.sources["deliver-accounting"]
    assert planned.deliver_concurrency["accounting"] == accounting.concurrency_max


def test_twice_the_time_of_a_delivery_is_half_the_rate() -> None:
    planned = replace(
        service_of(queued(cost_model())),
        api_requests_per_second=NO_LIMIT,
        warm_write_units=NO_LIMIT,
        table_write_units_max=NO_LIMIT,
    )
    times = planned.deliver["accounting"]
    slow = replace(
        times, fixed=2 * times.fixed, per_record=2 * times.per_record, wait=2 * times.wait
    )
    slower = replace(planned, deliver={**planned.deliver, "accounting": slow})
    once, twice = (
        next(
            bottleneck.limit
            for bottleneck in Outcome(simulate(level(3_000, 30), one)).bottlenecks
            if bottleneck.name == "deliver_accounting"
        )
        for one in (planned, slower)
    )
    assert twice == pytest.approx(once / 2, rel=0.01)


def _for_looks(planned: Plan) -> float:
    """Dollars of the customers' looks at their orders, through CloudFront."""
    model = planned.model
    once, never = (
        priced(model.a_web_order(CROWD, looks), model.price_list).dollars for looks in (1, 0)
    )
    return (once - never) * planned.outcome.looks


def _for_overflow(planned: Plan) -> float:
    """Dollars of the messages of orders that overflowed: sent, and received and deleted by tens."""
    requests = planned.outcome.flow.into_overflow.total * (1 + 2 / 10)
    usage = Usage((Use("overflow", "sqs.requests", requests),))
    return priced(usage, planned.model.price_list).dollars
