"""What a report says, worked out once for all its forms: terminal, JSON, page, docs."""

from __future__ import annotations

from dataclasses import dataclass

from spillway.capacity.profile import Profile
from spillway.cost.alternatives import Compared, compare
from spillway.cost.loads import CROWD, TRICKLE, Fills
from spillway.cost.reckoning import MILLION, Reckoning
from spillway.cost.sensitivity import Row, sensitivity
from spillway.prices import Bill, Usage, priced

#: Orders a month at which the months are shown.
MONTHS = (10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)


@dataclass(frozen=True, slots=True)
class LoadCost:
    """A million orders that come in one way, at list price and with the free tiers of a month that
    has nothing else."""

    name: str
    what: str
    fills: Fills | None
    list_price: float
    free_tiers: float


@dataclass(frozen=True, slots=True)
class Month:
    """A whole month's bill for so many orders, spiky or steady, with the free tiers."""

    orders: int
    spiky: float
    steady: float


@dataclass(frozen=True, slots=True)
class Findings:
    """`bill`: a million orders at list price, in the way that was asked for (`load`)."""

    ours: Reckoning
    orders_per_month: int
    load: LoadCost
    bill: Bill
    free_bill: Bill
    loads: tuple[LoadCost, ...]
    idle: Bill
    idle_free: Bill
    kept_per_million: float
    months: tuple[Month, ...]
    month: Bill
    month_free: Bill
    alternatives: tuple[Compared, ...]
    rows: tuple[Row, ...]


def find(ours: Reckoning, orders_per_month: int, profile: Profile | None = None) -> Findings:
    """Work everything out. Without a profile, orders come in a crowd, which this is made for."""
    steady = ours.steady(orders_per_month)
    loads = [
        _load(ours, "crowd", "a coupon: every batch is full", CROWD),
        _load(ours, "steady", f"{orders_per_month:,} a month, evenly", steady),
        _load(ours, "one by one", "every batch is of one", TRICKLE),
    ]
    usage = ours.an_order(CROWD)
    if profile is not None:
        usage = ours.profile_usage(profile)
        bills = [_priced(ours, usage, free_tiers=free) for free in (False, True)]
        what = f"{profile.total:,.0f} orders as in the file"
        loads.insert(0, LoadCost(profile.name, what, None, *(bill.dollars for bill in bills)))
    idle = ours.idle()
    return Findings(
        ours=ours,
        orders_per_month=orders_per_month,
        load=loads[0],
        bill=_priced(ours, usage),
        free_bill=_priced(ours, usage, free_tiers=True),
        loads=tuple(loads),
        idle=idle,
        idle_free=ours.idle(free_tiers=True),
        kept_per_million=ours.kept(),
        months=tuple(_month(ours, orders) for orders in MONTHS),
        month=ours.month(orders_per_month, CROWD),
        month_free=ours.month(orders_per_month, CROWD, free_tiers=True),
        alternatives=tuple(compare(ours.an_order(CROWD), idle.dollars, ours.book)),
        rows=tuple(sensitivity(ours)),
    )


def _priced(ours: Reckoning, usage: Usage, *, free_tiers: bool = False) -> Bill:
    return priced(usage.scaled(MILLION), ours.book, free_tiers=free_tiers)


def _load(ours: Reckoning, name: str, what: str, fills: Fills) -> LoadCost:
    prices = [ours.per_million(fills, free_tiers=free).dollars for free in (False, True)]
    return LoadCost(name, what, fills, *prices)


def _month(ours: Reckoning, orders: int) -> Month:
    spiky = ours.month(orders, CROWD, free_tiers=True).dollars
    steady = ours.month(orders, ours.steady(orders), free_tiers=True).dollars
    return Month(orders, spiky, steady)
