"""The simulation against what can be worked out on paper."""

from __future__ import annotations

from dataclasses import replace
from heapq import heapify, heappop, heappush
from random import Random

import pytest

from orders.aws.coupons import TRIES
from orders.domain.looks import FIRST_SECONDS
from orders.domain.saga import DOWNSTREAMS
from spillway.paths import PROJECT
from spillway.plan.capacity.outcome import Outcome
from spillway.plan.capacity.planning import service_of
from spillway.plan.capacity.service import (
    RESEND_FIRST_SECONDS,
    RESEND_MAX_SECONDS,
    Claims,
    Looks,
    Service,
)
from spillway.plan.capacity.simulate import Flow, Series, simulate
from spillway.plan.cost.model import cost_model, looks_within
from spillway.plan.profile import Profile, coupon
from spillway.plan.work import Work
from spillway.target import limits
from tests.spillway.plan.capacity.builders import NO_LIMIT, by_express, level, service


class TestNothingHoldsOrdersUp:
    def test_every_order_goes_straight_through(self) -> None:
        came = Outcome(simulate(level(100, 60), service()))
        assert came.offered == pytest.approx(6_000)
        assert came.accepted == pytest.approx(6_000)
        assert (came.buffered, came.resent, came.lost) == (0, 0, 0)
        assert came.bottlenecks == []
        assert came.settle.p50 is not None
        # Steps of a quarter of a second blur it by a step for each of its four hops.
        assert came.settle.p50 == pytest.approx(service().healthy_settle_seconds, abs=1.1)


class TestTheApi:
    def test_a_token_bucket_lets_its_burst_and_its_rate_through(self) -> None:
        limited = service(api_requests_per_second=100, api_burst=500)
        flow = simulate(level(1_000, 10), limited)
        assert flow.acknowledged.passed(10) == pytest.approx(500 + 100 * 10, rel=0.01)

    def test_all_are_let_in_once_the_rate_has_had_time_for_them(self) -> None:
        limited = service(api_requests_per_second=100, api_burst=0)
        flow = simulate(level(1_000, 10), limited)
        assert flow.acknowledged.total == pytest.approx(10_000)
        # 10,000 at 100 a second, and at the end some pauses of clients.
        assert 100 <= flow.acknowledged.when(9_999.9) <= 100 + 2 * RESEND_MAX_SECONDS
        assert [one.name for one in Outcome(flow).bottlenecks] == ["api"]


class TestLambda:
    def test_a_function_gains_a_thousand_environments_in_ten_seconds(self) -> None:
        slow = service(intake=Work(0.999), intake_init_seconds=0.25)
        flow = simulate(level(20_000, 60), slow)
        # A thousand at once and a hundred a second: each takes one request a second.
        assert _rate(flow.acknowledged, 30.0) == pytest.approx(1_000 + 100 * 30, rel=0.08)
        assert _rate(flow.acknowledged, 60.0) == pytest.approx(1_000 + 100 * 60, rel=0.08)
        assert Outcome(flow).bottlenecks[0].name == "lambda_ramp"

    def test_new_environments_wait_for_their_keys_and_their_customers_send_again(self) -> None:
        """Four hundred environments are wanted at once, and forty a second have their keys."""
        flow = simulate(level(4_000, 30), service(parameter_reads_per_second=40.0))
        outcome = Outcome(flow)
        assert "parameters" in {bottleneck.name for bottleneck in outcome.bottlenecks}
        assert flow.refused_first.total > 1_000
        assert 0 < flow.environments.ready <= 40 * flow.now
        # None is lost.
        assert flow.acknowledged.total == pytest.approx(4_000 * 30, rel=0.01)
        raised = service(parameter_reads_per_second=limits.PARAMETER_READS_PER_SECOND_MAX)
        at_once = simulate(level(4_000, 30), raised)
        assert at_once.refused_first.total < flow.refused_first.total / 10
        assert "parameters" not in {one.name for one in Outcome(at_once).bottlenecks}

    def test_an_environment_takes_ten_requests_a_second_however_fast_it_is(self) -> None:
        quick = service(
            intake=Work(0.001),
            concurrency=100,
            deliver={name: Work(1e-6) for name in DOWNSTREAMS},
        )
        flow = simulate(level(5_000, 60), quick)
        rates = [_rate(flow.acknowledged, 30 + step / 4) for step in range(1, 120)]
        assert max(rates) == pytest.approx(1_000, rel=0.01)
        assert "concurrency" in {one.name for one in Outcome(flow).bottlenecks}


