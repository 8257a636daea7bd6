"""From what was counted to what is billed, in numbers that can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import msgspec
import pytest

from orders.aws.queues import CHECKS_BATCHED_MAX, COMMANDS_BATCHED_MAX
from orders.domain.saga import DOWNSTREAMS
from orders.settings import EventName
from orders.telemetry import JsonLines
from spillway.plan.cost.batches import (
    CROWD,
    ONE_BY_ONE,
    BatchFill,
    fill_at,
    parts,
    per_message,
    rebatched,
    sampled,
)
from spillway.plan.cost.deployed import ACCESS_LOG_BYTES
from spillway.plan.cost.durations import Estimates, processor_times
from spillway.plan.cost.measurement import FunctionUse
from spillway.plan.cost.model import CostModel
from spillway.plan.price_list import Usage, load
from spillway.plan.work import Work
from tests.spillway.plan.cost.builders import measurement, stage

FUNCTIONS = ("intake", "relay", "watchdog", "reads", *(f"deliver-{name}" for name in DOWNSTREAMS))
MODEL = CostModel(
    measurement(),
    processor=dict.fromkeys(FUNCTIONS, Work(0.0, 0.001)),
    stage=stage(dict.fromkeys(FUNCTIONS, 256.0)),
    figures=Estimates(),
    price_list=load(),
)
SMALL = replace(MODEL, stage=stage(dict.fromkeys(FUNCTIONS, 128.0)))


def _order(fill: BatchFill) -> Usage:
    return MODEL.an_order(fill)


def _units(usage: Usage, name: str) -> float:
    return sum(use.units for use in usage if use.name == name)


class TestAnOrder:
    def test_writes_are_the_units_that_were_counted(self) -> None:
        assert _order(CROWD).units("dynamodb.write_units") == pytest.approx(4)
        assert _order(CROWD).units("dynamodb.read_units") == pytest.approx(0.5)

    def test_one_by_one_every_message_is_sent_received_and_deleted_alone(self) -> None:
        order = _order(ONE_BY_ONE)
        assert order.units("sqs.requests") == pytest.approx(3 * 3)
        assert order.units("sns.requests") == pytest.approx(1)
        # intake, four records relayed, three deliveries, one batch of the watch's
        assert order.units("lambda.requests") == pytest.approx(1 + 4 + 3 + 1)

    def test_only_what_the_stage_publishes_is_paid_for(self) -> None:
        """Half of the measured events are `accepted`, the others `confirmed`."""

        def published(*names: EventName) -> list[float]:
            stage = msgspec.structs.replace(MODEL.stage, events_published=names)
            model = replace(MODEL, stage=stage)
            return [model.an_order(fill).units("sns.requests") for fill in (ONE_BY_ONE, CROWD)]

        every = published(*get_args(EventName))
        assert every == published("accepted", "confirmed")
        half = published("confirmed", "rejected")
        assert half[0] == pytest.approx(every[0] / 2)
        assert every[1] / 2 < half[1] < every[1]
        assert published("rejected", "cancelled") == published() == [0, 0]

    def test_in_a_crowd_commands_share_messages_and_messages_share_requests(self) -> None:
        """Of a relay batch of a hundred records 25 are for each queue: a binomial number."""
        order = _order(replace(CROWD, relay=100.0))
        messages = parts(100, 0.25, COMMANDS_BATCHED_MAX)
        assert 25 / COMMANDS_BATCHED_MAX < messages < 25 / COMMANDS_BATCHED_MAX + 1
        assert per_message(100, 0.25, COMMANDS_BATCHED_MAX) == pytest.approx(25 / messages)
        assert _units(order, "queues: commands received") == pytest.approx(
            3 * 4 / 100 * messages / 10
        )
        assert _units(order, "queues: commands sent") == pytest.approx(
            3 * 4 / 100 * parts(100, 0.25, 10 * COMMANDS_BATCHED_MAX)
        )
        deliveries = 3 * 4 / 100 * messages / 10
        watched = 4 / CROWD.watch
        checks = watched * parts(CROWD.watch, 0.25, CHECKS_BATCHED_MAX) / 100
        assert order.units("lambda.requests") == pytest.approx(
            1 + 4 / 100 + deliveries + watched + checks
        )

    def test_logs_weigh_26_bytes_more_an_event(self) -> None:
        order = _order(CROWD)
        assert _units(order, "logs: of the functions") == pytest.approx((74 + 26) / 1e9)
        assert _units(order, "logs: of the API") == pytest.approx((ACCESS_LOG_BYTES + 26) / 1e9)

    def test_good_news_that_is_sampled_is_paid_for_as_it_is_logged(self) -> None:
        """The lines of a thousand orders as they are written, and as they are worked out."""
        every, ten = _logged(1_000, one_in=1), _logged(1_000, one_in=10)
        assert (every.log_lines, every.good_lines) == (1_100, 1_000)
        measured = measurement(functions={**measurement().functions, "intake": every})
        worked_out = sampled(measured, 10).functions["intake"]
        assert worked_out.log_lines == pytest.approx(100 + 1_000 / 10)
        assert ten.log_lines == pytest.approx(100 + 1_000 / 10, rel=0.1)
        a_line, written = (use.log_bytes / use.log_lines for use in (worked_out, ten))
        assert a_line == pytest.approx(written, rel=0.02)
        assert sampled(measured, 1) is measured

    def test_all_lines_of_an_older_measurement_were_good_news(self) -> None:
        old = measurement(orders=1_000)
        before, after = (one.functions["intake"] for one in (old, sampled(old, 10)))
        assert before.good_lines is None
        assert after.log_lines == pytest.approx(before.log_lines / 10)

    def test_requests_to_downstreams_leave_aws_as_answers_to_customers_do(self) -> None:
        assert _order(CROWD).units("transfer.out") == pytest.approx((4_000 + 300) / 1e9)

    def test_through_cloudfront_each_request_is_paid_again_and_answers_leave_from_there(
        self,
    ) -> None:
        order = MODEL.a_web_order(CROWD, looks=2)
        assert order.units("http_api.requests") == order.units("cloudfront.requests") == 3
        assert order.units("cloudfront.out") == pytest.approx((300 + 2 * 2_000) / 1e9)
        assert order.units("cloudfront.to_origin") == pytest.approx(2_000 / 1e9)
        assert order.units("transfer.out") == pytest.approx(4_000 / 1e9)

    def test_looks_of_customers_are_not_an_orders(self) -> None:
        assert not [use for use in _order(CROWD) if use.name.startswith("reads")]

    def test_a_stored_order_is_its_items_and_what_the_table_adds(self) -> None:
        stored = MODEL.kept()
        assert stored.units("dynamodb.storage") == pytest.approx(1_100 / 1e9)
        assert stored.units("dynamodb.recovery") == pytest.approx(1_100 / 1e9)

    def test_another_table_class_has_other_prices_for_the_same_units(self) -> None:
        infrequent = msgspec.structs.replace(MODEL.stage, table_class="infrequent_access")
        model = replace(MODEL, stage=infrequent)
        for standard, ia in (
            (MODEL.an_order(CROWD), model.an_order(CROWD)),
            (MODEL.kept(), model.kept()),
        ):
            units = standard.by_price()
            assert {_in_infrequent_access(price): units[price] for price in units} == ia.by_price()


def _logged(orders: int, *, one_in: int) -> FunctionUse:
    """Intake's lines, of which every eleventh is of a refused order."""
    use = FunctionUse()
    log = JsonLines(
        lambda line: use.count_line(line.rstrip("\n")), lambda: 1_795_000_000_000, one_in
    )
    for number in range(orders):
        key = {"customer": "c" * 16, "order_id": f"order-{number:04}"}
        log("intake", "accepted", **key, duration_ms=42)
        if number % 10 == 0:
            log("intake", "refused", **key, rules=["total_wrong"])
    return use


