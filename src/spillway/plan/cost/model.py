"""The cost model: measurements, a stage's settings and prices, put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import msgspec

from orders.aws.queues import COMMANDS_BATCHED_MAX
from orders.domain.looks import FIRST_SECONDS, wait_seconds
from spillway.plan.cost import usage
from spillway.plan.cost.batches import (
    CROWD,
    ONE_BY_ONE,
    BatchFill,
    fill_at,
    per_message,
    publishing,
    rebatched,
    sampled,
)
from spillway.plan.cost.deployed import Deployed, deployed
from spillway.plan.cost.durations import Estimates, processor_times, work
from spillway.plan.cost.measurement import FunctionUse, Measurement, recorded
from spillway.plan.price_list import Bill, PriceList, Usage, Use, added, load, priced
from spillway.plan.profile import Profile
from spillway.plan.work import Work

MILLION = 1_000_000
#: A stage with the settings of a real deployment.
STAGE = "dev"
_PROFILE_SAMPLES = 400


@dataclass(frozen=True)
class CostModel:
    """`measurement`: what orders used. Its two loads together gave `processor`, by function."""

    measurement: Measurement
    processor: Mapping[str, Work]
    stage: Deployed
    figures: Estimates
    price_list: PriceList

    def an_order(self, fill: BatchFill) -> Usage:
        """What one order uses, once, in batches as full as this: without keeping it, and without
        customers who look at it."""
        used = {name: use for name, use in self.measurement.functions.items() if name != "reads"}
        taken = self.taken(msgspec.structs.replace(self.measurement, functions=used), fill)
        return usage.usage_of(taken, self._times(taken), self.stage).scaled(1 / taken.orders)

    def a_look(self) -> Usage:
        """What one look of a customer at an order uses, as it was counted for `reads`."""
        reads = self.measurement.functions["reads"]
        looks = msgspec.structs.replace(
            self.measurement,
            functions={"reads": reads},
            requests=reads.records,
            response_bytes=self.measurement.look_bytes,
            downstream_bytes=0.0,
        )
        used = usage.usage_of(looks, self._times(looks), self.stage)
        return Usage(tuple(use for use in used if use.units)).scaled(1 / reads.records)

    def a_web_order(self, fill: BatchFill, looks: float | None = None) -> Usage:
        """An order as the storefront sends it, through CloudFront, with its customer's looks."""
        looks = self.looks(fill) if looks is None else looks
        seen = self.an_order(fill) + self.a_look().scaled(looks)
        return usage.through_cloudfront(seen, self.measurement, looks)

    def looks(self, fill: BatchFill) -> float:
        """How often a customer looks: once at an order that settles before the first look. In a
        crowd it waits in a backlog, and is looked at for as long as the page stays open."""
        return looks_within(self.figures.watched_seconds.value) if fill == CROWD else 1

    def idle(self, *, free_tiers: bool = False) -> Bill:
        """A month without any order."""
        return priced(usage.idle(self.stage), self.price_list, free_tiers=free_tiers)

    def billed(self, orders: float, order: Usage) -> Bill:
        """What so many orders add to the bill of a month without any: for the free tiers, the
        month's polling of quiet queues comes first."""
        more = self.working() + order.scaled(orders)
        return added(usage.idle(self.stage), more, self.price_list)

    def working(self) -> Usage:
        """What a month with orders uses besides the orders: metrics and secrets."""
        return usage.working(self.stage)

    def kept(self) -> Usage:
        """What keeping one order for a month uses."""
        return usage.kept(self.measurement, self.stage.table_class)

    def month(self, orders: float, fill: BatchFill, *, free_tiers: bool = False) -> Bill:
        """A month's whole bill. Its orders come from the storefront, and are kept for all of it."""
        once = (self.a_web_order(fill) + self.kept()).scaled(orders)
        always = usage.idle(self.stage) + self.working()
        return priced(once + always, self.price_list, free_tiers=free_tiers)

    @cached_property
    def works(self) -> Mapping[str, Work]:
        """How long each function takes for a batch, in a crowd."""
        return self._times(self.taken(self.measurement, CROWD))

    def taken(self, measurement: Measurement, fill: BatchFill) -> Measurement:
        """What the same orders would take on this stage, in batches as full as this."""
        taken = publishing(measurement, self.stage.events_published)
        unrelayed = measurement.orders * self._unrelayed
        return rebatched(sampled(taken, self.stage.good_news_one_in), fill, unrelayed)

    @property
    def _unrelayed(self) -> float:
        """Of an order's changes, those that a filter keeps from relay: where no event is published
        nothing follows from what the express path has settled. Measured runs publish all events,
        and so relay all changes."""
        return 0.0 if self.stage.events_published else self.measurement.express_share

    @property
    def _records_per_order(self) -> float:
        """In the stream."""
        return self.measurement.functions["relay"].records / self.measurement.orders

    def _times(self, measurement: Measurement) -> Mapping[str, Work]:
        return {
            name: self.work(name, use, self.stage.memory_mb[name])
            for name, use in measurement.functions.items()
            if use.invocations and name in self.processor
        }

    def work(self, name: str, use: FunctionUse, memory_mb: float) -> Work:
        """How long a function takes for a batch as full as in `use`."""
        answers = 1.0
        if name == "deliver-inventory":
            # By express it waits for the reservation, then for the other two side by side.
            answers += self.measurement.express_share
        return work(name, use, self.processor[name], memory_mb, self.figures, answers)

    def steady(self, orders_per_month: float) -> BatchFill:
        """How full batches are when a month's orders come evenly."""
        return self.fill_at(orders_per_month / usage.MONTH_SECONDS)

    def fill_at(self, orders_per_second: float) -> BatchFill:
        if not orders_per_second:
            return ONE_BY_ONE
        # Every order is reserved; it is in the other queues only where it missed the express path.
        delivery = "deliver-inventory"
        sources = self.stage.sources
        return fill_at(
            orders_per_second,
            records_per_order=self._records_per_order,
            relayed_per_order=self._records_per_order - self._unrelayed,
            delivery_seconds=self.works[delivery].seconds(1),
            concurrency_max=sources[delivery].concurrency_max,
            window_seconds=sources["watchdog"].window_seconds,
            stream_window_seconds=self.stage.stream_window_seconds,
            settle_seconds=self.figures.settle_seconds.value,
        )

    def commands_per_message(self) -> float:
        """In a crowd, on average."""
        relayed = self._records_per_order - self._unrelayed
        return per_message(CROWD.relay, 1 / relayed, COMMANDS_BATCHED_MAX)

    def profile_usage(self, profile: Profile) -> Usage:
        """What one order uses, on average over a profile: each at the rate at which it came."""
        step = profile.seconds / _PROFILE_SAMPLES
        uses: list[Use] = []
        for sample in range(_PROFILE_SAMPLES):
            orders = profile.orders(sample * step, (sample + 1) * step)
            if orders:
                share = orders / profile.total
                uses += self.an_order(self.fill_at(orders / step)).scaled(share)
        return Usage(tuple(uses))