def crowd(claims: Claims, rate: int, *, losers_hold: bool) -> tuple[float, float, float]:
    """Four seconds of orders, one by one: the share of tries that met another transaction on their
    counter, tries an order, and the share of orders whose every try did."""
    chance, at, waiting = Random(7), 0.0, []
    while at < 4:
        at += chance.expovariate(rate)
        waiting.append((at, 1))
    orders, tries, met, refused = len(waiting), 0, 0, 0
    held_until = [0.0] * claims.counters
    heapify(waiting)
    while waiting:
        at, number = heappop(waiting)
        counter = chance.randrange(claims.counters)
        meets = held_until[counter] > at
        tries, met = tries + 1, met + meets
        if losers_hold or not meets:
            held_until[counter] = at + claims.seconds
        if meets and number < TRIES:
            heappush(waiting, (at + claims.seconds, number + 1))
        refused += meets and number == TRIES
    return met / tries, tries / orders, refused / orders


class TestLimitedCoupons:
    CLAIMS = Claims(2.0, counters=500, seconds=0.01, warm_write_units=NO_LIMIT)

    @pytest.mark.parametrize("rate", [2_000, 10_000, 20_000])
    def test_a_try_meets_another_as_often_as_in_a_crowd_played_through(self, rate: int) -> None:
        """Where a cancelled transaction holds its counter as long as one that wins, which is the
        worse case."""
        met = self.CLAIMS.met(rate)
        of_tries, tries, refused = crowd(self.CLAIMS, rate, losers_hold=True)
        assert met == pytest.approx(of_tries, rel=0.05)
        assert self.CLAIMS.tries(met) == pytest.approx(tries, rel=0.02)
        assert self.CLAIMS.refused(met) == pytest.approx(refused, abs=0.005)
        assert crowd(self.CLAIMS, rate, losers_hold=False)[0] < of_tries

    def test_an_order_that_finds_no_counter_free_is_sent_again_and_none_is_lost(self) -> None:
        one = replace(self.CLAIMS, counters=1)
        came = Outcome(simulate(level(200, 10), service(claims=one)))
        assert came.resent > 0.2 * came.offered
        assert came.accepted + came.resent == pytest.approx(came.offered, rel=1e-4)
        assert (came.buffered, came.lost) == (0, 0)
        assert came.bottlenecks[0].name == "counters"
        assert came.flow.claim_tries > 2 * came.offered

    @pytest.mark.parametrize(
        ("table", "coupons", "name"),
        [(1_000, NO_LIMIT, "table"), (NO_LIMIT, 2_000, "coupons")],
    )
    def test_what_either_table_does_not_take_is_refused_and_never_overflows(
        self, table: float, coupons: float, name: str
    ) -> None:
        held = service(
            warm_write_units=table,
            relay=Work(1e9, 0.0),
            intake_init_seconds=0.0,
            claims=replace(self.CLAIMS, counters=10**9, warm_write_units=coupons),
        )
        flow = _until(held, level(3_000, 10), 10)
        assert flow.acknowledged.passed(10) == pytest.approx(10 * 1_000, rel=0.01)
        assert flow.into_overflow.total == 0
        assert name in flow.samples[-1].binding


