"""What the watchdog does in a spike, against what can be worked out on paper."""

from __future__ import annotations

import pytest

from infra.event_sources import QueueSource
from orders.domain.saga import DOWNSTREAMS
from spillway.plan.capacity.checks import Checks, checks_of
from spillway.plan.capacity.simulate import simulate
from spillway.plan.profile import coupon
from spillway.plan.work import Work
from spillway.target import limits
from tests.spillway.plan.capacity.builders import as_it_is, by_express, level, service

SOURCE = QueueSource(
    function="watchdog",
    function_timeout_seconds=60,
    batch_size=100,
    concurrency_max=2,
    delay_seconds=900,
    window_seconds=60,
)
QUICK = Work(0.0, 1e-6)
#: The first check is due after 930 s on average, and the requeued one 675 s later.
FIRST, SECOND = 930.0, 930.0 + 675.0


def checked(
    orders: float, settled_after: float, single: Work = QUICK, window_seconds: float = 0.0
) -> Checks:
    """Of so many orders in a second, whose inventory gets through all of them in that time."""
    rate = orders / settled_after
    slow = {name: Work(0.0, 1e-6) for name in ("fulfilment", "accounting")}
    inventory = Work(10 / rate)
    one = service(
        deliver={"inventory": inventory, **slow},
        deliver_concurrency={"inventory": 1.0, "fulfilment": 1_250.0, "accounting": 1_250.0},
    )
    return checks_of(simulate(level(orders, 1), one), SOURCE, window_seconds, single)


def test_orders_that_settle_before_their_first_check_are_not_looked_at_again() -> None:
    assert checked(1_000, 600) == Checks(set=1_000, requeued=0, postponed=0, in_flight_max=0)


def test_an_order_has_a_check_if_it_is_unsettled_when_its_batch_of_the_stream_ends() -> None:
    """Changes are collected for 300 s; an order settles after 0 to 200 s, on average 100 s."""
    found = checked(1_000, 200, window_seconds=300.0)
    assert found.set == pytest.approx(1_000 / 3, rel=0.05)
    quick = checks_of(simulate(level(2, 900), by_express()), SOURCE, 300.0, QUICK)
    assert quick.set < 0.02 * 2 * 900


def test_those_that_settle_later_are_requeued_and_looked_at_until_they_have_settled() -> None:
    found = checked(100_000, 2_000)
    assert found.requeued == pytest.approx(100_000 * (1 - FIRST / 2_000), rel=0.02)
    # Each but those that settled in between is found unsettled once: the next look is too late.
    assert found.postponed == pytest.approx(100_000 * (1 - SECOND / 2_000), rel=0.05)
    assert found.in_flight_max == pytest.approx(found.postponed, rel=0.05)
    assert found.looks == found.requeued + found.postponed


def test_the_watchdog_gets_through_only_so_many() -> None:
    # Two at once, a second for each message.
    found = checked(100_000, 2_000, Work(0.0, 1.0))
    assert found.postponed <= 2 * (2_000 - SECOND + 120)
    assert found.postponed > 0


def test_no_more_are_looked_at_than_sqs_hands_out() -> None:
    """All are due within a minute: so many at once, and a place for each that comes back."""
    found = checked(10 * limits.SQS_IN_FLIGHT_MAX, 2_000)
    assert found.in_flight_max > limits.SQS_IN_FLIGHT_MAX
    most = limits.SQS_IN_FLIGHT_MAX * (1 + (2_000 - SECOND + 120) / 675)
    assert limits.SQS_IN_FLIGHT_MAX <= found.postponed <= most


def test_a_coupon_s_spike_pays_for_them() -> None:
    planned = as_it_is(coupon())
    checks = planned.checks
    assert checks.set > 0.9 * planned.outcome.offered
    assert checks.in_flight_max > limits.SQS_IN_FLIGHT_MAX
    # A request for each look that postpones alone is 0.40 dollars a million.
    assert planned.for_checks > checks.postponed * 0.40 / 1_000_000
    assert planned.bills[0] > planned.for_checks
    # Two of the raises that it needs let every order settle before its first check.
    settled = as_it_is(
        coupon(),
        deliver_concurrency=dict.fromkeys(DOWNSTREAMS, 553.0),
        warm_write_units=48_880.0,
        table_write_units_max=48_880.0,
    )
    assert settled.checks.looks == 0
    assert settled.for_checks == 0
