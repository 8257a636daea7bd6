"""All figures of a report, worked out once: for the terminal, JSON, pictures and pages alike."""

from __future__ import annotations

from dataclasses import dataclass

from spillway.plan.cost.alternatives import compare
from spillway.plan.cost.batches import CROWD, ONE_BY_ONE, BatchFill
from spillway.plan.cost.coupons import a_coupon, a_return
from spillway.plan.cost.model import MILLION, CostModel
from spillway.plan.cost.usage import kept
from spillway.plan.price_list import Bill, Usage, Use, priced
from spillway.plan.profile import Profile

#: Orders a month for which a whole month's bill is shown.
MONTHS = (10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
#: Customers who sign in with Cognito, for which a price is shown.
USERS = 100_000


@dataclass(frozen=True, slots=True)
class LoadCost:
    """What a million orders cost that come in one way. `billed`: in a month with so many orders,
    after AWS's permanent free tiers."""

    name: str
    what: str
    billed: Bill
    list_price: Bill


class Findings:
    """`load` is the one that was asked for: the profile's, else a crowd. `idle`: a month without
    orders. `loads` begins with `load`."""

    def __init__(
        self, model: CostModel, orders_per_month: int, profile: Profile | None = None
    ) -> None:
        self.model, self.orders_per_month = model, orders_per_month
        self.crowd = self._load("crowd", "a coupon's spike: every batch is full", CROWD)
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
        self.kept_per_million = priced(
            kept(model.measurement).scaled(MILLION), model.price_list
        ).dollars
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
        self.alternatives = compare(model.an_order(CROWD), self.idle_list.dollars, model.price_list)

    def _load(self, name: str, what: str, fill: BatchFill) -> LoadCost:
        return self._priced(name, what, self.model.an_order(fill))

    def _priced(self, name: str, what: str, usage: Usage) -> LoadCost:
        """Billed: with its share of what a month with so many orders has besides orders."""
        price_list, orders = self.model.price_list, self.orders_per_month
        month = priced(usage.scaled(orders) + self.model.working(), price_list, free_tiers=True)
        billed = month.scaled(MILLION / orders)
        return LoadCost(name, what, billed, priced(usage.scaled(MILLION), price_list))

    def _month(self, orders: int) -> dict[str, float]:
        """A whole month's bill after free tiers, with orders in crowds or evenly."""
        fills = {"spiky": CROWD, "steady": self.model.steady(orders)}
        bills = {
            name: self.model.month(orders, fill, free_tiers=True).dollars
            for name, fill in fills.items()
        }
        return {"orders": orders, **bills}
