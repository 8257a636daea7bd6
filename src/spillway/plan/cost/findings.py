"""What a report says, worked out once for all its forms: terminal, JSON, page, docs."""

from __future__ import annotations

from dataclasses import dataclass

from spillway.plan.cost.alternatives import Compared, compare
from spillway.plan.cost.loads import CROWD, TRICKLE
from spillway.plan.cost.reckoning import MILLION, Reckoning
from spillway.plan.cost.sensitivity import Row, sensitivity
from spillway.plan.prices import Bill, Usage, priced
from spillway.plan.profile import Profile

#: Orders a month at which the months are shown.
MONTHS = (10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)


@dataclass(frozen=True, slots=True)
class LoadCost:
    """A million orders that come in one way: what AWS bills for them in a month with so many
    orders, its permanent free tiers taken off, and their list price."""

    name: str
    what: str
    billed: float
    list_price: float


@dataclass(frozen=True, slots=True)
class Month:
    """A whole month's bill for so many orders, spiky or steady, with the free tiers."""

    orders: int
    spiky: float
    steady: float


@dataclass(frozen=True, slots=True)
class Findings:
    """`bill`: a million orders as AWS bills them, in the way that was asked for (`load`), and
    `list_bill` at list price. The same of an idle month."""

    ours: Reckoning
    orders_per_month: int
    load: LoadCost
    bill: Bill
    list_bill: Bill
    loads: tuple[LoadCost, ...]
    idle: Bill
    idle_list: Bill
    kept_per_million: float
    months: tuple[Month, ...]
    month: Bill
    month_list: Bill
    working_list: Bill
    alternatives: tuple[Compared, ...]
    rows: tuple[Row, ...]


def find(ours: Reckoning, orders_per_month: int, profile: Profile | None = None) -> Findings:
    """Work everything out. Without a profile, orders come in a crowd, which this is made for."""
    ways = [
        ("crowd", "a coupon: every batch is full", ours.an_order(CROWD)),
        (
            "steady",
            f"{orders_per_month:,} a month, evenly",
            ours.an_order(ours.steady(orders_per_month)),
        ),
        ("one by one", "every batch is of one", ours.an_order(TRICKLE)),
    ]
    if profile is not None:
        what = f"{profile.total:,.0f} orders as in the file"
        ways.insert(0, (profile.name, what, ours.profile_usage(profile)))
    bills = [_bills(ours, usage, orders_per_month) for _, _, usage in ways]
    loads = [
        LoadCost(name, what, billed.dollars, listed.dollars)
        for (name, what, _), (billed, listed) in zip(ways, bills, strict=True)
    ]
    idle = ours.idle()
    return Findings(
        ours=ours,
        orders_per_month=orders_per_month,
        load=loads[0],
        bill=bills[0][0],
        list_bill=bills[0][1],
        loads=tuple(loads),
        idle=ours.idle(free_tiers=True),
        idle_list=idle,
        kept_per_million=ours.kept(),
        months=tuple(_month(ours, orders) for orders in MONTHS),
        month=ours.month(orders_per_month, CROWD, free_tiers=True),
        month_list=ours.month(orders_per_month, CROWD),
        working_list=priced(ours.working(), ours.book),
        alternatives=tuple(compare(ours.an_order(CROWD), idle.dollars, ours.book)),
        rows=tuple(sensitivity(ours)),
    )


def _bills(ours: Reckoning, usage: Usage, orders_per_month: int) -> tuple[Bill, Bill]:
    """A million orders of a month that has so many: as billed, with their share of what such a
    month has beside orders; and at list price, without."""
    used = usage.scaled(orders_per_month) + ours.working()
    month = priced(used, ours.book, free_tiers=True)
    return (
        month.scaled(MILLION / orders_per_month),
        priced(usage.scaled(MILLION), ours.book),
    )


def _month(ours: Reckoning, orders: int) -> Month:
    spiky = ours.month(orders, CROWD, free_tiers=True).dollars
    steady = ours.month(orders, ours.steady(orders), free_tiers=True).dollars
    return Month(orders, spiky, steady)