def _in_infrequent_access(price: str) -> str:
    """Recovery has one price for both classes."""
    of_class = price in {"dynamodb.write_units", "dynamodb.read_units", "dynamodb.storage"}
    return price.replace("dynamodb.", "dynamodb.ia_") if of_class else price


class TestTime:
    def test_a_delivery_waits_for_its_downstream_once_a_batch(self) -> None:
        figures = _estimates(downstream_seconds=1.0, dynamodb_seconds=0.0)
        quick = replace(MODEL, processor=dict.fromkeys(FUNCTIONS, Work(0.0)), figures=figures)
        for fill, seconds in ((ONE_BY_ONE, 1.0), (CROWD, 0.1)):
            gb_seconds = _units(quick.an_order(fill), "deliver-accounting: time")
            # A quarter of a GB, and half a millisecond of rounding for each invocation.
            assert gb_seconds == pytest.approx(seconds * 0.25, rel=0.01)

    def test_deliveries_take_turns_ten_at_a_time_where_they_wait_longer_than_they_work(
        self,
    ) -> None:
        waiting, working = Work(0.0, 0.01, wait=1.0, at_once=10), Work(0.0, 0.2, 1.0, 10)
        assert waiting.seconds(1) == pytest.approx(1.01)
        assert waiting.seconds(10) == pytest.approx(1.1)
        # Five turns of a wait and a little work; or all the work, and the last one's wait.
        assert waiting.seconds(50) == pytest.approx(5 * 1.01)
        assert working.seconds(50) == pytest.approx(50 * 0.2 + 1.0)

    def test_less_memory_makes_waiting_cheaper_and_computing_no_dearer(self) -> None:
        nothing_waits = _estimates(
            downstream_seconds=0.0, dynamodb_seconds=0.0, sqs_seconds=0.0, sns_seconds=0.0
        )
        times = [
            replace(model, figures=nothing_waits).an_order(CROWD).units("lambda.gb_seconds")
            for model in (MODEL, SMALL)
        ]
        assert times[0] == pytest.approx(times[1], rel=0.02)
        waiting = [
            model.an_order(ONE_BY_ONE).units("lambda.gb_seconds") for model in (SMALL, MODEL)
        ]
        assert waiting[0] < 0.8 * waiting[1]

    def test_two_loads_tell_a_batchs_processor_time_from_a_records(self) -> None:
        times = processor_times(measurement(fill=1.0), measurement(fill=10.0))
        assert times["deliver-inventory"].fixed == pytest.approx(0.001)
        assert times["deliver-inventory"].per_record == pytest.approx(0.002)
        assert times["relay"].per_record == pytest.approx(0.0002)


