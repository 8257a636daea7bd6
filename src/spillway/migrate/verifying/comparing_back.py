"""verify --back: does the old table have every order of the orders table, as it is now?

Each order of the orders table is looked up in the old one. Orders that only the old table has are
found by sums over all numbers, and then by name: whatever the old shop took after the switch.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby, islice

from spillway.migrate.old.connection import Missing
from spillway.migrate.verifying.canonical import Canonical, Place, State
from spillway.migrate.verifying.comparing import (
    CANDIDATES_MAX,
    KEYS_AT_ONCE,
    LOOKS_MAX,
    NEW_AGAIN,
    OLD_AGAIN,
    READING_NEW,
    READING_OLD,
    Difference,
    OnProgress,
    Quarantined,
    Verdict,
)
from spillway.migrate.verifying.naming import differing
from spillway.migrate.verifying.new import NewSide
from spillway.migrate.verifying.old import OldSide
from spillway.migrate.verifying.sums import Sums, group_of, unequal

BACK_PAUSE_SECONDS = 1.0


@dataclass
class VerifyBack:
    old: OldSide
    new: NewSide
    on_progress: OnProgress
    #: Old orders that were never in the new table.
    quarantined: Quarantined
    #: Longer with each look: `back` may be some seconds behind.
    pause_seconds: float = BACK_PAUSE_SECONDS
    verdict: Verdict = field(default_factory=Verdict)

    def run(self) -> Verdict:
        verdict = self.verdict
        found: dict[Place, Difference] = {}
        sums = Sums()
        for some in self._everything(READING_NEW):
            keys = self._keys(some)
            for key in filter(None, keys.values()):
                sums.add(key, hash(key))
            found |= self._compared(some, keys)
            verdict.new_orders += len(some)
        verdict.orders_looked_at_again = len(found)
        for look in range(LOOKS_MAX):
            if not found:
                break
            time.sleep(self.pause_seconds * look)
            again = list(self.new.some(list(found)).values())
            found = dict(self._compared(again, self._keys(again)))
        verdict.differences = [*found.values(), *self._only_old(sums)]
        return verdict

    def _only_old(self, new: Sums) -> Iterator[Difference]:
        """Orders that only the old table has; `new` has the numbers of all others."""
        verdict = self.verdict
        aside = {key for key, changed in self.quarantined().items() if not changed}
        old = Sums()
        for number in self._numbers_of_old(READING_OLD):
            if number not in aside:
                old.add(number, hash(number))
        verdict.old_orders, verdict.quarantined = old.orders, len(aside)
        unlike = unequal(old, new, CANDIDATES_MAX)
        verdict.orders_not_looked_at = unlike.orders_left_out
        if not unlike.groups:
            return
        numbers = self._numbers_of_old(OLD_AGAIN)
        left = {number for number in numbers if group_of(number) in unlike.groups} - aside
        for some in self._everything(NEW_AGAIN):
            left.difference_update(self._keys(some).values())
        for number in sorted(left):
            yield Difference(number, "only in the old table")

    def _everything(self, stage: str) -> Iterator[list[Canonical]]:
        orders = self.new.everything()
        count = 0
        while some := list(islice(orders, KEYS_AT_ONCE)):
            yield some
            count += len(some)
            self.on_progress(stage, count)

    def _numbers_of_old(self, stage: str) -> Iterator[str]:
        count = 0
        for count, (number, _) in enumerate(groupby(self.old.numbers()), start=1):
            yield number
            if count % 1_000 == 0:
                self.on_progress(stage, count)
        self.on_progress(stage, count)

    def _compared(
        self, orders: Sequence[Canonical], keys: dict[Place, str]
    ) -> Iterator[tuple[Place, Difference]]:
        old = dict(self.old.some([key for key in keys.values() if key]))
        for order in orders:
            key = keys[order.place]
            there = old.get(key)
            if there is None:
                name = key or f"{order.customer}/{order.order_id}"
                yield order.place, Difference(name, "not in the old table")
                continue
            sides = self._comparable(there), self._comparable(order)
            fields = differing(self.old.config, *sides, status=_outcome)
            if fields:
                yield order.place, Difference(key, "differs", fields)

    def _keys(self, orders: Sequence[Canonical]) -> dict[Place, str]:
        """The old number of each order, of new ones by `back`'s own table; empty where it has
        none."""
        new = [order.order_id for order in orders if not order.old_key]
        numbers = self._numbers(new) if new else {}
        return {order.place: order.old_key or numbers.get(order.place, "") for order in orders}

    def _numbers(self, order_ids: Sequence[str]) -> dict[Place, str]:
        query = (
            "SELECT customer, order_id, old_key FROM spillway_back WHERE old_key IS NOT NULL"  # noqa: S608
            f" AND order_id IN ({', '.join(['%s'] * len(order_ids))})"
        )
        try:
            rows = list(self.old.rows(query, tuple(order_ids)))
        except Missing:  # `back` never ran.
            return {}
        return {(row["customer"], row["order_id"]): row["old_key"] for row in rows}

    def _comparable(self, order: Canonical) -> Canonical:
        """What both tables can hold: times to the second, and of an address what has a column."""
        return order._replace(
            old_key="",
            order_id="",
            customer=order.customer.removeprefix(self.old.config.customers.prefix),
            accepted_at=order.accepted_at // 1_000 * 1_000,
            channel="",
            lines=tuple(sorted(order.lines)),
            address=tuple(one for one in order.address if one[0] in self._address_columns),
            payment="",
            purchase_order="",
        )

    @cached_property
    def _address_columns(self) -> tuple[str, ...]:
        """The parts of an address that have a column. Lines close up where one is empty, so all of
        them count, or none."""
        fields = self.old.config.order.address
        single = {"name": fields.name, "city": fields.city, "country": fields.country}
        parts = tuple(name for name, one in {**single, **fields.optional}.items() if one.column)
        lines = tuple(f"line {place}" for place in range(1, len(fields.lines) + 1))
        return (*parts, *(lines if all(one.column for one in fields.lines) else ()))


def _outcome(state: State) -> str:
    """A state in the old shop's coarser words."""
    return state.outcome
