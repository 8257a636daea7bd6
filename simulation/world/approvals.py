"""What must hold of orders that are held for approval, at every instant.

An order above its buyer's limit is held, and no other. While it is, nothing of it is done anywhere;
only an approver of its company decides, who is not its buyer, once, and not after its time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orders.aws import items
from orders.domain.promises import Promise
from orders.domain.saga import Step
from simulation.world.express import CANCELLATION
from simulation.world.functions import SKEW_MAX_MS

#: An order, by its customer and its id.
Key = tuple[str, str]
#: One who may decide, by their company and their id.
Approver = tuple[str, str]


def hold(progress: Mapping[str, Any]) -> Iterator[str]:
    """What a hold adds to an order's facts, in a word. A released order is one like any other."""
    if items.HELD_UNTIL not in progress:
        return
    approval = progress.get(items.APPROVAL)
    verdict = "held" if approval is None else approval["M"]["verdict"]["S"]
    if verdict != "released":
        yield verdict


@dataclass(eq=False)
class ApprovalChecker:
    """`breaks` tells of what must not be. `above`: the orders that are above their buyer's limit.
    `approvers`: who may decide."""

    now: Callable[[], int]
    breaks: Callable[[str, Key, str], None]
    above: Collection[Key] = ()
    approvers: Collection[Approver] = ()
    #: When each approver asked first for each verdict on each order.
    _asked: dict[tuple[Key, str, str], int] = field(default_factory=dict)
    #: What is on record of each order that was held.
    _held: dict[Key, Mapping[str, Any]] = field(default_factory=dict)
    _buyers: dict[Key, str] = field(default_factory=dict)

    def asks(self, key: Key, person: str, verdict: str) -> None:
        self._asked.setdefault((key, person, verdict), self.now())

    # In the table

    def placed(self, key: Key, order: Mapping[str, Any]) -> None:
        is_held = items.HELD_UNTIL in order
        if is_held != (key in self.above):
            self._not_theirs(key, f"{'was' if is_held else 'was not'} held for approval")
        if is_held:
            self._held.setdefault(key, {})
            self._buyers[key] = order["buyer"]["S"]

    def progressed(self, key: Key, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        # Out of the archive it comes back with all that it had.
        before = before or self._held.get(key, {})
        if items.HELD_UNTIL in after:
            self._held[key] = after
        if items.APPROVAL not in after or items.APPROVAL in before:
            return
        if items.HELD_UNTIL not in before:
            self._not_theirs(key, "was decided about, and not held")
        elif CANCELLATION in before:
            self._not_theirs(key, "was decided about when its customer had cancelled it")
        else:
            self._decided(key, after[items.APPROVAL]["M"], int(after[items.HELD_UNTIL]["N"]))

    def is_erased(self, key: Key, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
        """Of the fact `approval`, an erasure has taken the approver's name, and nothing else."""
        old, new = before["M"], after["M"]
        named = (key[0], new.get("by", {}).get("S")) in self.approvers
        return not named and "by" in old and {**old, "by": None} == {**new, "by": None}

    def _decided(self, key: Key, approval: Mapping[str, Any], held_until: int) -> None:
        verdict = approval["verdict"]["S"]
        if verdict == "expired":
            if self.now() + SKEW_MAX_MS < held_until:
                self._not_theirs(key, "expired before its time")
            return
        person = approval["by"]["S"] if "by" in approval else "nobody"
        if (key[0], person) not in self.approvers or person == self._buyers.get(key):
            self._not_theirs(key, f"was {verdict} by {person}")
        asked_at = self._asked.get((key, person, verdict))
        if asked_at is None:
            self._not_theirs(key, f"was {verdict} by {person}, who never asked for that")
        elif asked_at - SKEW_MAX_MS > held_until:
            self._not_theirs(key, f"was {verdict} by {person} when its time was over")

    # At the downstreams

    def had_effect(self, key: Key, step: str) -> None:
        """A downstream has done or refused a step."""
        known = self._held.get(key)
        if known is None:
            return
        is_over = items.APPROVAL in known or CANCELLATION in known
        if is_over and step == Step.REFUND:
            return
        # Until its facts are on record with it, it is held.
        for word in hold(known or {items.HELD_UNTIL: None}):
            detail = f"{step} is at its downstream, and it is {word}"
            self.breaks(Promise.NEVER_HALF_DONE, key, detail)

    def _not_theirs(self, key: Key, detail: str) -> None:
        self.breaks(Promise.OWN_ORDERS_ONLY, key, detail)
