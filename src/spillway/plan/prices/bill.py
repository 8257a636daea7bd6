"""A bill: operations times price, item by item, so that every dollar can be traced."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from spillway.plan.prices.book import Book


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
        return sum(use.units for use in self if use.price == price)

    def by_price(self) -> Mapping[str, float]:
        totals: defaultdict[str, float] = defaultdict(float)
        for use in self:
            totals[use.price] += use.units
        return totals


@dataclass(frozen=True, slots=True)
class Item:
    """`dollars` = `operations` x `price` / `per`, less what was `free`."""

    name: str
    operations: float
    unit: str
    price: float
    per: float
    dollars: float
    confirmed: bool
    price_name: str
    per_month: bool = False
    free: float = 0.0


@dataclass(frozen=True, slots=True)
class Bill:
    items: tuple[Item, ...]

    @property
    def dollars(self) -> float:
        return sum(item.dollars for item in self.items)

    @property
    def for_orders(self) -> float:
        return sum(item.dollars for item in self.items if not item.per_month)

    @property
    def for_the_month(self) -> float:
        return sum(item.dollars for item in self.items if item.per_month)

    def scaled(self, factor: float) -> Bill:
        """So many times as much of everything, free amounts too."""
        return Bill(
            tuple(
                replace(
                    item,
                    operations=item.operations * factor,
                    dollars=item.dollars * factor,
                    free=item.free * factor,
                )
                for item in self.items
            )
        )

    def largest_first(self) -> list[Item]:
        return sorted(self.items, key=lambda item: -item.dollars)


def priced(usage: Usage, book: Book, *, free_tiers: bool = False) -> Bill:
    """What a month's use costs, at list price or with what AWS gives for nothing each month.

    Uses of one name and price are one item. Where a free amount or a tier covers several items it
    is spent on them in their order.
    """
    left: dict[str, float] = {}
    used: defaultdict[str, float] = defaultdict(float)
    items = []
    for use in _merged(usage):
        price = book[use.price]
        pool = price.pool or use.price
        available = left.setdefault(pool, price.free if free_tiers else 0.0)
        free = min(available, use.units)
        left[pool] = available - free
        paid = use.units - free
        dollars = price.of(paid, after=used[use.price])
        used[use.price] += paid
        items.append(
            Item(
                name=use.name,
                operations=use.units,
                unit=price.unit,
                price=price.first,
                per=price.per,
                dollars=dollars,
                confirmed=price.confirmed,
                price_name=use.price,
                per_month=use.per_month,
                free=free,
            )
        )
    return Bill(tuple(items))


def _merged(usage: Iterable[Use]) -> Iterator[Use]:
    merged: dict[tuple[str, str, bool], float] = defaultdict(float)
    for use in usage:
        merged[use.name, use.price, use.per_month] += use.units
    for (name, price, per_month), units in merged.items():
        yield Use(name, price, units, per_month)
