"""A bill: operations times price, item by item, so that every dollar can be traced."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from spillway.plan.price_list.prices import Price, PriceList


@dataclass(frozen=True, slots=True)
class Use:
    """So many units of one price. `name` is for people; `per_month`: it is there without orders."""

    name: str
    price: str
    units: float
    per_month: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """What is used: of orders, so many units for `orders` of them; of months, for one."""

    uses: tuple[Use, ...]

    def __iter__(self) -> Iterator[Use]:
        return iter(self.uses)

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.uses + other.uses)

    def scaled(self, factor: float) -> Usage:
        """So many times as many orders; what a month costs without any stays as it is."""
        return Usage(
            tuple(use if use.per_month else replace(use, units=use.units * factor) for use in self)
        )

    def units(self, price: str) -> float:
        return self.by_price().get(price, 0.0)

    def by_price(self) -> Mapping[str, float]:
        totals: defaultdict[str, float] = defaultdict(float)
        for use in self:
            totals[use.price] += use.units
        return totals


@dataclass(frozen=True, slots=True)
class Item:
    """`dollars`: of all units but those that were `free`."""

    use: Use
    price: Price
    dollars: float
    free: float


@dataclass(frozen=True, slots=True)
class Bill:
    items: tuple[Item, ...]

    @property
    def dollars(self) -> float:
        return sum(item.dollars for item in self.items)

    @property
    def for_orders(self) -> float:
        return sum(item.dollars for item in self.items if not item.use.per_month)

    @property
    def for_the_month(self) -> float:
        return sum(item.dollars for item in self.items if item.use.per_month)

    @property
    def confirmed(self) -> bool:
        return all(item.price.confirmed for item in self.items)

    def scaled(self, factor: float) -> Bill:
        """So many times as much of everything, free amounts too."""
        return Bill(
            tuple(
                Item(
                    use=replace(item.use, units=item.use.units * factor),
                    price=item.price,
                    dollars=item.dollars * factor,
                    free=item.free * factor,
                )
                for item in self.items
            )
        )

    def largest_first(self) -> list[Item]:
        return sorted(self.items, key=lambda item: -item.dollars)


def priced(usage: Usage, price_list: PriceList, *, free_tiers: bool = False) -> Bill:
    """What a month's use costs, at list price or with what AWS gives for nothing each month.

    Uses of one name and price are one item. Where a free amount or a tier covers several items it
    is spent on them in their order.
    """
    left: dict[str, float] = {}
    paid: defaultdict[str, float] = defaultdict(float)
    items = []
    for use in _merged(usage):
        price = price_list[use.price]
        pool = price.pool or use.price
        available = left.setdefault(pool, price.free if free_tiers else 0.0)
        free = min(available, use.units)
        left[pool] = available - free
        dollars = price.of(use.units - free, after=paid[use.price])
        paid[use.price] += use.units - free
        items.append(Item(use, price, dollars, free))
    return Bill(tuple(items))


def added(before: Usage, more: Usage, price_list: PriceList) -> Bill:
    """What `more` adds to the bill of a month that has `before` already and spends on it what is
    free first. No use of one has the name and price of one of the other."""
    whole = priced(before + more, price_list, free_tiers=True)
    return Bill(whole.items[len([*_merged(before)]) :])


def _merged(usage: Usage) -> Iterator[Use]:
    """One use for each name and price."""
    merged: dict[Use, float] = defaultdict(float)
    for use in usage:
        merged[replace(use, units=0.0)] += use.units
    for use, units in merged.items():
        yield replace(use, units=units)
