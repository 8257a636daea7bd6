"""From what was counted to what is billed, in numbers that can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orders.domain.saga import DOWNSTREAMS
from spillway.plan.cost.durations import Processor, calibration, processor_times
from spillway.plan.cost.loads import (
    CROWD,
    NOT_PACKED,
    TRICKLE,
    Fills,
    Packing,
    fills_at,
    fills_of,
    parcels,
    per_message,
)
from spillway.plan.cost.usage import Settings, kept, rebatched, usage_of
from spillway.plan.prices import Usage
from spillway.plan.work import Work
from tests.spillway.plan.cost.builders import measurement

FUNCTIONS = ("intake", "relay", "watchdog", "reads", *(f"deliver-{name}" for name in DOWNSTREAMS))
SETTINGS = Settings(dict.fromkeys(FUNCTIONS, 256.0), log_days=30, access_log_bytes=174)
PROCESSOR = dict.fromkeys(FUNCTIONS, Processor(0.0, 0.001))


def _order(fills: Fills, settings: Settings = SETTINGS) -> Usage:
    return usage_of(measurement(), fills, settings, PROCESSOR, calibration())


def _units(usage: Usage, name: str) -> float:
    return sum(use.units for use in usage if use.name == name)


class TestAnOrder:
    def test_writes_are_the_units_that_were_counted(self) -> None:
        assert _order(CROWD).units("dynamodb.write_units") == pytest.approx(4)
        assert _order(CROWD).units("dynamodb.read_units") == pytest.approx(0.5)

    def test_one_by_one_every_message_is_sent_received_and_deleted_by_itself(self) -> None:
        order = _order(TRICKLE)
        assert order.units("sqs.requests") == pytest.approx(4 * 3)
        assert order.units("sns.requests") == pytest.approx(1)
        # intake, four records relayed, three deliveries, one look
        assert order.units("lambda.requests") == pytest.approx(1 + 4 + 3 + 1)

    def test_in_a_crowd_ten_messages_are_received_and_deleted_at_once(self) -> None:
        order = _order(CROWD)
        assert _units(order, "queues: commands received") == pytest.approx(0.3)
        assert _units(order, "queues: watches deleted") == pytest.approx(0.1)
        batches = 4 / CROWD.relay + 3 / 10 + 1 / 100
        assert order.units("lambda.requests") == pytest.approx(1 + batches)

    def test_in_packs_five_commands_are_sent_received_and_deleted_as_one_message(self) -> None:
        """Of a relay batch of a hundred records 25 are for each queue: a binomial number."""
        crowd = replace(CROWD, relay=100.0)
        order = _order(crowd, replace(SETTINGS, packing=Packing(commands=5, checks=10)))
        messages = parcels(100, 0.25, 5)
        assert 5 < messages < 6
        assert per_message(100, 0.25, 5) == pytest.approx(25 / messages)
        assert _units(order, "queues: commands received") == pytest.approx(
            3 * 4 / 100 * messages / 10
        )
        assert _units(order, "queues: commands sent") == pytest.approx(
            3 * 4 / 100 * parcels(100, 0.25, 50)
        )
        deliveries = 3 * 4 / 100 * messages / 10
        looks = 4 / 100 * parcels(100, 0.25, 10) / 100
        assert order.units("lambda.requests") == pytest.approx(1 + 4 / 100 + deliveries + looks)

    def test_one_by_one_there_is_nothing_to_pack(self) -> None:
        packed = _order(TRICKLE, replace(SETTINGS, packing=Packing(commands=5, checks=10)))
        assert packed.by_price() == pytest.approx(_order(TRICKLE).by_price())

    def test_logs_weigh_26_bytes_more_an_event(self) -> None:
        order = _order(CROWD)
        assert _units(order, "logs: of the functions") == pytest.approx((74 + 26) / 1e9)
        assert _units(order, "logs: of the API") == pytest.approx((174 + 26) / 1e9)

    def test_looks_of_customers_are_not_an_orders(self) -> None:
        assert not [use for use in _order(CROWD) if use.name.startswith("reads")]

    def test_a_stored_order_is_its_items_and_what_the_table_adds(self) -> None:
        assert kept(measurement()).units("dynamodb.storage") == pytest.approx(1_100 / 1e9)


class TestTime:
    def test_a_delivery_waits_for_its_downstream_once_a_batch(self) -> None:
        figures = calibration().with_values(downstream_seconds=1.0, dynamodb_seconds=0.0)
        quick = dict.fromkeys(FUNCTIONS, Processor(0.0, 0.0))
        for fills, seconds in ((TRICKLE, 1.0), (CROWD, 0.1)):
            order = usage_of(measurement(), fills, SETTINGS, quick, figures)
            gb_seconds = _units(order, "deliver-accounting: time")
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
        small = Settings(dict.fromkeys(FUNCTIONS, 128.0), 30, 174)
        nothing_waits = calibration().with_values(
            downstream_seconds=0.0, dynamodb_seconds=0.0, sqs_seconds=0.0, sns_seconds=0.0
        )
        times = [
            usage_of(measurement(), CROWD, settings, PROCESSOR, nothing_waits).units(
                "lambda.gb_seconds"
            )
            for settings in (SETTINGS, small)
        ]
        assert times[0] == pytest.approx(times[1], rel=0.02)
        assert _order(CROWD, small).units("lambda.gb_seconds") < 0.8 * _order(CROWD).units(
            "lambda.gb_seconds"
        )

    def test_two_loads_tell_a_batchs_processor_time_from_a_records(self) -> None:
        times = processor_times(measurement(fill=1.0), measurement(fill=10.0))
        assert times["deliver-inventory"].fixed == pytest.approx(0.001)
        assert times["deliver-inventory"].per_record == pytest.approx(0.002)
        assert times["relay"].per_record == pytest.approx(0.0002)


class TestRebatching:
    def test_a_run_in_its_own_batches_stays_as_it_was_but_for_how_sends_are_filled(self) -> None:
        run = measurement()
        again = rebatched(run, fills_of(run), NOT_PACKED)
        for name, use in again.functions.items():
            assert use.invocations == pytest.approx(run.functions[name].invocations), name

    def test_a_crowd_taken_to_batches_of_one_is_what_is_counted_one_by_one(self) -> None:
        crowd = rebatched(measurement(fill=10.0), TRICKLE, Packing(5, 10))
        single = measurement(fill=1.0)
        for operation in ("SendMessageBatch", "PublishBatch", "BatchGetItem"):
            assert crowd.total("requests", operation=operation) == pytest.approx(
                single.total("requests", operation=operation)
            )


class TestFills:
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
        ],
    )
    def test_sends_of_a_batch(self, records: float, share: float, most: int, sends: float) -> None:
        assert parcels(records, share, most) == pytest.approx(sends)

    @pytest.mark.parametrize("packing", [NOT_PACKED, Packing(5, 10)], ids=["alone", "packed"])
    def test_batches_fill_as_orders_come_faster(self, packing: Packing) -> None:
        fills = [fills_at(rate, 4, 0.15, 20, packing) for rate in (0.01, 1, 10, 100, 100_000)]
        assert fills[0].relay == pytest.approx(1, abs=0.01)
        assert fills[0].deliver == 1
        assert [fill.relay for fill in fills] == sorted(fill.relay for fill in fills)
        assert (fills[-1].deliver, fills[-1].watchdog) == (10, 100)

    def test_nothing_comes_at_nothing(self) -> None:
        assert fills_at(0.0, 4, 0.15, 20, Packing(5, 10)).relay == 1