class TestRebatching:
    def test_a_crowd_rebatched_to_one_record_each_is_what_is_counted_one_by_one(self) -> None:
        crowd = rebatched(measurement(fill=10.0), ONE_BY_ONE)
        single = measurement(fill=1.0)
        for operation in ("SendMessageBatch", "PublishBatch", "BatchGetItem"):
            assert crowd.total("requests", operation=operation) == pytest.approx(
                single.total("requests", operation=operation)
            )
        for name, use in crowd.functions.items():
            assert use.invocations == pytest.approx(single.functions[name].invocations), name


class TestBatchFill:
    @pytest.mark.parametrize(
        ("records", "share", "most", "sends"),
        [
            (1, 0.25, 10, 0.25),
            (100, 1.0, 10, 10.0),
            (100, 1.0, 50, 2.0),
            (4, 1.0, 10, 1.0),
            # None of two with a half each: a quarter of the batches send nothing.
            (2, 0.5, 10, 0.75),
            (2, 0.5, 1, 1.0),
            # Of so many that their sum's first terms are too small for a number.
            (2_000, 0.5, 10, 100.45),
            (499, 0.25, 10, 12.925),
        ],
    )
    def test_sends_of_a_batch(self, records: float, share: float, most: int, sends: float) -> None:
        assert parts(records, share, most) == pytest.approx(sends, rel=1e-6)

    def test_batches_fill_as_orders_come_faster(self) -> None:
        fills = [_fill_at(rate) for rate in (0.01, 1, 10, 100, 100_000)]
        assert fills[0].relay == pytest.approx(1, abs=0.01)
        assert fills[0].deliver == 1
        assert [fill.relay for fill in fills] == sorted(fill.relay for fill in fills)
        assert (fills[-1].deliver, fills[-1].watchdog) == (10, 100)
        assert [fill.checked for fill in fills] == sorted(fill.checked for fill in fills)

    def test_checks_are_of_the_orders_that_have_not_settled_when_the_watchs_batch_ends(
        self,
    ) -> None:
        """Two seconds of a window of five minutes, or of as long as a full batch takes: 2,000
        records of a shard. A new table has four shards; a crowd makes it grow."""
        slow, fast, crowd = _fill_at(1), _fill_at(400), _fill_at(4_000)
        assert slow.checked == pytest.approx(2 / 300, rel=0.02)
        assert fast.checked == pytest.approx(2 / (2_000 / 400))
        assert (crowd.watch, crowd.checked) == (2_000, 2 / (2_000 / 500))

    def test_without_orders_a_batch_has_one_record(self) -> None:
        assert _fill_at(0.0).relay == 1


def _fill_at(rate: float) -> BatchFill:
    return fill_at(
        rate,
        records_per_order=4,
        relayed_per_order=4,
        delivery_seconds=0.15,
        concurrency_max=20,
        window_seconds=60,
        stream_window_seconds=300,
        settle_seconds=2,
    )


def _estimates(**values: float) -> Estimates:
    figures = Estimates()
    changed = {
        name: msgspec.structs.replace(getattr(figures, name), value=value)
        for name, value in values.items()
    }
    return msgspec.structs.replace(figures, **changed)