def queued(model: CostModel) -> CostModel:
    """The same stage without [express]: each command goes by its own queue."""
    crowd = recorded("crowd", queued=True)
    return replace(
        model,
        measurement=crowd,
        processor=processor_times(recorded("one by one", queued=True), crowd),
        stage=deployed(model.stage.stage, queued=True),
    )


def on_stage(model: CostModel, name: str) -> CostModel:
    """The same on another stage, whose orders may go another way."""
    stage = deployed(name)
    if (stage.express_seconds is None) == (model.stage.express_seconds is None):
        return replace(model, stage=stage)
    return replace(cost_model(stage=name), figures=model.figures, price_list=model.price_list)


def looks_within(seconds: float) -> int:
    """Looks at an order that stays unreserved, each when the service asks for it."""
    age, looks = float(FIRST_SECONDS), 0
    while age <= seconds:
        looks += 1
        age += wait_seconds(age, reserved=False)
    return looks


def cost_model(prices: Path | None = None, stage: str = STAGE) -> CostModel:
    """From the recorded measurements, of orders that go as they do on this stage.

    Raises SpillwayError when a file cannot be read or there is no such stage.
    """
    here = deployed(stage)
    by_queues = here.express_seconds is None
    crowd = recorded("crowd", queued=by_queues)
    processor = processor_times(recorded("one by one", queued=by_queues), crowd)
    return CostModel(crowd, processor, here, Estimates(), load(prices))
