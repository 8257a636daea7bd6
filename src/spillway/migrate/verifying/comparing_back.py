"""verify --back: does the old table have every order of the orders table, as it is now?

Each order of the orders table is looked up in the old one. Orders that only the old table has are
found by sums over all numbers, and then by name: whatever the old shop took after the switch.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
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
from spillway.migrate.verifying.sums import Sums, groups_for, unequal

BACK_PAUSE_SECONDS = 1.0


@dataclass
class VerifyBack:
    old: OldSide
    new: NewSide
    on_progress: OnProgress
    #: Old orders that were never in the new table.
    quarantined: Quarantined
    #: About so many orders are compared.
    orders: int = 0
    #: Longer with each look: `back` may be some seconds behind.
    pause_seconds: float = BACK_PAUSE_SECONDS
    verdict: Verdict = field(default_factory=Verdict)
    #: Why `back` could not write an order.
    _waiting: dict[Place, str] = field(default_factory=dict)

    def run(self) -> Verdict:
        verdict = self.verdict
        found: dict[Place, Difference] = {}
        sums = Sums(groups_for(self.orders))
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
        old = Sums(groups_for(self.orders))
        for number in self._numbers_of_old(READING_OLD):
            if number not in aside:
                old.add(number, hash(number))
        verdict.old_orders, verdict.quarantined = old.orders, len(aside)
        unlike = unequal(old, new, CANDIDATES_MAX)
        verdict.orders_not_looked_at = unlike.orders_left_out
        if not unlike.groups:
            return
        numbers = self._numbers_of_old(OLD_AGAIN)
        left = {number for number in numbers if number in unlike} - aside
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
                waits = self._waiting.get(order.place)
                why = f": `back` could not write it ({waits})" if waits else ""
                yield order.place, Difference(name, f"not in the old table{why}")
                continue
            sides = [self._comparable(one, new=not order.old_key) for one in (there, order)]
            fields = differing(self.old.config, sides[0], sides[1], status=_outcome)
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
            "SELECT customer, order_id, old_key, reason FROM spillway_back"  # noqa: S608
            f" WHERE order_id IN ({', '.join(['%s'] * len(order_ids))})"
        )
        try:
            rows = list(self.old.rows(query, tuple(order_ids)))
        except Missing:  # `back` never ran.
            return {}
        of_place = {(row["customer"], row["order_id"]): row for row in rows}
        self._waiting |= {at: row["reason"] for at, row in of_place.items() if row["reason"]}
        return {at: row["old_key"] for at, row in of_place.items() if row["old_key"]}

    def _comparable(self, order: Canonical, *, new: bool) -> Canonical:
        """What both tables can hold: times to the second, and nothing that may be lost. A guest of
        the new service is nobody in the old table, and named by the order's number there."""
        lost = self._may_lose
        guest = new and order.customer.startswith("guest-")
        return order._replace(
            old_key="",
            order_id="",
            customer="guest-" * guest
            or order.customer.removeprefix(self.old.config.customers.prefix),
            accepted_at=0 if "created_at" in lost else order.accepted_at // 1_000 * 1_000,
            channel="" if "channel" in lost else order.channel,
            # A new order may have several, and the old table has room for one.
            coupon="",
            lines=tuple(sorted(order.lines)),
            address=tuple(one for one in order.address if _lost_with(one[0]).isdisjoint(lost)),
            payment="" if "payment_reference" in lost else order.payment,
            purchase_order="" if "purchase_order" in lost else order.purchase_order,
        )

    @property
    def _may_lose(self) -> Collection[str]:
        back = self.old.config.back
        return () if back is None else back.may_lose


def _lost_with(part: str) -> set[str]:
    """The settings with which a part of an address may be lost."""
    return {"address", "address.lines" if part.startswith("line ") else f"address.{part}"}


def _outcome(state: State) -> str:
    """A state in the old shop's coarser words."""
    return state.outcome