class TestLooks:
    LOOKS = Looks(Work(0.01), per_second=NO_LIMIT, watched_seconds=120)

    def test_an_order_that_settles_in_time_is_looked_at_once(self) -> None:
        came = Outcome(simulate(level(100, 60), service(looks=self.LOOKS)))
        assert came.looks == pytest.approx(6_000, rel=0.05)

    def test_one_in_a_backlog_is_looked_at_as_often_as_its_page_asks(self) -> None:
        """Nothing is ever reserved: looks after 2, 10 and 50 s, and the page is closed by then."""
        held = service(relay=Work(1e9, 0.0), looks=self.LOOKS)
        looks = _until(held, level(100, 10), 200).looks
        assert looks == pytest.approx(1_000 * looks_within(120), rel=0.01)

    def test_they_take_environments_from_intake(self) -> None:
        """A hundred environments take a thousand requests a second, whatever they are."""
        small = {"concurrency": 100, "deliver": {name: Work(1e-6) for name in DOWNSTREAMS}}
        alone, watched = (
            simulate(level(700, 30), service(**small, looks=looks)) for looks in (None, self.LOOKS)
        )
        assert alone.acknowledged.passed(30) == pytest.approx(700 * 30, rel=0.02)
        assert watched.acknowledged.passed(30) < 0.9 * alone.acknowledged.passed(30)

    def test_the_first_look_comes_when_an_order_without_trouble_has_settled(self) -> None:
        """With the slowest polls of the stream, and as much again for slower days."""
        seconds = service_of(cost_model()).healthy_settle_seconds
        assert 2 * (seconds + 2 * 0.125) <= FIRST_SECONDS


class TestTheTable:
    def test_what_it_does_not_take_overflows_and_is_drained_at_drains_rate(self) -> None:
        # Facts take nothing here: they wait for the end.
        held = service(
            warm_write_units=1_000,
            table_write_units_max=1_000,
            relay=Work(1e9, 0.0),
            intake_init_seconds=0.0,
        )
        flow = _until(held, level(3_000, 10), 10)
        placed = flow.at_once.passed(10) + flow.out_of_overflow.passed(10)
        assert placed == pytest.approx(10 * 1_000, rel=0.01)
        direct = flow.placed.passed(10) - flow.out_of_overflow.passed(10)
        acknowledged = flow.acknowledged.passed(10)
        assert direct + flow.into_overflow.passed(10) == pytest.approx(acknowledged)

    def test_drain_works_the_overflow_off_at_its_own_rate(self) -> None:
        # Two at once, ten in a tenth of a second each: 200 a second.
        slow = service(warm_write_units=4_000, table_write_units_max=4_000)
        flow = simulate(level(20_000, 1), slow)
        drained = flow.out_of_overflow.passed(41) - flow.out_of_overflow.passed(11)
        assert drained == pytest.approx(30 * 200, rel=0.02)

    def test_it_doubles_what_it_takes_after_half_an_hour(self) -> None:
        table = service(warm_write_units=4_000, table_write_units_max=40_000)
        flow = simulate(level(3_000, 2 * 3_600), table)
        taken = {round(sample.second): sample.write_units_max for sample in flow.samples}
        before = max(most for second, most in taken.items() if second <= 1_800)
        after = max(most for second, most in taken.items() if 1_900 < second < 3_500)
        assert before == pytest.approx(4_000)
        assert after == pytest.approx(8_000, rel=0.01)


