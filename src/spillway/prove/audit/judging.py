"""The judgement: pure functions from what was read to what is broken.

Two views of each order are compared: what our own table says was done (its facts) and what the
three downstreams say they did (their effects). Bookkeeping on what is held, what ships and where
the money is turns each view into a state of the world. A final order is whole when both views give
the same one of the states that a customer can accept.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from orders.domain.order import OrderKey
from orders.domain.promises import Promise
from orders.domain.saga import Downstream, Facts
from orders.domain.units import CustomerId, OrderId
from spillway.prove.audit.verdicts import Violation
from spillway.run.load.records import Acknowledgement, Answer, Outage, Probe
from spillway.target.records import Depth, Effect, Record
from spillway.ui.formatting import rfc3339

#: The states that are whole: all of it is done, all of it is undone, or it was done and came back.
World = Literal["fulfilled", "undone", "returned"]

# The steps without which there is no order: a refusal of one of them rejects it.
_NEEDED = frozenset({"reserve", "ship", "post"})

# What must go on at the other two while one downstream is out. Inventory is not among them:
# nothing else may begin for an order whose stock is not held.
UNDISTURBED: Mapping[Downstream, tuple[str, ...]] = {
    "fulfilment": ("reserve", "post"),
    "accounting": ("reserve", "ship"),
}

_SHIPPED: frozenset[World | None] = frozenset({"fulfilled", "returned"})
_FINAL = frozenset({"confirmed", "rejected", "cancelled"})
_WATCHDOG = "watchdog"


#: A promise that is broken for an order, and how.
Finding = tuple[Promise, str]


@dataclass(frozen=True, slots=True)
class Case:
    """All the evidence on one order. `acknowledgement`: None where the customer's answers are not
    known."""

    key: OrderKey
    record: Record | None
    effects: tuple[Effect, ...]
    acknowledgement: Acknowledgement | None = None

    @property
    def stored(self) -> bool:
        return self.record is not None and self.record.stored

    @property
    def facts(self) -> Facts:
        return Facts() if self.record is None else self.record.facts

    @property
    def status_read(self) -> str | None:
        return None if self.acknowledgement is None else self.acknowledgement.status

    def facts_of(self, *, done: bool) -> frozenset[str]:
        """The steps that are on record as done, or as refused."""
        outcomes = self.facts.outcomes.items()
        return frozenset(step.value for step, outcome in outcomes if outcome.done is done)

    def effects_of(self, *, done: bool) -> frozenset[str]:
        """The steps that the downstreams did, or refused."""
        return frozenset(effect.step for effect in self.effects if effect.done is done)


def judge(
    orders: Iterable[Record],
    effects: Iterable[Effect],
    acknowledgements: Iterable[Acknowledgement],
) -> list[Violation]:
    """Compare the orders table with the downstreams and with the customers' answers.

    Judges acknowledged_is_durable, one_order_per_id, one_effect_per_step, always_settles and
    never_half_done, for a service that has come to rest: an order still under way counts as one
    that did not settle. Without acknowledgements, customers' answers are not judged.
    """
    acknowledged = {each.key: each for each in acknowledgements}
    ids_sent = {key.order_id for key in acknowledged}
    cases = _cases(orders, effects, acknowledged)
    return [violation for case in cases for violation in judge_order(case, ids_sent)]


def judge_order(case: Case, ids_sent: Collection[str] = ()) -> list[Violation]:
    """`judge` for one order. `ids_sent`: the order ids that customers sent."""
    findings = chain(
        _by_the_answers(case),
        _one_effect(case),
        _settled(case),
        _whole(case),
        _under_another_customer(case, ids_sent),
    )
    return [Violation(promise, case.key, detail) for promise, detail in findings]


def judge_access(probes: Iterable[Probe]) -> list[Violation]:
    """own_orders_only: another customer gets 404 for an order, its owner gets the order.

    The owner's answer is the control: where no customer gets an order, a 404 proves nothing.
    """
    violations = []
    for probe in probes:
        who, expected = ("its own", 200) if probe.by_owner else ("another", 404)
        if probe.status != expected:
            detail = f"{who} customer's {probe.asked} was answered {probe.status}, not {expected}"
            violations.append(Violation(Promise.OWN_ORDERS_ONLY, probe.key, detail))
    return violations


def judge_history(
    listed: Mapping[str, Collection[str]], owner_of: Mapping[str, str]
) -> list[Violation]:
    """own_orders_only: no customer's history names another customer's order.

    `listed`: customer id to the order ids in their history; `owner_of`: order id to customer id.
    """
    return [
        Violation(
            Promise.OWN_ORDERS_ONLY,
            OrderKey(CustomerId(owner_of[order_id]), OrderId(order_id)),
            f"is in the history of customer {customer_id}",
        )
        for customer_id, order_ids in listed.items()
        for order_id in order_ids
        if owner_of.get(order_id, customer_id) != customer_id
    ]


def outage_was_real(outage: Outage, effects: Iterable[Effect]) -> bool:
    """The downstream that was out did nothing meanwhile; otherwise the run proves nothing."""
    return outage.slow or not any(
        effect.downstream == outage.downstream and outage.began_at < effect.at < outage.ended_at
        for effect in effects
    )


def judge_isolation(outage: Outage, effects: Iterable[Effect]) -> list[Violation]:
    """failure_stays_local: while one downstream was out or slow, the other two answered as ever.

    Both others must have handled each order placed in the outage before its end; for an order
    without stock, inventory alone.
    """
    answered: defaultdict[OrderKey, set[str]] = defaultdict(set)
    without_stock = set()
    for effect in effects:
        if effect.at < outage.ended_at:
            answered[effect.key].add(effect.step)
        if effect.step == "reserve" and not effect.done:
            without_stock.add(effect.key)
    return [
        Violation(
            Promise.FAILURE_STAYS_LOCAL,
            key,
            f"{step} waited for {outage.downstream}, which was {outage.was}",
        )
        for key in outage.keys
        for step in UNDISTURBED[outage.downstream]
        if step not in answered[key] and not (key in without_stock and step != "reserve")
    ]


def judge_idleness(depths: Iterable[Depth], invocations: Mapping[str, int]) -> list[Violation]:
    """zero_idle: no queue holds anything and no function ran in a while without orders.

    A message in a dead-letter queue waits for a person and breaks always_settles. The watchdog's
    delayed and postponed messages are no work: each is the check that an unsettled order gets a
    quarter of an hour later, or its next check, and costs nothing until then.
    `invocations`: function name to how often it ran in that while.
    """
    violations = []
    for depth in depths:
        waiting = depth.visible if depth.queue == _WATCHDOG else depth.messages
        if waiting == 0:
            continue
        detail = (
            f"the queue {depth.queue} holds {depth.visible} messages,"
            f" {depth.in_flight} in flight, {depth.delayed} delayed"
        )
        promise = Promise.ALWAYS_SETTLES if depth.is_dead_letter else Promise.ZERO_IDLE
        violations.append(Violation(promise, None, detail))
    violations.extend(
        Violation(Promise.ZERO_IDLE, None, f"{function} ran {count} times with no order about")
        for function, count in invocations.items()
        if count
    )
    return violations


def _cases(
    orders: Iterable[Record],
    effects: Iterable[Effect],
    acknowledged: Mapping[OrderKey, Acknowledgement],
) -> Iterator[Case]:
    records = {record.key: record for record in orders}
    effects_of: defaultdict[OrderKey, list[Effect]] = defaultdict(list)
    for effect in effects:
        effects_of[effect.key].append(effect)
    for key in dict.fromkeys([*records, *effects_of, *acknowledged]):
        yield Case(key, records.get(key), tuple(effects_of.get(key, ())), acknowledged.get(key))


def _by_the_answers(case: Case) -> Iterator[Finding]:
    sent = case.acknowledgement
    if sent is None:
        return
    if sent.answers:
        yield from _durable(case, sent)
    yield from _one_order(case.record, sent.answers)
    if not sent.cancellation_sent and case.facts.cancellation is not None:
        yield Promise.OWN_ORDERS_ONLY, "cancelled, and not by its customer"


def _durable(case: Case, sent: Acknowledgement) -> Iterator[Finding]:
    if case.record is None or not case.record.stored:
        answers = ", ".join(str(answer.status) for answer in sent.answers)
        yield Promise.ACKNOWLEDGED_IS_DURABLE, f"answered {answers}, not in the table"
        return
    if case.record.order != sent.order:
        yield Promise.ACKNOWLEDGED_IS_DURABLE, "the table has another order than was sent"
    if sent.cancellation_taken and case.facts.cancellation is None:
        yield Promise.ACKNOWLEDGED_IS_DURABLE, "its cancellation was taken, not kept"


def _one_order(record: Record | None, answers: Iterable[Answer]) -> Iterator[Finding]:
    created = sum(answer.status == 201 for answer in answers)
    if created > 1:
        yield Promise.ONE_ORDER_PER_ID, f"{created} answers called it new"
    # A 202 has the time of its own copy: intake could not know whether another was taken before.
    certain = {answer.accepted_at for answer in answers if answer.status != 202}
    times = {at for at in certain if at is not None}
    if record is not None and record.accepted_at is not None and times:
        times.add(rfc3339(record.accepted_at))
    if len(times) > 1:
        yield Promise.ONE_ORDER_PER_ID, f"accepted at {len(times)} times: {sorted(times)}"


def _under_another_customer(case: Case, ids_sent: Collection[str]) -> Iterator[Finding]:
    """An id that one customer sent must not turn up as an order of another who did not send it."""
    if case.stored and case.acknowledgement is None and case.key.order_id in ids_sent:
        customer_id = case.key.customer_id
        yield Promise.ONE_ORDER_PER_ID, f"is an order of {customer_id}, who never sent it"


def not_preventable(effects: Iterable[Effect]) -> list[Effect]:
    """The second effects that no lookup prevents: two copies of a command had looked at the same
    moment, and both had seen nothing. Without idempotency keys, no more is promised (decision
    0008)."""
    first: set[tuple[OrderKey, str]] = set()
    found = []
    # Of two in one millisecond, the one that nobody had looked before counts as the second.
    for effect in sorted(effects, key=lambda each: (each.at, each.looked_up_at is None)):
        if effect.done and effect.looked_up_at is not None and (effect.key, effect.step) in first:
            found.append(effect)
        elif effect.done:
            first.add((effect.key, effect.step))
    return found


def _one_effect(case: Case) -> Iterator[Finding]:
    excused = not_preventable(case.effects)
    done = Counter(effect.step for effect in case.effects if effect.done)
    done.subtract(effect.step for effect in excused)
    for step, count in done.items():
        if count > 1:
            keys = {effect.idempotency_key for effect in case.effects if effect.step == step}
            yield Promise.ONE_EFFECT_PER_STEP, f"{step} done {count} times, under {sorted(keys)}"


def _settled(case: Case) -> Iterator[Finding]:
    if not case.stored:
        return
    done, refused = case.facts_of(done=True), case.facts_of(done=False)
    missing = _unanswered(case)
    if _awaits_approval(case.facts):
        yield Promise.ALWAYS_SETTLES, "waits for an approver"
    elif missing:
        yield Promise.ALWAYS_SETTLES, f"waits for {', '.join(missing)}"
    elif _world(done) is None:
        yield Promise.ALWAYS_SETTLES, f"rests at {_list(done)} done, {_list(refused)} refused"
    if case.status_read not in {None, *_FINAL}:
        yield Promise.ALWAYS_SETTLES, f"its customer still reads {case.status_read!r}"


def _whole(case: Case) -> Iterator[Finding]:
    on_record, done = case.facts_of(done=True), case.effects_of(done=True)
    if not case.stored:
        if case.effects or case.record is not None:
            detail = f"{_list(done)} done for an order that is not in the table"
            yield Promise.NEVER_HALF_DONE, detail
        return
    yield from _right_amounts(case)
    yield from _money_in_order(case)
    yield from _not_begun(case)
    world = _world(on_record)
    if world == "returned" and not _came_back(case):
        yield Promise.NEVER_HALF_DONE, "refunded, though it was confirmed and has not come back"
    if _unanswered(case) or _awaits_approval(case.facts) or world is None:
        return  # Not final: `_settled` has reported it, and no customer has read that it is whole.
    if _world(done) == world:
        yield from _status_read(case)
    else:
        detail = f"the table says {world} ({_list(on_record)} done), the downstreams did"
        yield Promise.NEVER_HALF_DONE, f"{detail} {_list(done)}"


def _right_amounts(case: Case) -> Iterator[Finding]:
    size = None if case.record is None else case.record.size
    if size is None:
        return
    money = (size.amount, size.currency)
    for effect in case.effects:
        if effect.done and effect.units not in (None, size.units):
            detail = f"{effect.step} of {effect.units} units, not {size.units}"
            yield Promise.NEVER_HALF_DONE, detail
        moved = (effect.amount, effect.currency)
        if effect.done and effect.amount is not None and moved != money:
            detail = "{} of {} {}, not {} {}".format(effect.step, *moved, *money)
            yield Promise.NEVER_HALF_DONE, detail


def _money_in_order(case: Case) -> Iterator[Finding]:
    posted = [effect.at for effect in case.effects if effect.step == "post" and effect.done]
    refunded = [effect.at for effect in case.effects if effect.step == "refund" and effect.done]
    if posted and refunded and max(posted) > min(refunded):
        yield Promise.NEVER_HALF_DONE, "booked after its money had gone back"


def _not_begun(case: Case) -> Iterator[Finding]:
    """Of an order that no approver has released, nothing is asked of anybody but its refund."""
    if not _held(case.facts):
        return
    allowed = set() if _awaits_approval(case.facts) else {"refund"}
    for step in sorted({effect.step for effect in case.effects} - allowed):
        yield Promise.NEVER_HALF_DONE, f"{step} is at its downstream, and nobody released it"


def _status_read(case: Case) -> Iterator[Finding]:
    if _world(case.effects_of(done=True)) in _SHIPPED:
        fitting = "confirmed"
    else:
        approval = case.facts.approval
        declined = approval is not None and approval.verdict != "released"
        refused = declined or case.effects_of(done=False) & _NEEDED
        fitting = "rejected" if refused else "cancelled"
    if fitting == "cancelled" and case.facts.cancellation is None:
        yield Promise.NEVER_HALF_DONE, "undone, though it was neither refused nor cancelled"
    read = case.status_read
    if read in _FINAL and read != fitting:
        yield Promise.NEVER_HALF_DONE, f"its customer reads {read!r}, but it is {fitting}"


def _world(done: Collection[str]) -> World | None:
    """What has been done amounts to, or None for something in between."""
    held = "reserve" in done and "release" not in done
    ships = "ship" in done and "cancel_shipment" not in done and "recall_shipment" not in done
    refunded = "refund" in done
    if held and ships and "post" in done:
        return "returned" if refunded else "fulfilled"
    if not held and not ships and refunded:
        return "undone"
    return None


def _unanswered(case: Case) -> list[str]:
    """The steps that an order is certain to wait for.

    Which undoing follows is left to `_world`: an order that lacks it is in neither of its states.
    """
    done, cancellation = case.facts_of(done=True), case.facts.cancellation
    known = done | case.facts_of(done=False)
    if _held(case.facts):
        return []  # Nothing was begun.
    if "reserve" not in known:
        return ["reserve"]
    cancelled_first = cancellation is not None and cancellation.before_reservation
    waiting = [step for step in ("ship", "post") if step not in known]
    if "reserve" in done and not cancelled_first and waiting:
        return waiting
    if cancellation is not None and _world(done) in _SHIPPED and "cancel_shipment" not in known:
        return ["cancel_shipment"]
    return ["refund"] if _world(done) == "fulfilled" and _came_back(case) else []


def _came_back(case: Case) -> bool:
    """All of the order was returned, in one piece or parcel by parcel."""
    news = case.facts.news
    back = {parcel for what, parcel in news if what == "returned"}
    counts = [one.parcels for one in news.values() if one.parcels is not None]
    return "" in back or any(len(back) >= parcels for parcels in counts)


def _held(facts: Facts) -> bool:
    """It was held for an approver, who has not released it."""
    released = facts.approval is not None and facts.approval.verdict == "released"
    return facts.held_until is not None and not released


def _awaits_approval(facts: Facts) -> bool:
    return _held(facts) and facts.approval is None and facts.cancellation is None


def _list(steps: Collection[str]) -> str:
    return ", ".join(sorted(steps)) or "nothing"
