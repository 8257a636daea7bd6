"""The same orders on other designs, from the operation counts in `alternatives.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from spillway.plan.price_list import Bill, PriceList, Usage, Use, priced

_FILE = Path(__file__).parent / "alternatives.toml"
MILLION = 1_000_000

#: What a design can be based on: our orders, or those that go by three queues instead.
Base = Literal["ours", "queued"]

#: A price, how many units of it, and the source of the number.
Count = tuple[str, float, str]


class Alternative(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One design. `but`: what this service does and the design cannot."""

    what: str
    but: str = ""
    based_on: Base | None = None
    without: tuple[str, ...] = ()
    per_order: tuple[Count, ...] = ()
    per_month: tuple[Count, ...] = ()

    def usage(self, counted: Mapping[Base, Usage]) -> Usage:
        """What one order and a month use. `counted`: what one of our own orders uses."""
        base = () if self.based_on is None else counted[self.based_on]
        kept = [use for use in base if not use.name.startswith(self.without)]
        own = [
            Use(source, price, count, per_month=per_month)
            for counts, per_month in ((self.per_order, False), (self.per_month, True))
            for price, count, source in counts
        ]
        return Usage((*kept, *own))


class Compared(msgspec.Struct, frozen=True):
    """An alternative's price: for a million orders, and for a month without any.

    `break_even`: from so many orders a month it is cheaper than ours; None where it never is.
    """

    name: str
    alternative: Alternative
    per_million: float
    per_month: float
    break_even: float | None
    bill: Bill


@cache
def alternatives() -> Mapping[str, Alternative]:
    """By name."""
    return msgspec.toml.decode(_FILE.read_bytes(), type=dict[str, Alternative])


def compare(
    counted: Mapping[Base, Usage], ours_per_month: float, price_list: PriceList
) -> list[Compared]:
    """All designs at list price. `counted`: one order's use, `ours_per_month`: our idle month."""
    our_order = priced(counted["ours"].scaled(MILLION), price_list).for_orders / MILLION
    compared = []
    for name, design in alternatives().items():
        bill = priced(design.usage(counted).scaled(MILLION), price_list)
        month = bill.for_the_month + (ours_per_month if design.based_on else 0.0)
        cheaper_from = break_even(our_order, ours_per_month, bill.for_orders / MILLION, month)
        compared.append(Compared(name, design, bill.for_orders, month, cheaper_from, bill))
    return compared


def break_even(our_order: float, our_month: float, order: float, month: float) -> float | None:
    """Orders a month from which a design with these prices is cheaper than ours.

    0: it always is. None: it never is.
    """
    if order < our_order:
        return max(0.0, (month - our_month) / (our_order - order))
    return None if month >= our_month else 0.0 if order == our_order else None
