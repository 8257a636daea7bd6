"""What fulfilment tells of an order's parcels, and what must hold of that.

It tells once it ships: by a callback where it decides at once, on its queue where it decides later.
What it tells comes twice, late, out of order, before the shipment is on record, about an order that
was never shipped, or contradicts itself; and others claim to be fulfilment.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from orders.aws import items
from orders.domain.order import OrderKey
from orders.domain.promises import Promise
from orders.domain.saga import Step
from orders.domain.status import status
from orders.domain.units import CustomerId, OrderId
from orders.downstream.keys import correlation_id
from orders.ports import Command
from simulation.world.chance import Chance
from simulation.world.faults import Fault, Faults
from simulation.world.scheduler import Scheduler

#: An order, by its customer and its id.
Key = tuple[str, str]

_PARCELS_MAX = 3
#: Most news come within seconds, some after hours: at most so long after the ones before.
_NEXT_MAX_MS = 2 * 3_600_000
_LATE_MAX_MS = 3 * 3_600_000
#: Two messages at about the same time.
_AT_ONCE_MS = 25
#: What a confirmed order may be from then on.
_AFTER_CONFIRMED = frozenset({"confirmed", "cancelling", "cancelled"})


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """As docs/contracts/outcomes.yaml has it."""

    correlation_id: str
    status: str
    parcel: str | None = None
    parcels: int | None = None
    carrier: str | None = None
    tracking_number: str | None = None

    @property
    def name(self) -> str:
        """Of its fact; empty where it can have none."""
        if self.status == "order_returned":
            return "returned#"
        return f"{self.status}#{self.parcel}" if self.parcel else ""

    @property
    def content(self) -> tuple[str | None, str | None, int | None]:
        return self.carrier, self.tracking_number, self.parcels


def content_of(fact: Mapping[str, Any]) -> tuple[str | None, str | None, int | None]:
    """What is on record of a parcel."""
    said = fact["M"]
    carrier, number = (said.get(name, {}).get("S") for name in ("carrier", "tracking_number"))
    return carrier, number, int(said["parcels"]["N"]) if "parcels" in said else None


def untracked(fact: Mapping[str, Any]) -> Mapping[str, Any]:
    """What an erasure leaves of it."""
    return {"M": {name: said for name, said in fact["M"].items() if name != "tracking_number"}}


@dataclass(eq=False)
class ParcelTeller:
    """`tell` sends a message of fulfilment's; `forge` what somebody without its key claims.
    `never_ships`: orders that are there, and of which nothing can have been shipped."""

    scheduler: Scheduler
    faults: Faults
    seed: int
    name_of: Callable[[str, str], str]
    tell: Callable[[bytes, str], None]
    forge: Callable[[bytes], None]
    never_ships: Callable[[], Collection[Key]]
    #: Messages about what was shipped, by their order; and those about what was not.
    sent: dict[bytes, Key] = field(default_factory=dict)
    misdirected: list[bytes] = field(default_factory=list)
    #: Orders of which it has told what cannot all be true, or what comes months later.
    for_a_person: set[Key] = field(default_factory=set)
    last_at: int = 0
    #: Called when it has just told that something of an order came back.
    on_returned: Callable[[Key], None] = lambda _: None

    def ships(self, key: Key) -> None:
        """Fulfilment has an order to ship: from here on it tells of its parcels."""
        name = self.name_of(*key)
        chance = Chance(self.seed, f"parcels of {name}")
        at = 0
        for number, message in enumerate(self._story(key, chance), 1):
            at += int(10 ** (chance() * 2.2) if chance() < 0.5 else chance() ** 4 * _NEXT_MAX_MS)
            self._plan(key, message, at, f"{name}, {message.status} {number}")

    def _story(self, key: Key, chance: Chance) -> Iterator[Message]:
        count = 1 + chance.below(_PARCELS_MAX)
        told = count if chance() < 0.8 else None
        back = chance()
        for number in range(1, count + 1):
            said = self._message(key, "shipped", str(number), told)
            yield msgspec.structs.replace(
                said,
                carrier="DHL" if chance() < 0.8 else None,
                tracking_number=f"JD0{number}" if chance() < 0.8 else None,
            )
        for number in range(1, count + 1):
            if chance() < 0.8:
                yield self._message(key, "delivered", str(number), told)
        if back < 0.15:
            yield self._message(key, "order_returned", None, told)
        elif back < 0.65:
            # All of them, or some.
            many = count if back < 0.4 else count - 1
            for number in chance.shuffled(range(1, count + 1))[:many]:
                yield self._message(key, "returned", str(number), told)

    def _plan(self, key: Key, message: Message, at: int, place: str) -> None:
        # What is left out of a schedule changes nothing for the other news.
        chance = Chance(self.seed, f"{place} is told")
        if self._injects(Fault.TOLD_NEVER, f"{place} is not told"):
            return
        if self._injects(Fault.TOLD_LATE, f"{place} is told late"):
            at += int(chance() ** 4 * _LATE_MAX_MS)
        if self._injects(Fault.TOLD_EARLY, f"{place} is told at once"):
            at = 0
        self._send(key, message, at, place)
        if self._injects(Fault.TOLD_TWICE, f"{place} is told twice"):
            again = at + int(chance() ** 4 * _LATE_MAX_MS)
            self._send(key, message, again, f"{place}, again")
        if self._injects(Fault.CONTRADICTED, f"{place} is contradicted"):
            self.for_a_person.add(key)
            near = max(0, at + chance.between(-_AT_ONCE_MS, _AT_ONCE_MS))
            self._send(key, _other(message, chance), near, f"{place}, otherwise")
        if self._injects(Fault.MISDIRECTED, f"{place} is told of another"):
            self.scheduler.after(at, self._misdirect, key, message, f"{place}, misdirected", chance)
        if self._injects(Fault.FORGED_OUTCOME, f"{place} is forged"):
            forged = msgspec.json.encode(self._message(key, "order_returned", None, None))
            if forged not in self.sent:
                self.scheduler.after(at, self.forge, forged)

    def _send(self, key: Key, message: Message, after: int, label: str) -> None:
        body = msgspec.json.encode(message)
        self.sent[body] = key
        self.last_at = max(self.last_at, self.scheduler.now + after)
        self.scheduler.after(after, self.tell, body, label)
        if message.status in ("returned", "order_returned"):
            self.scheduler.after(after, self.on_returned, key)

    def tell_again(self, key: Key) -> None:
        """Months later all of the order comes back, if it was shipped."""
        if key not in {*self.sent.values()}:
            return
        self.for_a_person.add(key)
        self._send(key, self._message(key, "order_returned", None, None), 0, "months later")

    def _misdirect(self, key: Key, message: Message, label: str, chance: Chance) -> None:
        """About an order that there is not, one of which nothing was shipped, or a step that is not
        fulfilment's."""
        others = sorted({*self.never_ships()} - {key})
        to, step = ("nobody", key[1]), Step.SHIP
        if others and chance() < 0.6:
            to = chance.pick(others)
        elif chance() < 0.3:
            to, step = key, Step.RESERVE
        wrong = msgspec.structs.replace(message, correlation_id=_correlation_id(to, step))
        body = msgspec.json.encode(wrong)
        self.misdirected.append(body)
        self.tell(body, label)

    def _message(self, key: Key, what: str, parcel: str | None, parcels: int | None) -> Message:
        return Message(_correlation_id(key, Step.SHIP), what, parcel, parcels)

    def _injects(self, kind: Fault, place: str) -> bool:
        return self.faults.injects_at(kind, self.scheduler.now, place)


def _other(message: Message, chance: Chance) -> Message:
    """The same news with other content, or without saying of which parcel."""
    if message.parcel is not None and chance() < 0.3:
        return msgspec.structs.replace(message, parcel=None)
    if message.status == "shipped" and chance() < 0.6:
        return msgspec.structs.replace(message, carrier="Royal Mail")
    return msgspec.structs.replace(message, parcels=(message.parcels or 0) + 1)


def _correlation_id(key: Key, step: Step) -> str:
    order = OrderKey(CustomerId(key[0]), OrderId(key[1]))
    return correlation_id(Command(order, step))


def status_broken(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[Promise, str] | None:
    """News, and what follows from them, never take a confirmed order's status back."""
    if items.NEWS not in after:
        return None
    was, now = (status(items.facts({**item})).value for item in (before, after))
    if was == "confirmed" and now not in _AFTER_CONFIRMED:
        return Promise.NEVER_HALF_DONE, f"was {was}, and is {now}"
    return None
