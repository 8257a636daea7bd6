"""Checks at every change what must never be.

The audit judges a service that is idle. This checker sees the moment in which a promise breaks,
even if the damage is repaired later. It knows the downstreams, the table and the answers, and
nothing of how the service decides.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import msgspec

from orders.aws import archive_file, items
from orders.aws.archive_file import Items, LineInvalid
from orders.domain import saga
from orders.domain.keeping import DAY_MS, KEPT_DAYS_MIN, last_changed
from orders.domain.order import Order, OrderKey, order_id_time
from orders.domain.promises import Promise
from orders.domain.refusals import PRICE_RULES, Rule
from orders.domain.units import OrderId
from simulation import store
from simulation.catalogue import BOOKS, Draft
from simulation.downstreams.ledger import Entry
from simulation.world.approvals import ApprovalChecker, hold
from simulation.world.bucket import Bucket
from simulation.world.dynamodb import Item, Key, Table
from simulation.world.express import CANCELLATION, ExpressChecker
from simulation.world.functions import SKEW_MAX_MS
from simulation.world.parcels import status_broken, untracked
from simulation.world.sqs import Message, Queue

PROGRESS = "#progress"
#: What must not be either, although none of the promises names it.
NO_BUGS = "no_bugs"
ANNOUNCED = "announced"
NO_COMMAND_LOST = "no_command_lost"
#: How long an order still costs what things cost when its id was made.
GRACE_MS = 60 * 60 * 1000

#: Attributes of a progress item that are no facts.
_KEPT = frozenset(
    {
        *("pk", "sk", items.COUPONS_RETURNED, items.REOPENED, items.EXPRESS),
        *(items.HELD_UNTIL, items.APPROVAL, items.NEWS, items.PARCELS),
    }
)
#: Rules that say nothing of prices: a coupon was used before, or by others.
_LIMITS = frozenset({Rule.COUPON_USED, Rule.COUPON_USED_UP})


@dataclass(frozen=True, slots=True)
class Broken:
    """A promise that was broken at `at` (virtual ms), for an order or for none."""

    promise: str
    order: str
    detail: str
    at: int

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.promise, self.order, self.detail)))


class _Line(msgspec.Struct):
    step: str
    outcome: str
    error: str = ""
    detail: str = ""


_lines = msgspec.json.Decoder(_Line)


@dataclass(eq=False)
class InvariantChecker:
    """`without_keys` are the downstreams without idempotency keys. A second effect there counts
    only if a lookup before it would have found the first (decision 0008)."""

    now: Callable[[], int]
    name_of: Callable[[str, str], str]
    without_keys: Collection[str]
    table: Table = field(init=False)
    overflow: Queue = field(init=False)
    bucket: Bucket = field(init=False)
    archive: Bucket = field(init=False)
    express: ExpressChecker = field(init=False)
    approvals: ApprovalChecker = field(init=False)
    #: The published price books by version, and when each begins.
    books: dict[str, int] = field(default_factory=lambda: {**BOOKS})
    broken: list[Broken] = field(default_factory=list)
    on_broken: Callable[[Broken], None] = lambda _: None
    #: Whether a queue's count was wrong before, as counts may be for a while.
    counts_lag: Callable[[], bool] = lambda: False
    outcomes: Counter[str] = field(default_factory=Counter)
    states: set[str] = field(default_factory=set)
    excused: int = 0
    #: For the request that the fake answers now: when it was looked up before, if it was.
    looked_up: int | None = None
    #: A queue was emptied: the service is then not to blame for lost commands.
    purged: bool = False
    #: Whose order each payment has paid.
    _payments: dict[str, tuple[str, str]] = field(default_factory=dict)
    _holders: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    #: Payments that have gone back.
    _refunded: set[str] = field(default_factory=set)
    _effects: dict[tuple[str, str], dict[str, Entry]] = field(default_factory=dict)
    _first_at: dict[tuple[str, str, str], int] = field(default_factory=dict)
    _moment: int = 0

    def __post_init__(self) -> None:
        self.approvals = ApprovalChecker(self.now, self.breaks)

    def has_order(self, key: tuple[str, str]) -> bool:
        return self._content(key) is not None

    def is_void(self, key: tuple[str, str]) -> bool:
        item = self.table.get(key)
        return item is not None and items.is_void(item)

    def _content(self, key: tuple[str, str]) -> bytes | None:
        """The order's content as it is in the table, or in the archive."""
        item = self.table.get(key)
        if item is not None and items.is_stub(item):
            item, _ = self.archived(item) or (None, None)
        return None if item is None or items.is_void(item) else bytes(item["content"]["B"])

    def archived(self, stub: Item) -> Items | None:
        """The items that a stub stands for; None where its line is not there."""
        location = items.location_of(stub)
        content = self.archive.objects.get(archive_file.object_key(location), b"")
        line = content[location.begins : location.begins + location.length]
        try:
            return archive_file.items_at(stub, line)
        except LineInvalid:
            return None

    def moment(self) -> int:
        """A number that grows with every event, and so tells their order within one ms too."""
        self._moment += 1
        return self._moment

    def breaks(self, promise: str, key: tuple[str, str] | None, detail: str) -> None:
        name = "" if key is None else self.name_of(*key)
        broken = Broken(promise, name, detail, self.now())
        self.broken.append(broken)
        self.on_broken(broken)

    # What changes in the table

    def changed(self, key: Key, before: Item | None, after: Item | None) -> None:
        customer_id, sort_key = key
        order_id, is_progress, _ = sort_key.partition(PROGRESS)
        order = (customer_id, order_id)
        if is_progress and after is not None:
            self._progressed(order, before or {}, after)
        elif is_progress and before is not None:
            self._progress_deleted(order, before)
        elif before is None and after is not None and not items.is_void(after):
            self._placed(order, after)
        elif before is not None and after is not None:
            self._replaced(order, before, after)
        elif after is None:
            self.breaks(Promise.ACKNOWLEDGED_IS_DURABLE, order, "was deleted")

    def _replaced(self, key: tuple[str, str], before: Item, after: Item) -> None:
        """Nothing replaces an order but its stub, and a stub but its order; an erasure writes over
        its texts."""
        if items.is_stub(after) and not items.is_stub(before):
            self._stub_put(key, before, after)
        elif items.is_stub(before) and not items.is_stub(after):
            order, _ = self.archived(before) or (None, None)
            if after != order:
                self._lost(key, "came back from the archive as another")
        elif items.ERASED_AT not in after:
            self.breaks(Promise.ONE_ORDER_PER_ID, key, "the order was overwritten")

    def _stub_put(self, key: tuple[str, str], order: Item, stub: Item) -> None:
        progress = self.table.get((key[0], key[1] + PROGRESS)) or {}
        facts = items.facts(progress)
        age_ms = self.now() + SKEW_MAX_MS - last_changed(facts) if facts.outcomes else 0
        if saga.owed(facts) or not saga.settled(facts) or age_ms < KEPT_DAYS_MIN * DAY_MS:
            self._lost(key, "left the table before it had settled for long")
        line = self.archived(stub)
        kept = archive_file.without_notes(order), archive_file.without_notes(progress)
        if line is None or line != kept:
            self._lost(key, "left the table, and its line is not what it was")

    def _progress_deleted(self, key: tuple[str, str], progress: Item) -> None:
        stub = self.table.get(key) or {}
        line = self.archived(stub) if items.is_stub(stub) else None
        if line is None or line[1] != archive_file.without_notes(progress):
            self._half_done(key, "its facts were deleted, and are not in the archive")

    def archive_changed(self, object_key: str) -> None:
        """An object was stored: each line that a stub names is still there."""
        for item in self.table.items():
            if not items.is_stub(item):
                continue
            is_in_it = archive_file.object_key(items.location_of(item)) == object_key
            if is_in_it and self.archived(item) is None:
                self._lost((item["pk"]["S"], item["sk"]["S"]), "its line was overwritten")

    def _lost(self, key: tuple[str, str], detail: str) -> None:
        self.breaks(Promise.ACKNOWLEDGED_IS_DURABLE, key, detail)

    def _placed(self, key: tuple[str, str], item: Item) -> None:
        """It costs what the book in force says, or one before it while a book cannot be read."""
        order = items.decompressed(item["content"]["B"])
        made_at, accepted_at = order_id_time(OrderId(key[1])), int(item["accepted_at"]["N"])
        right = self._in_force(made_at, accepted_at)
        version = item["book"]["S"] if "book" in item else None
        known = [*self.books]
        fine = known[: known.index(right) + 1] if self.bucket.troubled else [right]
        if version not in fine:
            self._wrongly_priced(key, f"was priced by {version}, not by {right}")
        else:
            for wrong in store.wrong_prices(order, version):
                self._wrongly_priced(key, wrong)
        self._is_paid(key, order)
        self.approvals.placed(key, item)
        if items.CLAIMS in item:
            self._holds_a_coupon(key, order)

    def _is_paid(self, key: tuple[str, str], order: Order) -> None:
        """By a payment of its own, which has not gone back: no other order was paid with it."""
        if order.payment is None:
            return
        if order.payment.reference in self._refunded:
            self._wrongly_priced(key, "was accepted after its payment had gone back")
        paid = self._payments.setdefault(order.payment.reference, key)
        if paid != key:
            self._wrongly_priced(key, f"has the payment of {self.name_of(*paid)}")

    def _holds_a_coupon(self, key: tuple[str, str], order: Order) -> None:
        """Of the orders that stand no more have a coupon than may."""
        [coupon] = (discount.coupon for discount in order.discounts)
        holders = self._holders.setdefault(coupon, [])
        holders.append(key)
        standing = [each for each in holders if not self._is_undone(each)]
        number = f"is number {len(standing)} with {coupon}"
        if coupon == store.FIRST_TWO.code and len(standing) > (store.FIRST_TWO.limit or 0):
            self.breaks(Promise.COUPON_WITHIN_LIMITS, key, number)
        if coupon in store.CODES and len(standing) > 1:
            self.breaks(Promise.COUPON_WITHIN_LIMITS, key, number)
        if coupon == store.ONCE.code and len({each[0] for each in standing}) < len(standing):
            detail = f"is its customer's second with {coupon}"
            self.breaks(Promise.COUPON_WITHIN_LIMITS, key, detail)

    def _is_undone(self, key: tuple[str, str]) -> bool:
        customer_id, order_id = key
        return saga.undoing(items.facts(self.table.get((customer_id, order_id + PROGRESS))))

    def gave_back(self, reference: str, metadata: Mapping[str, str]) -> None:
        """The gateway has given a payment back of its own accord, as `payments` asked it to."""
        key = (metadata["customer_id"], metadata["order_id"])
        self._refunded.add(reference)
        counted = not self.counts_lag() and not self.has_order(key)
        if counted and reference in self._paid_in_overflow(key):
            self._unpaid(key, "its payment went back, and it waits in the overflow queue")
        if self.payment_of(key) == reference and not self._is_undone(key):
            self._unpaid(key, "its payment went back, and its order stands")

    def _paid_in_overflow(self, key: tuple[str, str]) -> Iterator[str]:
        """The payments of what waits under this key in the overflow queue or as a dead letter."""
        for body in chain(_bodies(self.overflow), _bodies(self.overflow.dead_letters)):
            if f'"{key[1]}"' not in body:
                continue
            named = msgspec.json.decode(body)
            payment = items.decompressed(b64decode(named["order"])).payment
            if named["customer_id"] == key[0] and payment is not None:
                yield payment.reference

    def payment_of(self, key: tuple[str, str]) -> str | None:
        """The payment that the order names; None where there is no order, or nothing to pay."""
        content = self._content(key)
        payment = None if content is None else items.decompressed(content).payment
        return None if payment is None else payment.reference

    def judge_payments(self, payments: Collection[tuple[str, Mapping[str, str], int, int]]) -> None:
        """When all is over, each payment is ordered or has gone back. They are given by reference,
        with their metadata, amount and what has gone back."""
        keys = {each[0]: (each[1]["customer_id"], each[1]["order_id"]) for each in payments}
        # What is a dead letter could be any of them, until a person has seen it; and where none
        # has its order, something is wrong with the payments' names.
        held = any(_bodies(self.overflow.dead_letters)) or not any(
            map(self.has_order, keys.values())
        )
        for reference, _, amount, back in payments:
            key = keys[reference]
            if self.payment_of(key) == reference:
                if back and not self._is_undone(key):
                    self._unpaid(key, f"{reference} went back, and its order stands")
            elif back != amount and not held:
                self._unpaid(key, f"{reference} bought nothing, and {back} of {amount} went back")

    def _unpaid(self, key: tuple[str, str], detail: str) -> None:
        self.breaks(Promise.PAID_IS_ORDERED_OR_REFUNDED, key, detail)

    def refunded(self, draft: Draft) -> None:
        """The gateway has given a payment back, at the service's proof that its id is void."""
        key = (draft.key.customer_id, draft.key.order_id)
        if draft.order.payment is not None:
            self._refunded.add(draft.order.payment.reference)
        if self.has_order(key):
            self._wrongly_priced(key, "its payment went back, and it stays")

    def refused(self, draft: Draft, rules: Collection[str]) -> None:
        """A customer's order was refused. If it was for its price, it is not the store's."""
        limits = {*_LIMITS}
        if draft.order.discounts[0].coupon in store.CODES:
            # Somebody else has used it.
            limits.add(Rule.COUPON_UNKNOWN)
        if (PRICE_RULES - limits).isdisjoint(rules):
            return
        key = (draft.key.customer_id, draft.key.order_id)
        made_at, now = order_id_time(draft.key.order_id), self.now()
        clocks = (now - SKEW_MAX_MS, now + SKEW_MAX_MS)
        versions = {self._in_force(made_at, clock) for clock in clocks}
        if not any(wrong for each in versions for wrong in store.wrong_prices(draft.order, each)):
            self._wrongly_priced(key, f"was refused for its price, which is that of {versions}")

    def _in_force(self, made_at: int, now: int) -> str:
        at = min(max(made_at, now - GRACE_MS), now)
        return [version for version, begins in self.books.items() if begins <= at][-1]

    def _wrongly_priced(self, key: tuple[str, str], detail: str) -> None:
        self.breaks(Promise.PRICED_BY_THE_STORE, key, detail)

    def _progressed(self, key: tuple[str, str], before: Item, after: Item) -> None:
        for name in before.keys() - {items.NEWS}:
            if after.get(name) != before[name] and not self._is_erased(key, name, before, after):
                self._half_done(key, f"the fact {name} on record was overwritten")
        if not self.has_order(key):
            self._half_done(key, "has facts and is not in the table")
        elif items.is_stub(self.table.get(key) or {}):
            self._half_done(key, "has facts beside its stub")
        facts = {
            name: _fact(name, value)
            for name, value in after.items()
            if name not in _KEPT and "#" not in name
        }
        effects = self._effects.get(key, {})
        for name, fact in facts.items():
            if name != CANCELLATION and name not in before and fact not in effects:
                what = "done" if fact == name else "refused"
                self._half_done(
                    key, f"{name} is on record as {what}, and its downstream knows nothing of it"
                )
        words = [*facts.values(), *hold(after)]
        if items.NEWS in after:
            words += ["returned"] if saga.returned(items.facts({**after})) else []
            broken = status_broken(before, after)
            if broken is not None:
                self.breaks(broken[0], key, broken[1])
        self.states.add(", ".join(sorted(words)))
        self.express.progressed(key, before, after)
        self.approvals.progressed(key, before, after)

    def _is_erased(self, key: tuple[str, str], name: str, before: Item, after: Item) -> bool:
        """An erasure has taken a person out of this fact, and nothing else."""
        if name not in after:
            return False
        if name == items.APPROVAL:
            return self.approvals.is_erased(key, before[name], after[name])
        return "#" in name and after[name] == untracked(before[name])

    def _half_done(self, key: tuple[str, str], detail: str) -> None:
        self.breaks(Promise.NEVER_HALF_DONE, key, detail)

    # What changes at the downstreams

    def had_effect(self, downstream: str, entry: Entry) -> None:
        """A downstream's ledger has a new entry."""
        key = (entry.customer_id, entry.order_id)
        effects = self._effects.setdefault(key, {})
        step = entry.step
        self.approvals.had_effect(key, step)
        if not entry.done:
            effects.setdefault(f"{step} refused", entry)
            return
        moment = self.moment()
        if step in effects:
            self._again(downstream, key, step)
            return
        self._first_at[(*key, step)] = moment
        if downstream not in self.without_keys:
            self._in_order(key, step, effects)
        effects[step] = entry
        if not self.has_order(key):
            self._half_done(key, f"{step} done, and it is not in the table")

    def _again(self, downstream: str, key: tuple[str, str], step: str) -> None:
        detail = f"{step} was done a second time"
        if downstream in self.without_keys:
            looked_up = self.looked_up
            if looked_up is not None and looked_up <= self._first_at[(*key, step)]:
                self.excused += 1
                return
            detail += ", without keys, although a lookup would have found the first"
        self.breaks(Promise.ONE_EFFECT_PER_STEP, key, detail)

    def _in_order(self, key: tuple[str, str], step: str, done: Mapping[str, Entry]) -> None:
        ships = "ship" in done and "cancel_shipment" not in done and "recall_shipment" not in done
        held = "reserve" in done and "release" not in done
        if step == "ship" and not held:
            self._half_done(key, "shipped, and its stock is not held")
        if step == "release" and ships:
            self._half_done(key, "its stock was let go, and it ships")
        if step == "post" and "refund" in done:
            self._half_done(key, "booked after its money had gone back")

    # What is answered

    def acknowledged(self, draft: Draft, status: int) -> None:
        """A customer's order was answered as accepted."""
        key = (draft.key.customer_id, draft.key.order_id)
        # A read at half the price may be a moment old, and find an order as it was before its
        # customer was erased: it is stored then, without the person.
        stored = self._content(key)
        is_stored = stored == draft.compressed or (
            stored is not None and _is_erased(stored, items.decompressed(draft.compressed))
        )
        # Who has an order that overflowed refunded makes its id void before it is placed.
        if not is_stored and not (status == 202 and (self._waits(draft) or self.is_void(key))):
            self.breaks(
                Promise.ACKNOWLEDGED_IS_DURABLE, key, f"answered {status}, and it is stored nowhere"
            )

    def _waits(self, draft: Draft) -> bool:
        return any(
            draft.compressed_text in body and draft.key.order_id in body
            for body in chain(_bodies(self.overflow), _bodies(self.overflow.dead_letters))
        )

    def left_overflow(self, message: Message) -> None:
        """A message was deleted from the overflow queue: its order must be elsewhere."""
        try:
            named = msgspec.json.decode(message.body)
            key = (named["customer_id"], named["order_id"])
            content = named["order"]
        except (msgspec.DecodeError, KeyError, TypeError):
            return
        stored = self._content(key)
        is_stored = stored is not None and b64encode(stored).decode() == content
        accounted_for = is_stored or self.is_void(key)
        if not accounted_for and message.body not in _bodies(self.overflow.dead_letters):
            detail = "left the overflow queue and is stored nowhere"
            self.breaks(Promise.ACKNOWLEDGED_IS_DURABLE, key, detail)

    def answered_stranger(self, key: OrderKey, asked: str, status: int) -> None:
        if status in (200, 202):
            detail = f"another customer's {asked} was answered {status}"
            self.breaks(Promise.OWN_ORDERS_ONLY, (key.customer_id, key.order_id), detail)

    def lost(self, key: tuple[str, str], step: str) -> None:
        """A command was nowhere any more when the watchdog looked. The watchdog repairs it, but it
        must not have happened."""
        if not self.purged:
            self.breaks(NO_COMMAND_LOST, key, f"the command to {step} was lost on the way")

    # What is logged and announced

    def logged(self, line: str) -> None:
        entry = _lines.decode(line)
        self.outcomes[f"{entry.step} {entry.outcome}"] += 1
        if entry.outcome == "bug":
            self.breaks(NO_BUGS, None, f"{entry.step}: {entry.error}")

    def raised(self, function: str, error: str) -> None:
        """A function ended with an error. Only relay may, when its batch must come again."""
        if error.startswith("raised") and "TransientFailure" not in error:
            self.breaks(NO_BUGS, None, f"{function} {error}")

    def contradicted(self, event_id: str) -> None:
        self.breaks(ANNOUNCED, None, f"the event {event_id} was announced with two contents")

    def has_effect(self, key: tuple[str, str], step: str) -> bool:
        return step in self._effects.get(key, {})

    def effects(self, key: OrderKey) -> Mapping[str, Entry]:
        return self._effects.get((key.customer_id, key.order_id), {})


def _fact(name: str, attribute: Any) -> str:
    """A fact in words: a step by its name, or with "refused" after it."""
    if name == CANCELLATION:
        return f"cancelled {'before' if attribute['M']['before_reservation']['BOOL'] else 'after'}"
    return f"{name} refused" if "reason" in attribute["M"] else name


def _bodies(queue: Queue | None) -> list[str]:
    return [] if queue is None else [message.body for message in queue.messages.values()]


def _is_erased(content: bytes, order: Order) -> bool:
    """Whether this is what an erasure leaves of the order: all but the person and the receipt."""
    left = items.decompressed(content)
    if left.address == order.address:
        return False
    return _without_receipt(left) == _without_receipt(replace(order, address=left.address))


def _without_receipt(order: Order) -> Order:
    return replace(order, payment=order.payment and replace(order.payment, receipt=""))
