"""What must hold of the express path at every instant, and how often each part of it occurs.

A delivery of inventory's that calls fulfilment or accounting is on the express path: so it is known
by its calls, whatever the service thinks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from orders.aws import items
from orders.domain.promises import Promise
from orders.domain.saga import ONCE_RESERVED, Step
from simulation.world.scheduler import Task

#: What no promise names: it keeps to the orders and to the time that it was given.
EXPRESS_WITHIN_BOUNDS = "express_within_bounds"
#: Its note on an order that it has settled.
ALL_DONE = " ".join((Step.RESERVE, *ONCE_RESERVED))

CANCELLATION = "cancellation"
_DELIVERY = "deliver-inventory"
_RESERVATIONS = "/reservations"
_SHIPMENTS = "/shipments"

#: An order, by its customer and its id.
Key = tuple[str, str]


class _Named(msgspec.Struct):
    customer_id: str = ""
    order_id: str = ""


_named = msgspec.json.Decoder(_Named)


@dataclass(frozen=True, slots=True)
class Call:
    """A request to a downstream that is under way. `of_express`: inventory's delivery makes it, to
    another downstream."""

    downstream: str
    key: Key
    of_express: bool


@dataclass(eq=False)
class ExpressChecker:
    """`breaks` tells of what must not be. `item` is what is in the table under a key. `has_effect`:
    a step of an order is done at its downstream. `calls_max`: how many calls each downstream bears
    at once, of whomever. `reachable`: how many downstreams an order may go on to.

    `counts`: how often what happened.
    """

    now: Callable[[], int]
    breaks: Callable[[str, Key, str], None]
    item: Callable[[Key], Mapping[str, Any] | None]
    has_effect: Callable[[Key, str], bool]
    budget_ms: int
    calls_max: Mapping[str, int]
    reachable: int
    counts: Counter[str] = field(default_factory=Counter)
    _under_way: Counter[str] = field(default_factory=Counter)
    #: When each delivery began with an order's reservation, by its task and the order.
    _began: dict[tuple[str, Key], int] = field(default_factory=dict)
    #: The order whose reservation each delivery made last.
    _reserved: dict[str, Key] = field(default_factory=dict)
    #: The deliveries that went on with an order, and those orders that were cancelled by then.
    _deliveries: dict[Key, set[str]] = field(default_factory=dict)
    _cancelled_before: set[Key] = field(default_factory=set)

    # At the downstreams

    def call_begins(
        self, task: Task | None, downstream: str, path: str, body: bytes, query: Mapping[str, str]
    ) -> Call | None:
        """`body` or `query` names the order. None where no process makes the call."""
        if task is None:
            return None
        named = msgspec.convert(query, _Named) if query else _named.decode(body)
        key = (named.customer_id, named.order_id)
        of_delivery = task.process.name.startswith(_DELIVERY)
        call = Call(downstream, key, of_delivery and downstream != "inventory")
        self._under_way[downstream] += 1
        if self._under_way[downstream] > self.calls_max[downstream]:
            self._beyond(key, f"{downstream} has more calls at once than it bears")
        if of_delivery and path == _RESERVATIONS:
            self._began.setdefault((task.name, key), self.now())
            self._reserved[task.name] = key
        if path == _SHIPMENTS and not self.has_effect(key, Step.RESERVE):
            self.breaks(Promise.NEVER_HALF_DONE, key, "told to ship before its stock was reserved")
        if call.of_express:
            self._goes_on(task, call)
        return call

    def _goes_on(self, task: Task, call: Call) -> None:
        delivery = task.name.rpartition(" > ")[0]
        self.counts["calls"] += 1
        began = self._began.get((delivery, call.key))
        if began is None:
            self._beyond(call.key, f"{call.downstream} called by express, and it was not reserved")
        elif self.now() - began > self.budget_ms:
            self._beyond(call.key, f"{call.downstream} called when the time of express was over")
        if items.EXPRESS not in (self.item(call.key) or {}):
            self._beyond(call.key, "goes by express, which is not on record with it")
        there = self._deliveries.setdefault(call.key, set())
        if not there and CANCELLATION in self._progress(call.key):
            self._cancelled_before.add(call.key)
        if there and delivery not in there:
            self.counts["deliveries of an order once more"] += 1
        there.add(delivery)

    def call_ends(self, call: Call | None, outcome: str) -> None:
        """`outcome`: what became of it, in a word or two."""
        if call is not None:
            self._under_way[call.downstream] -= 1
            if call.of_express:
                self.counts[f"calls {outcome}"] += 1

    def side_by_side(self, delivery: str, calls: Collection[str]) -> None:
        """A delivery, named by its task, goes on with an order, and makes these calls."""
        # Where there was none, its calls tell.
        key = self._reserved.get(delivery)
        if key is not None and self.now() - self._began[delivery, key] > self.budget_ms / 2:
            self._beyond(key, "gone on with, and its reservation took more than half of the time")
        self.counts["deliveries"] += 1
        self.counts["calls left out for a breaker"] += self.reachable - len(calls)

    # In the table

    def progressed(self, key: Key, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        new = [step for step in Step if step in after and step not in before]
        note = after.get(items.EXPRESS)
        if note is not None and items.EXPRESS not in before:
            self._noted(key, note["S"], after)
        if Step.RESERVE not in new or key not in self._deliveries:
            return
        self.counts[f"writes of {len(new)} outcomes"] += 1
        if CANCELLATION in before and key not in self._cancelled_before:
            self.counts["cancellations between the calls and the write"] += 1

    def _noted(self, key: Key, note: str, after: Mapping[str, Any]) -> None:
        for step in note.split():
            if step not in after or "reason" in after[step]["M"]:
                self.breaks(
                    Promise.NEVER_HALF_DONE, key, f"noted as {note}, and {step} is not done"
                )
        if any("reason" in after[step]["M"] for step in Step if step in after):
            self.counts["writes with a refusal"] += 1
        if note == ALL_DONE:
            self.counts["orders settled by one write"] += 1

    def _progress(self, key: Key) -> Mapping[str, Any]:
        return self.item((key[0], key[1] + items.PROGRESS_SUFFIX)) or {}

    def _beyond(self, key: Key, detail: str) -> None:
        self.breaks(EXPRESS_WITHIN_BOUNDS, key, detail)
