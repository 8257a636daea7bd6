"""What an order may cost, and which operations to look at when it costs more.

Each check counts the operations again, with the real handlers in the simulation, so a change that
adds a read or a message fails before anything is deployed or measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from spillway.plan.cost.batches import CROWD, ONE_BY_ONE
from spillway.plan.cost.model import MILLION, CostModel, cost_model
from spillway.plan.price_list import Bill, Usage, priced

_FILE = Path(__file__).parent / "budget.toml"
#: Two measurements of the same orders differ by less.
TOLERANCE = 0.005


_Orders = tuple[str, Callable[[CostModel], Usage]]
_IN_A_CROWD: _Orders = ("orders in a crowd", lambda one: one.an_order(CROWD))
_ONE_BY_ONE: _Orders = ("orders one by one", lambda one: one.an_order(ONE_BY_ONE))
_WEB: _Orders = ("web orders in a crowd", lambda one: one.a_web_order(CROWD))


class Dollars(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of a million orders in a crowd, of a month without orders, of a million one by one, and of a
    million through the storefront in a crowd."""

    crowd_per_million: float
    idle_per_month: float
    one_by_one_per_million: float | None = None
    web_crowd_per_million: float | None = None


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"listed": "list"}):
    """`billed`: after AWS's permanent free tiers, in a month of a million orders; `listed`: at list
    price. `operations`: units of one order in a crowd, by price."""

    billed: Dollars
    listed: Dollars
    operations: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Excess:
    """A budget that is exceeded. `culprits`: what grew since the last measurement, else what costs
    most."""

    name: str
    budget: float
    actual: float
    culprits: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.name} is {_number(self.actual)}, over its budget of {_number(self.budget)}:"
            f" {'; '.join(self.culprits)}."
        )


def budget() -> Budget:
    return msgspec.toml.decode(_FILE.read_bytes(), type=Budget)


def check(prices: Path | None, stage: str, allowed: Budget) -> list[Excess]:
    """Count an order again in the simulation and compare it with the budget: some seconds."""
    from spillway.plan.cost.simulated import counted

    before = cost_model(prices, stage)
    return exceeded(replace(before, measurement=counted("crowd")), before, allowed)


def exceeded(ours: CostModel, before: CostModel, allowed: Budget) -> list[Excess]:
    """What costs more than it may. `before` is the last measurement, to say what has changed."""
    compared = (*_operations(ours, before, allowed), *_dollars(ours, before, allowed))
    return [one for one in compared if one.actual > one.budget * (1 + TOLERANCE)]


def _operations(ours: CostModel, before: CostModel, allowed: Budget) -> Iterator[Excess]:
    now, then = ours.an_order(CROWD), before.an_order(CROWD)
    for price, most in allowed.operations.items():
        culprits = _grown(_of_price(now, price), _of_price(then, price), ours)
        yield Excess(f"{price} of an order", most, now.units(price), culprits)


def _dollars(ours: CostModel, before: CostModel, allowed: Budget) -> Iterator[Excess]:
    for priced_as, most, free in (
        ("billed", allowed.billed, True),
        ("at list price", allowed.listed, False),
    ):
        for orders, order_of, dollars in (
            (*_IN_A_CROWD, most.crowd_per_million),
            (*_ONE_BY_ONE, most.one_by_one_per_million),
            (*_WEB, most.web_crowd_per_million),
        ):
            if dollars is not None:
                now, then = order_of(ours), order_of(before)
                listed = priced(now.scaled(MILLION), ours.price_list)
                bill = ours.billed(MILLION, now) if free else listed
                what = f"A million {orders}, {priced_as}, in dollars,"
                yield Excess(what, dollars, bill.dollars, _grown(now, then, ours))
        idle = ours.idle(free_tiers=free)
        what = f"An idle month {priced_as}, in dollars,"
        yield Excess(what, most.idle_per_month, idle.dollars, _largest(idle))


def _of_price(usage: Usage, price: str) -> Usage:
    return Usage(tuple(use for use in usage if use.price == price))


def _grown(now: Usage, then: Usage, ours: CostModel) -> tuple[str, ...]:
    """The items that cost more than before, the most grown first; else the largest."""
    bill = priced(now.scaled(MILLION), ours.price_list)
    before = {item.use.name: item for item in priced(then.scaled(MILLION), ours.price_list).items}
    grown = []
    for item in bill.items:
        was = before.get(item.use.name)
        more = item.dollars - (was.dollars if was else 0.0)
        if more > TOLERANCE:
            units = was.use.units if was else 0.0
            grown.append((more, item.use.name, units / MILLION, item.use.units / MILLION))
    return tuple(
        f"{name} went from {_number(units)} to {_number(more_units)} an order"
        f" (+{more:.2f} dollars a million)"
        for more, name, units, more_units in sorted(grown, reverse=True)[:3]
    ) or _largest(bill)


def _largest(bill: Bill) -> tuple[str, ...]:
    return tuple(f"{item.use.name}, {item.dollars:.2f}" for item in bill.largest_first()[:3])


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"
