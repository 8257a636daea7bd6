"""Sees everything that changes, and knows at every instant what must never be.

The audit judges a service that has come to rest; this sees the moment in which a promise breaks,
also when the damage is mended later. It knows the downstreams, the table and what was answered,
and nothing of how the service decides.
"""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from orders.domain.order import OrderKey
from orders.domain.promises import Promise
from simulation.catalogue import Draft
from simulation.downstreams.ledger import Entry
from simulation.world.dynamodb import Item, Key, Table
from simulation.world.sqs import Message, Queue

PROGRESS = "#progress"
CANCELLATION = "cancellation"
#: What no promise of the eight names, and must not be all the same.
NO_BUGS = "no_bugs"
ANNOUNCED = "announced"
NO_COMMAND_LOST = "no_command_lost"

_KEPT = frozenset({"pk", "sk"})


@dataclass(frozen=True, slots=True)
class Broken:
    """A promise that was broken at `at` (virtual ms), for an order or for none."""

    promise: str
    order: str
    detail: str
    at: int

    def __str__(self) -> str:
        return (
            f"{self.promise}: {self.order}: {self.detail}"
            if self.order
            else (f"{self.promise}: {self.detail}")
        )


class _Line(msgspec.Struct):
    step: str
    outcome: str
    error: str = ""
    detail: str = ""


_lines = msgspec.json.Decoder(_Line)


