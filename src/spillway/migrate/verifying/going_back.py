"""verify --back: whether the old table has every order that the orders table has, as it is now."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import pymysql

from spillway.migrate.verifying.canonical import Canonical
from spillway.migrate.verifying.comparing import KEYS_AT_ONCE, LOOKS_MAX, Difference, Verdict
from spillway.migrate.verifying.new import NewSide, Place
from spillway.migrate.verifying.old import OldSide

PAUSE_SECONDS = 1.0


@dataclass(slots=True)
class VerifyBack:
    old: OldSide
    new: NewSide
    on_progress: Callable[[str, int], None]
    #: Old orders that never were in the new table.
    quarantined: Callable[[], Mapping[str, bool]]
    #: Longer with each look: `back` may be some seconds behind.
    pause_seconds: float = PAUSE_SECONDS
    verdict: Verdict = field(default_factory=Verdict)

    def run(self) -> Verdict:
        differences: list[Difference] = []
        places: list[Place] = []
        orders = self.new.everything()
        while some := list(islice(orders, KEYS_AT_ONCE)):
            self.verdict.new_orders += len(some)
            for place, difference in self._compared(some):
                differences.append(difference)
                places.append(place)
            self.on_progress("new", self.verdict.new_orders)
        self.verdict.rechecked = len(places)
        for look in range(LOOKS_MAX):
            if not places:
                break
            time.sleep(self.pause_seconds * look)
            there = list(self.new.some(places).values())
            compared = list(self._compared(there))
            differences = [difference for _, difference in compared]
            places = [place for place, _ in compared]
        self.verdict.differences = differences
        self.verdict.old_orders = self.old.count()
        self.verdict.quarantined = sum(not changed for changed in self.quarantined().values())
        self._counted()
        return self.verdict

    def _counted(self) -> None:
        """An order that only the old table has would show in the number alone."""
        surplus = self.verdict.old_orders - self.verdict.quarantined - self.verdict.new_orders
        if surplus > 0 and self.verdict.clean:
            kind = f"{surplus:,} orders lie only in the old table"
            self.verdict.differences = [Difference("(number)", kind)]

    def _compared(self, orders: Sequence[Canonical]) -> Iterator[tuple[Place, Difference]]:
        numbers = self._numbers([o.order_id for o in orders if not o.old_key])
        key_of = {
            (o.customer, o.order_id): o.old_key or numbers.get((o.customer, o.order_id), "")
            for o in orders
        }
        old = dict(self.old.some([key for key in key_of.values() if key]))
        for order in orders:
            place = (order.customer, order.order_id)
            there = old.get(key_of[place])
            if there is None:
                name = key_of[place] or f"{order.customer}/{order.order_id}"
                yield place, Difference(name, "not in the old table")
                continue
            fields = _differing(there, order)
            if fields:
                yield place, Difference(key_of[place], "differs", fields)

    def _numbers(self, order_ids: Sequence[str]) -> dict[Place, str]:
        """Old order numbers of new orders, by `back`'s own table."""
        if not order_ids:
            return {}
        query = (
            "SELECT customer, order_id, old_key FROM spillway_back WHERE old_key IS NOT NULL"  # noqa: S608
            f" AND order_id IN ({', '.join(['%s'] * len(order_ids))})"
        )
        try:
            rows = list(self.old.asked(query, tuple(order_ids)))
        except pymysql.err.ProgrammingError:
            return {}
        return {(row["customer"], row["order_id"]): row["old_key"] for row in rows}


def _differing(old: Canonical, new: Canonical) -> dict[str, tuple[object, object]]:
    """What both tables can hold: times to the second, a state in the old shop's coarser words."""

    def comparable(order: Canonical) -> dict[str, object]:
        return {
            "placed at (s)": order.accepted_at // 1_000,
            "state": order.state.split(" ")[0],
            "currency": order.currency,
            "lines": sorted(order.lines),
            "discount": order.discount,
            "shipping": order.shipping,
            "tax": order.tax,
            "total": order.total,
        }

    there, here = comparable(old), comparable(new)
    return {name: (there[name], here[name]) for name in there if there[name] != here[name]}
