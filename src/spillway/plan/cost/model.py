"""The cost model: measurements, a stage's settings and prices, put together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from spillway.plan.cost import idle as idle_
from spillway.plan.cost.batches import (
    CROWD,
    ONE_BY_ONE,
    BatchFill,
    batched_max,
    fill_at,
    per_message,
)
from spillway.plan.cost.deployed import Deployed, deployed
from spillway.plan.cost.durations import Calibration, Processor, calibration, processor_times
from spillway.plan.cost.measurement import Measurement, recorded
from spillway.plan.cost.usage import Settings, a_look, kept, rebatched, usage_of, works
from spillway.plan.prices import Bill, Book, Usage, load, priced
from spillway.plan.profile import Profile
from spillway.plan.work import Work

MILLION = 1_000_000
#: A stage with the settings of a real deployment.
STAGE = "dev"
#: An API access log line's fields, for an order that was accepted.
_ACCESS_LOG_VALUES = {
    "$context.requestId": "JKJaXmPLvHcESHA=",
    "$context.routeKey": "PUT /orders/{order_id}",
    "$context.status": "201",
    "$context.responseLatency": "42",
    "$context.path": "/api/orders/019a0000-0000-7000-8000-000000000000",
}
_MISSING = "-"
_PROFILE_SAMPLES = 400


@dataclass(frozen=True, slots=True)
class CostModel:
    """`measurement`: what orders used. Its two loads together gave `processor`."""

    measurement: Measurement
    processor: Mapping[str, Processor]
    stage: Deployed
    settings: Settings
    figures: Calibration
    book: Book

    def an_order(self, fill: BatchFill) -> Usage:
        """What one order uses, once, in batches as full as this."""
        return usage_of(self.measurement, fill, self.settings, self.processor, self.figures)

    def a_look(self) -> Usage:
        """What one look of a customer at an order uses."""
        return a_look(self.measurement, self.settings, self.processor, self.figures)

    def per_million(self, fill: BatchFill) -> Bill:
        """A million orders at list price."""
        return priced(self.an_order(fill).scaled(MILLION), self.book)

    def idle(self, *, free_tiers: bool = False) -> Bill:
        """A month without any order."""
        return priced(idle_.idle(self.stage), self.book, free_tiers=free_tiers)

    def working(self) -> Usage:
        """What a month with orders uses besides the orders: metrics and secrets."""
        return idle_.working(self.stage, self.figures)

    def month(self, orders: float, fill: BatchFill, *, free_tiers: bool = False) -> Bill:
        """A month's whole bill. Its orders are kept for all of it."""
        once = (self.an_order(fill) + kept(self.measurement)).scaled(orders)
        always = idle_.idle(self.stage) + self.working()
        return priced(once + always, self.book, free_tiers=free_tiers)

    def kept(self) -> float:
        """What keeping a million orders costs a month."""
        return priced(kept(self.measurement).scaled(MILLION), self.book).dollars

    def works(self) -> Mapping[str, Work]:
        """How long each function takes for a batch, in a crowd."""
        crowd = rebatched(self.measurement, CROWD)
        return works(crowd, self.settings, self.processor, self.figures)

    def steady(self, orders_per_month: float) -> BatchFill:
        """How full batches are when a month's orders come evenly."""
        return self.fill_at(orders_per_month / idle_.MONTH_SECONDS)

    def fill_at(self, orders_per_second: float) -> BatchFill:
        if not orders_per_second:
            return ONE_BY_ONE
        measured, downstream = self.measurement, "deliver-fulfilment"
        mappings = self.stage.mappings
        return fill_at(
            orders_per_second,
            records_per_order=measured.functions["relay"].records / measured.orders,
            delivery_seconds=self.works()[downstream].seconds(1),
            concurrency_max=mappings[downstream].concurrency_max or 1_000,
            window_seconds=mappings["watchdog"].window_seconds,
        )

    def commands_per_message(self) -> float:
        """In a crowd, on average."""
        share = self.measurement.orders / self.measurement.functions["relay"].records
        return per_message(CROWD.relay, share, batched_max("inventory"))

    def profile_usage(self, profile: Profile) -> Usage:
        """What one order uses, on average over a profile: each at the rate at which it came."""
        step = profile.seconds / _PROFILE_SAMPLES
        uses: tuple[Usage, ...] = ()
        for sample in range(_PROFILE_SAMPLES):
            orders = profile.orders(sample * step, (sample + 1) * step)
            if orders:
                share = orders / profile.total
                uses += (self.an_order(self.fill_at(orders / step)).scaled(share),)
        return Usage(tuple(use for usage in uses for use in usage))


def cost_model(prices: Path | None = None, stage: str = STAGE) -> CostModel:
    """From the recorded measurements.

    Raises SpillwayError when a file cannot be read or there is no such stage.
    """
    return model_of(deployed(stage), load(prices))


def model_of(stage: Deployed, book: Book) -> CostModel:
    crowd = recorded("crowd")
    settings = Settings(
        memory_mb=stage.memory_mb,
        log_days=stage.log_days,
        access_log_bytes=len(_access_log_line(stage.access_log_format)),
        access_log_price=(
            "logs.ingested_infrequent" if stage.access_log_infrequent else "logs.ingested"
        ),
    )
    processor = processor_times(recorded("one by one"), crowd)
    return CostModel(crowd, processor, stage, settings, calibration(), book)


def _access_log_line(format_: str) -> str:
    """A line of the API's access log for an order that was accepted."""
    fields: dict[str, str] = json.loads(format_)
    return json.dumps(
        {name: _ACCESS_LOG_VALUES.get(value, _MISSING) for name, value in fields.items()}
    )
