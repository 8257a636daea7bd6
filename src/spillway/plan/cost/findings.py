"""All figures of a report, worked out once: for the terminal, JSON, pictures and pages alike."""

from __future__ import annotations

from dataclasses import dataclass

from spillway.plan.cost.alternatives import Compared, compare
from spillway.plan.cost.batches import CROWD, ONE_BY_ONE
from spillway.plan.cost.model import MILLION, CostModel
from spillway.plan.prices import Bill, Usage, Use, priced
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
    billed: float
    list_price: float


@dataclass(frozen=True, slots=True)
class Month:
    """A whole month's bill after free tiers, with orders in crowds or evenly."""

    orders: int
    spiky: float
    steady: float


@dataclass(frozen=True, slots=True)
class Findings:
    """`bill`: a million orders as AWS bills them, for the load that was asked for (`load`), and
    `list_bill` at list price. `idle`: a month without orders."""

    model: CostModel
    orders_per_month: int
    load: LoadCost
    bill: Bill
    list_bill: Bill
    loads: tuple[LoadCost, ...]
    idle: Bill
    idle_list: Bill
    kept_per_million: float
    looks_per_million: float
    users_per_month: float
    months: tuple[Month, ...]
    month: Bill
    month_list: Bill
    working_list: Bill
    alternatives: tuple[Compared, ...]


def find(model: CostModel, orders_per_month: int, profile: Profile | None = None) -> Findings:
    """Work everything out. Without a profile, orders come in a crowd."""
    ways = _ways(model, orders_per_month, profile)
    bills = [_bills(model, usage, orders_per_month) for _, _, usage in ways]
    loads = [
        LoadCost(name, what, billed.dollars, listed.dollars)
        for (name, what, _), (billed, listed) in zip(ways, bills, strict=True)
    ]
    idle = model.idle()
    users = Usage((Use("users", "cognito.users", USERS),))
    return Findings(
        model=model,
        orders_per_month=orders_per_month,
        load=loads[0],
        bill=bills[0][0],
        list_bill=bills[0][1],
        loads=tuple(loads),
        idle=model.idle(free_tiers=True),
        idle_list=idle,
        kept_per_million=model.kept(),
        looks_per_million=priced(model.a_look().scaled(MILLION), model.book).dollars,
        users_per_month=priced(users, model.book, free_tiers=True).dollars,
        months=tuple(_month(model, orders) for orders in MONTHS),
        month=model.month(orders_per_month, CROWD, free_tiers=True),
        month_list=model.month(orders_per_month, CROWD),
        working_list=priced(model.working(), model.book),
        alternatives=tuple(compare(model.an_order(CROWD), idle.dollars, model.book)),
    )


def _ways(
    model: CostModel, orders_per_month: int, profile: Profile | None
) -> list[tuple[str, str, Usage]]:
    evenly = model.steady(orders_per_month)
    ways = [
        ("crowd", "a coupon's spike: every batch is full", model.an_order(CROWD)),
        ("steady", f"{orders_per_month:,} a month, evenly", model.an_order(evenly)),
        ("one by one", "every batch has one order", model.an_order(ONE_BY_ONE)),
    ]
    if profile is not None:
        what = f"{profile.total:,.0f} orders as in the file"
        ways.insert(0, (profile.name, what, model.profile_usage(profile)))
    return ways


def _bills(model: CostModel, usage: Usage, orders_per_month: int) -> tuple[Bill, Bill]:
    """A million orders: as billed in a month with so many, with their share of what such a month
    has besides orders; and at list price, without."""
    used = usage.scaled(orders_per_month) + model.working()
    month = priced(used, model.book, free_tiers=True)
    return (
        month.scaled(MILLION / orders_per_month),
        priced(usage.scaled(MILLION), model.book),
    )


def _month(model: CostModel, orders: int) -> Month:
    spiky = model.month(orders, CROWD, free_tiers=True).dollars
    steady = model.month(orders, model.steady(orders), free_tiers=True).dollars
    return Month(orders, spiky, steady)
