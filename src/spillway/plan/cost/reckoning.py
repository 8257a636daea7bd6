"""All that a report is made of, put together: measurements, stage, prices, loads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from spillway.plan.cost import idle as idle_
from spillway.plan.cost.deployed import Deployed, deployed
from spillway.plan.cost.durations import Calibration, Processor, calibration, processor_times
from spillway.plan.cost.loads import (
    CROWD,
    NOT_PACKED,
    PACKED,
    TRICKLE,
    Fills,
    Packing,
    fills_at,
    per_message,
)
from spillway.plan.cost.measurement import Measurement, recorded
from spillway.plan.cost.usage import Settings, a_look, kept, rebatched, usage_of, works
from spillway.plan.prices import Bill, Book, Usage, load, priced
from spillway.plan.profile import Profile
from spillway.plan.work import Work

MILLION = 1_000_000
#: A stage whose settings are those of a real deployment.
STAGE = "dev"
#: What a field of the API's access log looks like for an order that was taken.
_ACCESS_LOG_VALUES = {
    "$context.requestId": "JKJaXmPLvHcESHA=",
    "$context.routeKey": "PUT /orders/{order_id}",
    "$context.status": "201",
    "$context.responseLatency": "42",
    "$context.path": "/api/orders/019a0000-0000-7000-8000-000000000000",
}
_MISSING = "-"
#: A profile is looked at so often.
_PROFILE_LOOKS = 400


@dataclass(frozen=True, slots=True)
class Reckoning:
    """`measurement` is what an order used; its two loads told `processor` apart."""

    measurement: Measurement
    processor: Mapping[str, Processor]
    stage: Deployed
    settings: Settings
    figures: Calibration
    book: Book

    def an_order(self, fills: Fills) -> Usage:
        """What one order uses in batches so full, once."""
        return usage_of(self.measurement, fills, self.settings, self.processor, self.figures)

    def a_look(self) -> Usage:
        """What one look of a customer at an order uses."""
        return a_look(self.measurement, self.settings, self.processor, self.figures)

    def per_million(self, fills: Fills) -> Bill:
        """A million orders at list price."""
        return priced(self.an_order(fills).scaled(MILLION), self.book)

    def idle(self, *, free_tiers: bool = False) -> Bill:
        """A month without any order."""
        return priced(idle_.idle(self.stage), self.book, free_tiers=free_tiers)

    def working(self, users: float = 0) -> Usage:
        """What a month with orders has beside them: metrics, secrets, customers who sign in."""
        return idle_.working(self.stage, self.figures, users)

    def month(
        self, orders: float, fills: Fills, *, users: float = 0, free_tiers: bool = False
    ) -> Bill:
        """A month's whole bill, its orders kept for all of it."""
        once = (self.an_order(fills) + kept(self.measurement)).scaled(orders)
        always = idle_.idle(self.stage) + self.working(users)
        return priced(once + always, self.book, free_tiers=free_tiers)

    def kept(self) -> float:
        """What keeping a million orders costs a month."""
        return priced(kept(self.measurement).scaled(MILLION), self.book).dollars

    def works(self) -> Mapping[str, Work]:
        """How long each function takes for a batch, in a crowd."""
        crowd = rebatched(self.measurement, CROWD, self.settings.packing)
        return works(crowd, self.settings, self.processor, self.figures)

    def steady(self, orders_per_month: float) -> Fills:
        """How full batches are when a month's orders come evenly."""
        return self.fills_at(orders_per_month / idle_.MONTH_SECONDS)

    def fills_at(self, orders_per_second: float) -> Fills:
        measured, downstream = self.measurement, "deliver-fulfilment"
        if not orders_per_second:
            return TRICKLE
        mapping = self.stage.mappings[downstream]
        return fills_at(
            orders_per_second,
            records_per_order=measured.functions["relay"].records / measured.orders,
            delivery_seconds=self.works()[downstream].seconds(1),
            concurrency_max=mapping.concurrency_max or 1_000,
            packing=self.settings.packing,
        )

    def commands_per_message(self) -> float:
        """In a crowd, on average."""
        share = self.measurement.orders / self.measurement.functions["relay"].records
        return per_message(CROWD.relay, share, self.settings.packing.commands)

    def profile_usage(self, profile: Profile) -> Usage:
        """What one order uses, on average over a profile: each at the rate at which it came."""
        step = profile.seconds / _PROFILE_LOOKS
        uses: tuple[Usage, ...] = ()
        for look in range(_PROFILE_LOOKS):
            orders = profile.orders(look * step, (look + 1) * step)
            if orders:
                share = orders / profile.total
                uses += (self.an_order(self.fills_at(orders / step)).scaled(share),)
        return Usage(tuple(use for usage in uses for use in usage))

    def with_memory(self, **memory_mb: float) -> Reckoning:
        memory = {**self.settings.memory_mb, **memory_mb}
        return replace(self, settings=replace(self.settings, memory_mb=memory))

    def with_packing(self, packing: Packing) -> Reckoning:
        return replace(self, settings=replace(self.settings, packing=packing))


def reckoning(prices: Path | None = None, stage: str = STAGE) -> Reckoning:
    """From the recorded measurements. SpillwayError: a file that cannot be read, no such stage."""
    crowd = recorded("crowd")
    return of(crowd, recorded("one by one"), deployed(stage), load(prices))


def of(crowd: Measurement, one_by_one: Measurement, stage: Deployed, book: Book) -> Reckoning:
    settings = Settings(
        memory_mb=stage.memory_mb,
        log_days=stage.log_days,
        access_log_bytes=len(access_log_line(stage.access_log_format)),
        access_log_price=(
            "logs.ingested_infrequent" if stage.access_log_infrequent else "logs.ingested"
        ),
        packing=PACKED if stage.packs else NOT_PACKED,
    )
    processor = processor_times(one_by_one, crowd)
    return Reckoning(crowd, processor, stage, settings, calibration(), book)


def access_log_line(format_: str) -> str:
    """A line of the API's access log for an order that was taken."""
    fields: dict[str, str] = json.loads(format_)
    return json.dumps(
        {name: _ACCESS_LOG_VALUES.get(value, _MISSING) for name, value in fields.items()}
    )


__all__ = ["CROWD", "MILLION", "STAGE", "TRICKLE", "Fills", "Reckoning", "of", "reckoning"]