class TestTheQueues:
    def test_a_backlog_drains_at_concurrency_times_batch_by_duration(self) -> None:
        # 20 at once x 10 messages / 0.1 s = 2,000 a second.
        twenty = service(deliver_concurrency=dict.fromkeys(DOWNSTREAMS, 20.0))
        came = Outcome(simulate(level(20_000, 30), twenty))
        assert came.all_settled_at == pytest.approx(600_000 / 2_000, rel=0.03)
        assert came.bottlenecks[-1].limit == pytest.approx(2_000, rel=0.01)

    def test_pollers_begin_with_five_and_gain_three_hundred_a_minute(self) -> None:
        slow = service(deliver={name: Work(1.0) for name in DOWNSTREAMS})
        flow = simulate(level(50_000, 10), slow)
        pollers = {sample.second: sample.pollers["inventory"] for sample in flow.samples}
        began = min(second for second, number in pollers.items() if number > 5)
        assert pollers[began + 60] - pollers[began] == pytest.approx(300, rel=0.02)

    def test_one_downstream_that_is_slow_holds_up_only_its_own_step(self) -> None:
        slow = service(
            deliver={**service().deliver, "accounting": Work(5.0)},
            deliver_concurrency={**service().deliver_concurrency, "accounting": 10},
        )
        flow = simulate(level(1_000, 60), slow)
        assert max(sample.queues["accounting"] for sample in flow.samples) > 50_000
        assert max(sample.queues["fulfilment"] for sample in flow.samples) < 3_000


class TestTheExpressPath:
    def test_an_order_is_one_write_and_one_more_record_and_takes_no_other_queue(self) -> None:
        flow = simulate(level(1_000, 30), by_express())
        assert flow.recorded["express"].total == pytest.approx(30_000)
        queued = [flow.recorded[change].total for change in ("reserve", "ship", "post")]
        assert queued == [0, 0, 0]
        assert max(sample.queues["accounting"] for sample in flow.samples) == 0

    def test_it_writes_two_items_of_an_order(self) -> None:
        enough, too_little = (
            simulate(
                level(100, 30), by_express(warm_write_units=units, table_write_units_max=units)
            )
            for units in (205, 190)
        )
        assert enough.into_overflow.total == 0
        assert too_little.into_overflow.total > 0

    def test_relay_is_run_for_its_write_only_where_events_are_published(self) -> None:
        """Four shards, a batch of 100 changes in 0.5 s each: 800 a second."""
        slow = by_express(relay=Work(0.1, 0.004), warm_write_units=4_000)
        assert slow.express is not None
        silent = replace(slow, express=replace(slow.express, relayed=False))
        relayed, dropped = (
            simulate(level(700, 60), one).relayed["order"].when(700 * 60 - 1)
            for one in (slow, silent)
        )
        assert relayed == pytest.approx(2 * 700 * 60 / 800, rel=0.05)
        assert dropped < 62

    def test_its_hop_and_its_delivery_are_all_that_an_order_takes(self) -> None:
        one = by_express()
        came = Outcome(simulate(level(100, 60), one))
        assert one.healthy_settle_seconds == pytest.approx(0.125 + 0.2, abs=0.001)
        # Steps of a quarter of a second blur it by a step for each of its two hops.
        assert came.settle.p50 == pytest.approx(one.healthy_settle_seconds, abs=0.6)

    def test_what_is_left_over_takes_the_two_deliveries_that_are_left_to_the_others(self) -> None:
        """Two at once x 10 in 0.1 s = 200 a second for the quarter that inventory leaves over."""
        came = Outcome(simulate(level(1_600, 60), by_express(left_over=0.25)))
        assert came.lost == 0
        assert came.all_settled_at == pytest.approx(1_600 * 60 / 4 / 200, rel=0.05)
        held_up = {one.name for one in came.bottlenecks} - {"pollers_ramp"}
        assert held_up == {"deliver_fulfilment", "deliver_accounting"}
        # Three quarters have settled at once, whatever the others wait for.
        assert came.settle.p50 is not None
        assert came.settle.p50 < 2
        assert came.settle.p99 == pytest.approx(60, rel=0.1)

    def test_deliveries_that_share_too_little_of_a_processor_leave_all_orders_over(self) -> None:
        """Ten at once share it: 0.11 s of it each are more than a second together."""
        assert by_express(per_record=0.09).left_over == 0
        slow = by_express(per_record=0.11)
        assert slow.left_over == 1
        assert by_express(per_record=0.11, memory_mb=256).left_over == 0
        came = Outcome(simulate(level(1_000, 10), slow))
        assert came.all_settled_at == pytest.approx(10_000 / 200, rel=0.05)


