"""All figures of a report, worked out once: for the terminal, JSON, pictures and pages alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from spillway.plan.cost.alternatives import Base, compare
from spillway.plan.cost.batches import CROWD, ONE_BY_ONE, BatchFill
from spillway.plan.cost.coupons import a_coupon, a_return
from spillway.plan.cost.keeping import CHANNELS, Keeping, sizes
from spillway.plan.cost.model import MILLION, CostModel, on_stage, queued
from spillway.plan.cost.usage import REQUESTS_TO_DOWNSTREAMS, idle
from spillway.plan.price_list import Bill, Usage, Use, added, priced
from spillway.plan.profile import Profile

#: Orders a month for which a whole month's bill is shown.
MONTHS = (10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
#: Customers who sign in with Cognito, for which a price is shown.
USERS = 100_000


#: The stages that a store has, each in an account of its own; the last one takes its orders.
STAGES = ("dev", "prod")


STORE_ORDERS: Mapping[str, Callable[[CostModel], Usage]] = {
    "a million web orders, in a crowd": lambda model: model.a_web_order(CROWD),
    "a million web orders, one by one": lambda model: model.a_web_order(ONE_BY_ONE),
    "a million of an app, in a crowd": lambda model: model.an_order(CROWD),
    "a million of an app, one by one": lambda model: model.an_order(ONE_BY_ONE),
}


@dataclass(frozen=True, slots=True)
class LoadCost:
    """What a million orders cost that come in one way. `billed`: what they add to the bill of a
    month without any, after AWS's permanent free tiers, when so many come in it."""

    name: str
    what: str
    billed: Bill
    list_price: Bill


@dataclass(frozen=True, slots=True)
class StoreCost:
    """What a store pays, in dollars: at `list` price and `billed`, by stage, and `together`: billed
    where both stages' accounts are in one AWS Organization, which has the free tiers once."""

    what: str
    list_price: tuple[float, ...]
    billed: tuple[float, ...]
    together: float


class Findings:
    """`load` is the one that was asked for: the profile's, else a crowd. `idle`: a month without
    orders. `loads` begins with `load`."""

    def __init__(
        self, model: CostModel, orders_per_month: int, profile: Profile | None = None
    ) -> None:
        self.model, self.orders_per_month = model, orders_per_month
        self.crowd = self._load("crowd", "a coupon's spike: every batch is full", CROWD)
        self.store = [*self._store()]
        self.web = priced(model.a_web_order(CROWD).scaled(MILLION), model.price_list)
        self.web_billed = model.billed(MILLION, model.a_web_order(CROWD))
        evenly = f"{orders_per_month:,} a month, evenly"
        self.loads = [
            self.crowd,
            self._load("steady", evenly, model.steady(orders_per_month)),
            self._load("one by one", "every batch has one order", ONE_BY_ONE),
        ]
        if profile is not None:
            what = f"{profile.total:,.0f} orders as in the file"
            self.loads.insert(0, self._priced(profile.name, what, model.profile_usage(profile)))
        self.load = self.loads[0]
        self.idle, self.idle_list = model.idle(free_tiers=True), model.idle()
        self.kept = priced(model.kept().scaled(MILLION), model.price_list)
        self.kept_per_million = self.kept.dollars
        self.keeping = {channel: Keeping(model, sizes(channel)) for channel in CHANNELS}
        self.looks_per_million = priced(model.a_look().scaled(MILLION), model.price_list).dollars
        self.coupons_per_million, self.returns_per_million = (
            priced(usage.scaled(MILLION), model.price_list).dollars
            for usage in (a_coupon(), a_return())
        )
        users = Usage((Use("users", "cognito.users", USERS),))
        self.users_per_month = priced(users, model.price_list, free_tiers=True).dollars
        self.months = [self._month(orders) for orders in MONTHS]
        self.month = model.month(orders_per_month, CROWD, free_tiers=True)
        self.month_list = model.month(orders_per_month, CROWD)
        self.working_list = priced(model.working(), model.price_list)
        counted: Mapping[Base, Usage] = {
            "ours": _comparable(model, CROWD),
            "queued": _comparable(queued(model), CROWD),
        }
        self.alternatives = compare(counted, self.idle_list.dollars, model.price_list)
        self.comparable = {
            come: priced(_comparable(model, fill).scaled(MILLION), model.price_list).dollars
            for come, fill in (("in a crowd", CROWD), ("one by one", ONE_BY_ONE))
        }

    def _store(self) -> Iterator[StoreCost]:
        """Of a million orders in a month, and of a month without any."""
        models = [on_stage(self.model, stage) for stage in STAGES]
        quiet = sum((idle(model.stage) for model in models), Usage(()))
        prices, taking = self.model.price_list, models[-1]
        for what, order_of in STORE_ORDERS.items():
            more = taking.working() + order_of(taking).scaled(MILLION)
            yield StoreCost(
                what,
                tuple(priced(order_of(one).scaled(MILLION), prices).dollars for one in models),
                tuple(one.billed(MILLION, order_of(one)).dollars for one in models),
                added(quiet, more, prices).dollars,
            )
        yield StoreCost(
            "a month without orders",
            tuple(one.idle().dollars for one in models),
            tuple(one.idle(free_tiers=True).dollars for one in models),
            priced(quiet, prices, free_tiers=True).dollars,
        )

    def _load(self, name: str, what: str, fill: BatchFill) -> LoadCost:
        return self._priced(name, what, self.model.an_order(fill))

    def _priced(self, name: str, what: str, usage: Usage) -> LoadCost:
        """Billed: with its share of what a month with so many orders has besides orders."""
        billed = self.model.billed(self.orders_per_month, usage)
        billed = billed.scaled(MILLION / self.orders_per_month)
        return LoadCost(name, what, billed, priced(usage.scaled(MILLION), self.model.price_list))

    def _month(self, orders: int) -> dict[str, float]:
        """A whole month's bill after free tiers, with web orders in crowds or evenly."""
        fills = {"spiky": CROWD, "steady": self.model.steady(orders)}
        bills = {
            name: self.model.month(orders, fill, free_tiers=True).dollars
            for name, fill in fills.items()
        }
        return {"orders": orders, **bills}


def _comparable(model: CostModel, fill: BatchFill) -> Usage:
    """An order without what every design has alike."""
    order = model.an_order(fill)
    return Usage(tuple(use for use in order if use.name != REQUESTS_TO_DOWNSTREAMS))