class InvariantChecker:
    """`without_keys` are the downstreams that have no idempotency keys: a second effect there
    counts only if a look before it would have told (decision 0008)."""

    def __init__(
        self,
        now: Callable[[], int],
        name_of: Callable[[str, str], str],
        without_keys: Collection[str],
    ) -> None:
        self.broken: list[Broken] = []
        self.outcomes: Counter[str] = Counter()
        self.states: set[str] = set()
        self.excused = 0
        #: For the request that the fake answers now: when it was looked up before, if it was.
        self.looked_up: int | None = None
        self.table: Table
        self.overflow: Queue
        self.on_broken: Callable[[Broken], None] = lambda _: None
        self._now = now
        self._name_of = name_of
        self._without_keys = without_keys
        #: Somebody has emptied a queue: that commands are lost is then no fault of the service.
        self.purged = False
        self._effects: dict[tuple[str, str], dict[str, Entry]] = {}
        self._first_at: dict[tuple[str, str, str], int] = {}
        self._moment = 0

    def moment(self) -> int:
        """A number that grows with everything that is seen: what was first, within one ms too."""
        self._moment += 1
        return self._moment

    def breaks(self, promise: str, key: tuple[str, str] | None, detail: str) -> None:
        name = "" if key is None else self._name_of(*key)
        broken = Broken(promise, name, detail, self._now())
        self.broken.append(broken)
        self.on_broken(broken)

    # What changes in the table

    def changed(self, key: Key, before: Item | None, after: Item) -> None:
        customer_id, sort_key = key
        order_id, is_progress, _ = sort_key.partition(PROGRESS)
        if is_progress:
            self._progressed((customer_id, order_id), before or {}, after)
        elif before is not None:
            self.breaks(
                Promise.ONE_ORDER_PER_ID, (customer_id, order_id), "the order was overwritten"
            )

    def _progressed(self, key: tuple[str, str], before: Item, after: Item) -> None:
        for name in before:
            if after.get(name) != before[name]:
                self.breaks(
                    Promise.NEVER_HALF_DONE, key, f"the fact {name} on record was overwritten"
                )
        if self.table.get(key) is None:
            self.breaks(Promise.NEVER_HALF_DONE, key, "has facts and is not in the table")
        state = []
        done = self._effects.get(key, {})
        for name, fact in after.items():
            if name in _KEPT:
                continue
            if name == CANCELLATION:
                side = "before" if fact["M"]["before_reservation"]["BOOL"] else "after"
                state.append(f"cancelled {side}")
                continue
            refused = "reason" in fact["M"]
            state.append(f"{name} refused" if refused else name)
            if name in before:
                continue
            entry = done.get(f"{name} refused" if refused else name)
            if entry is None:
                what = "refused" if refused else "done"
                self.breaks(
                    Promise.NEVER_HALF_DONE,
                    key,
                    f"{name} is on record as {what}, and its downstream knows nothing of it",
                )
        self.states.add(", ".join(sorted(state)))

    # What changes at the downstreams

    def had_effect(self, downstream: str, entry: Entry) -> None:
        """Told of each new entry of a downstream's ledger."""
        key = (entry.customer_id, entry.order_id)
        effects = self._effects.setdefault(key, {})
        step = entry.step
        if not entry.done:
            effects.setdefault(f"{step} refused", entry)
            return
        moment = self.moment()
        if step in effects:
            self._again(downstream, key, step)
            return
        self._first_at[(*key, step)] = moment
        if downstream not in self._without_keys:
            self._in_order(key, step, effects)
        effects[step] = entry
        if self.table.get(key) is None:
            self.breaks(Promise.NEVER_HALF_DONE, key, f"{step} done, and it is not in the table")

    def _again(self, downstream: str, key: tuple[str, str], step: str) -> None:
        if downstream not in self._without_keys:
            self.breaks(Promise.ONE_EFFECT_PER_STEP, key, f"{step} was done a second time")
            return
        looked_up, first_at = self.looked_up, self._first_at[(*key, step)]
        if looked_up is None or looked_up > first_at:
            self.breaks(
                Promise.ONE_EFFECT_PER_STEP,
                key,
                f"{step} was done a second time, without keys, although a look would have told",
            )
        else:
            self.excused += 1

    def _in_order(self, key: tuple[str, str], step: str, done: Mapping[str, Entry]) -> None:
        ships = "ship" in done and "cancel_shipment" not in done and "recall_shipment" not in done
        held = "reserve" in done and "release" not in done
        if step == "ship" and not held:
            self.breaks(Promise.NEVER_HALF_DONE, key, "shipped, and its stock is not held")
        if step == "release" and ships:
            self.breaks(Promise.NEVER_HALF_DONE, key, "its stock was let go, and it ships")
        if step == "post" and "refund" in done:
            self.breaks(Promise.NEVER_HALF_DONE, key, "booked after its money had gone back")

    # What is answered

    def acknowledged(self, draft: Draft, status: int) -> None:
        """A customer was told that this order is accepted."""
        item = self.table.get((draft.key.customer_id, draft.key.order_id))
        if item is not None and item["content"]["B"] == draft.compressed:
            return
        if status == 202 and self._waits(draft):
            return
        self.breaks(
            Promise.ACKNOWLEDGED_IS_DURABLE,
            (draft.key.customer_id, draft.key.order_id),
            f"answered {status}, and it lies nowhere",
        )

    def _waits(self, draft: Draft) -> bool:
        queues = [self.overflow, self.overflow.dead_letters]
        return any(
            draft.compressed_text in message.body and draft.key.order_id in message.body
            for queue in queues
            if queue is not None
            for message in queue.messages.values()
        )

    def left_overflow(self, message: Message) -> None:
        """A message was deleted from the overflow queue: its order must be somewhere."""
        try:
            named = msgspec.json.decode(message.body)
            key = (named["customer_id"], named["order_id"])
            content = named["order"]
        except (msgspec.DecodeError, KeyError, TypeError):
            return
        item = self.table.get(key)
        if item is not None and _text(item["content"]["B"]) == content:
            return
        dead_letters = self.overflow.dead_letters
        if dead_letters is not None and any(
            dead_letter.body == message.body for dead_letter in dead_letters.messages.values()
        ):
            return
        self.breaks(
            Promise.ACKNOWLEDGED_IS_DURABLE, key, "left the overflow queue and lies nowhere"
        )

    def answered_stranger(self, key: OrderKey, asked: str, status: int) -> None:
        if status == 200 or status == 202:
            self.breaks(
                Promise.OWN_ORDERS_ONLY,
                (key.customer_id, key.order_id),
                f"another customer's {asked} was answered {status}",
            )

    def lost(self, key: tuple[str, str], step: str) -> None:
        """A command was nowhere any more when the watchdog looked: it is mended then, and must not
        have happened."""
        if not self.purged:
            self.breaks(NO_COMMAND_LOST, key, f"the command to {step} was lost on the way")

    # What is logged and announced

    def logged(self, line: str) -> None:
        entry = _lines.decode(line)
        self.outcomes[f"{entry.step} {entry.outcome}"] += 1
        if entry.outcome == "bug":
            self.breaks(NO_BUGS, None, f"{entry.step}: {entry.error}")

    def raised(self, function: str, error: str) -> None:
        """A function ended with an error: only a relay's, that brings its batch again, may."""
        if error.startswith("raised") and "TransientFailure" not in error:
            self.breaks(NO_BUGS, None, f"{function} {error}")

    def contradicted(self, event_id: str) -> None:
        self.breaks(ANNOUNCED, None, f"the event {event_id} was announced with two contents")

    def effects(self, key: OrderKey) -> Mapping[str, Entry]:
        return self._effects.get((key.customer_id, key.order_id), {})


def _text(content: Any) -> str:
    return b64encode(content).decode()