class TestRelay:
    def test_a_shard_is_relayed_batch_after_batch(self) -> None:
        # Four shards, one batch of 100 records in 0.5 s each: 800 records, 200 orders a second.
        one = service(relay=Work(0.1, 0.004), warm_write_units=4_000)
        came = Outcome(simulate(level(1_000, 60), one))
        assert came.all_settled_at == pytest.approx(60_000 / 200, rel=0.05)
        four = service(relay=Work(0.1, 0.004), warm_write_units=4_000, parallelization=4)
        assert Outcome(simulate(level(1_000, 60), four)).all_settled_at < 90


class TestNothingIsLost:
    @pytest.mark.parametrize("rate", [1, 500, 5_000, 50_000])
    def test_every_offered_order_is_in_exactly_one_place(self, rate: float) -> None:
        tight = service(
            api_requests_per_second=2_000,
            api_burst=2_000,
            concurrency=1_000,
            warm_write_units=4_000,
            table_write_units_max=40_000,
            deliver_concurrency=dict.fromkeys(DOWNSTREAMS, 20.0),
        )
        came = Outcome(simulate(coupon(peak=rate, seconds=60), tight))
        parts = came.accepted + came.buffered + came.resent
        assert parts == pytest.approx(came.offered)
        assert came.lost == 0
        assert came.flow.finished

    def test_what_never_settles_is_counted_as_lost(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The count can fail: a service that never delivers loses all."""
        monkeypatch.setattr("spillway.plan.capacity.simulate.HORIZON_SECONDS", 24 * 60 * 60)
        dead = service(deliver={name: Work(1e12) for name in DOWNSTREAMS})
        assert Outcome(simulate(level(1, 5), dead)).lost == pytest.approx(5, abs=0.01)

    def test_a_record_too_long_in_the_stream_needs_a_person(self) -> None:
        slow = service(relay=Work(100.0, 1.0), warm_write_units=4_000)
        came = Outcome(simulate(level(100, 3_600), slow))
        assert came.needs_a_person > 0
        assert any("redrive" in mechanism for mechanism in came.kept)


def test_fifty_thousand_a_second_for_an_hour_takes_a_few_thousand_steps() -> None:
    ramp = Profile("hour", ((0, 0), (10, 50_000), (3_600, 50_000)))
    tight = service(
        api_requests_per_second=2_000, api_burst=2_000, concurrency=1_000, warm_write_units=4_000
    )
    came = Outcome(simulate(ramp, tight))
    assert len(came.flow.samples) < 10_000
    assert came.offered == pytest.approx(179_750_000)
    assert came.lost == 0


def test_clients_send_again_as_their_page_says() -> None:
    page = (PROJECT / "docs" / "client.md").read_text()
    assert f"from {RESEND_FIRST_SECONDS:.0f} s to {RESEND_MAX_SECONDS:.0f} s" in page


def test_a_series_knows_when_and_how_many() -> None:
    series = Series()
    series.add(10, 100)
    series.add(20, 300)
    assert series.when(50) == pytest.approx(5)
    assert series.when(250) == pytest.approx(15)
    assert series.passed(15) == pytest.approx(250)
    assert series.passed(99) == pytest.approx(400)


def _until(tight: Service, profile: Profile, second: float) -> Flow:
    """A run that would never end, up to a second."""
    flow = Flow(profile, tight)
    while flow.now < second:
        flow.step(0.25)
    return flow


def _rate(series: Series, second: float) -> float:
    """How many a second in the step that ends then."""
    return (series.passed(second) - series.passed(second - 0.25)) / 0.25
