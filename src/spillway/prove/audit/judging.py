"""The judgement: pure functions from what was read to what is broken.

Two views of each order are held against each other: what our own table says was done (its facts)
and what the three downstreams say they did (their effects). Each view by itself amounts to a state
of the world, by plain bookkeeping on what is held, what ships and where the money is. A final order
is whole when both views amount to the same one of the two states that a customer can live with.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from orders.domain.order import OrderKey
from orders.domain.promises import Promise
from orders.domain.saga import Cancellation, Downstream, Facts
from spillway.prove.audit.verdicts import Violation
from spillway.run.load.records import Acknowledgement, Outage, Probe
from spillway.target.records import Depth, Effect, Record

#: The two states that are whole: all of it happened, or none of it stands.
World = Literal["fulfilled", "undone"]

# The steps without which there is no order: a refusal of one of them rejects it.
_NEEDED = ("reserve", "ship", "post")

# What must go on at the other two while one downstream is out. Inventory is not among them:
# nothing else may begin for an order whose stock is not held.
_UNDISTURBED: Mapping[Downstream, tuple[str, ...]] = {
    "fulfilment": ("reserve", "post"),
    "accounting": ("reserve", "ship"),
}

_WATCHDOG = "watchdog"


@dataclass(frozen=True, slots=True)
class _Case:
    """All the evidence on one order."""

    key: OrderKey
    record: Record | None
    effects: tuple[Effect, ...]
    acknowledgement: Acknowledgement | None

    @property
    def stored(self) -> bool:
        return self.record is not None and self.record.stored

    @property
    def facts(self) -> Facts:
        return Facts() if self.record is None else self.record.facts

    def steps(self, *, done: bool) -> frozenset[str]:
        return frozenset(effect.step for effect in self.effects if effect.done is done)


def judge(
    orders: Iterable[Record],
    effects: Iterable[Effect],
    acknowledgements: Iterable[Acknowledgement],
) -> list[Violation]:
    """Hold the orders table against the downstreams and against what customers were told.

    Judges acknowledged_is_durable, one_order_per_id, one_effect_per_step, always_settles and
    never_half_done, for a service that has come to rest: an order still under way counts as one
    that did not settle. Without acknowledgements, what customers were told is not judged.
    """
    acknowledged = {told.key: told for told in acknowledgements}
    ids_sent = {key.order_id for key in acknowledged}
    violations: list[Violation] = []
    for case in _cases(orders, effects, acknowledged):
        violations.extend(_durable(case))
        violations.extend(_one_order(case))
        violations.extend(_by_the_tables(case))
        violations.extend(_under_another_customer(case, ids_sent))
        violations.extend(_not_asked_for(case))
    return violations


def judge_order(key: OrderKey, record: Record | None, effects: Iterable[Effect]) -> list[Violation]:
    """Hold one order against the downstreams, as `judge` does where nothing is acknowledged."""
    return list(_by_the_tables(_Case(key, record, tuple(effects), None)))


def judge_access(probes: Iterable[Probe]) -> list[Violation]:
    """own_orders_only: a stranger is told that there is no such order, its owner gets it.

    The owner's answer is the control: where nobody gets an order, a stranger's 404 proves nothing.
    """
    violations = []
    for probe in probes:
        if probe.by_owner and probe.status != 200:
            detail = f"its own customer's {probe.asked} was answered {probe.status}"
        elif not probe.by_owner and probe.status != 404:
            detail = f"another customer's {probe.asked} was answered {probe.status}, not 404"
        else:
            continue
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
            OrderKey(owner_of[order_id], order_id),
            f"stands in the history of customer {customer_id}",
        )
        for customer_id, order_ids in listed.items()
        for order_id in order_ids
        if owner_of.get(order_id, customer_id) != customer_id
    ]


def outage_was_real(outage: Outage, effects: Iterable[Effect]) -> bool:
    """The downstream that was out did nothing meanwhile, or there is nothing to be learnt."""
    return not any(
        effect.downstream == outage.downstream and outage.began_at < effect.at < outage.ended_at
        for effect in effects
    )


def judge_isolation(outage: Outage, effects: Iterable[Effect]) -> list[Violation]:
    """failure_stays_local: while one downstream was out, the other two answered as ever.

    Each order placed in the outage must have been dealt with by both others before its end; an
    order without stock has nothing to be dealt with further.
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
            f"{step} waited for {outage.downstream}, which was out",
        )
        for key in outage.keys
        for step in _UNDISTURBED[outage.downstream]
        if step not in answered[key] and not (key in without_stock and step != "reserve")
    ]


def judge_idleness(depths: Iterable[Depth], invocations: Mapping[str, int]) -> list[Violation]:
    """zero_idle: no queue holds anything and no function ran in a while without orders.

    A message in a dead-letter queue waits for a person: always_settles is broken by it. What the
    watchdog's queue delays or holds back is none to be worked on: it is the look that every order
    gets a quarter of an hour later, or the next one at an order that was late, and costs nothing
    until then.
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
) -> Iterator[_Case]:
    records = {record.key: record for record in orders}
    effects_of: defaultdict[OrderKey, list[Effect]] = defaultdict(list)
    for effect in effects:
        effects_of[effect.key].append(effect)
    for key in dict.fromkeys([*records, *effects_of, *acknowledged]):
        yield _Case(key, records.get(key), tuple(effects_of.get(key, ())), acknowledged.get(key))


def _by_the_tables(case: _Case) -> Iterator[Violation]:
    yield from _one_effect(case)
    yield from _settled(case)
    yield from _whole(case)


def _durable(case: _Case) -> Iterator[Violation]:
    told = case.acknowledgement
    if told is None or not told.answers:
        return
    if case.record is None or not case.record.stored:
        answers = ", ".join(str(answer.status) for answer in told.answers)
        yield _broken(
            Promise.ACKNOWLEDGED_IS_DURABLE, case, f"answered {answers}, not in the table"
        )
        return
    if case.record.order != told.sent:
        yield _broken(
            Promise.ACKNOWLEDGED_IS_DURABLE, case, "the table holds another order than was sent"
        )
    if told.cancellation_taken and case.facts.cancellation is None:
        yield _broken(Promise.ACKNOWLEDGED_IS_DURABLE, case, "its cancellation was taken, not kept")


def _one_order(case: _Case) -> Iterator[Violation]:
    if case.acknowledgement is None:
        return
    answers = case.acknowledgement.answers
    created = sum(answer.status == 201 for answer in answers)
    if created > 1:
        yield _broken(Promise.ONE_ORDER_PER_ID, case, f"{created} answers called it new")
    # A 202 tells when its own copy came: intake could not know whether another was taken before.
    certain = [answer.accepted_at for answer in answers if answer.status != 202]
    times = {told for told in certain if told is not None}
    if case.record is not None and case.record.accepted_at is not None and times:
        times.add(_timestamp(case.record.accepted_at))
    if len(times) > 1:
        yield _broken(
            Promise.ONE_ORDER_PER_ID, case, f"accepted at {len(times)} times: {sorted(times)}"
        )


def _under_another_customer(case: _Case, ids_sent: Collection[str]) -> Iterator[Violation]:
    """An id that one customer sent must not turn up as an order of another who did not send it."""
    if not case.stored or case.acknowledgement is not None:
        return
    if case.key.order_id in ids_sent:
        detail = f"stands under customer {case.key.customer_id}, who never sent it"
        yield _broken(Promise.ONE_ORDER_PER_ID, case, detail)


def _not_asked_for(case: _Case) -> Iterator[Violation]:
    """Nobody but the customer cancels: a wish in the table that its customer never sent."""
    told = case.acknowledgement
    if told is not None and not told.cancellation_sent and case.facts.cancellation is not None:
        yield _broken(Promise.OWN_ORDERS_ONLY, case, "cancelled, and not by its customer")


def _one_effect(case: _Case) -> Iterator[Violation]:
    done = Counter(effect.step for effect in case.effects if effect.done)
    for step, count in done.items():
        if count > 1:
            keys = sorted(
                {effect.idempotency_key for effect in case.effects if effect.step == step}
            )
            yield _broken(
                Promise.ONE_EFFECT_PER_STEP, case, f"{step} done {count} times, under {keys}"
            )


def _settled(case: _Case) -> Iterator[Violation]:
    if not case.stored:
        return
    missing = _unanswered(case.facts)
    if missing:
        yield _broken(Promise.ALWAYS_SETTLES, case, f"waits for {', '.join(missing)}")
    elif _world(_done(case.facts)) is None:
        yield _broken(
            Promise.ALWAYS_SETTLES,
            case,
            f"rests at {_list(_done(case.facts))} done, {_list(_refused(case.facts))} refused",
        )
    told = None if case.acknowledgement is None else case.acknowledgement.told
    if told is not None and told not in {"confirmed", "rejected", "cancelled"}:
        yield _broken(Promise.ALWAYS_SETTLES, case, f"its customer still reads {told!r}")


def _whole(case: _Case) -> Iterator[Violation]:
    if not case.stored:
        if case.effects or case.record is not None:
            yield _broken(
                Promise.NEVER_HALF_DONE,
                case,
                f"{_list(case.steps(done=True))} done for an order that is not in the table",
            )
        return
    yield from _right_amounts(case)
    yield from _money_in_order(case)
    by_facts, by_effects = _world(_done(case.facts)), _world(case.steps(done=True))
    if _unanswered(case.facts) or by_facts is None:
        return  # Not final: _settled has said so, and nobody was told that it is whole.
    if by_effects != by_facts:
        yield _broken(
            Promise.NEVER_HALF_DONE,
            case,
            f"the table says {by_facts} ({_list(_done(case.facts))} done), the downstreams did"
            f" {_list(case.steps(done=True))}",
        )
        return
    yield from _status_told(case)


def _right_amounts(case: _Case) -> Iterator[Violation]:
    size = None if case.record is None else case.record.size
    if size is None:
        return
    for effect in case.effects:
        if not effect.done:
            continue
        if effect.units is not None and effect.units != size.units:
            yield _broken(
                Promise.NEVER_HALF_DONE,
                case,
                f"{effect.step} of {effect.units} units, not {size.units}",
            )
        if effect.amount is not None and (effect.amount, effect.currency) != (
            size.amount,
            size.currency,
        ):
            yield _broken(
                Promise.NEVER_HALF_DONE,
                case,
                f"{effect.step} of {effect.amount} {effect.currency},"
                f" not {size.amount} {size.currency}",
            )


def _money_in_order(case: _Case) -> Iterator[Violation]:
    posted = [effect.at for effect in case.effects if effect.step == "post" and effect.done]
    refunded = [effect.at for effect in case.effects if effect.step == "refund" and effect.done]
    if posted and refunded and max(posted) > min(refunded):
        yield _broken(Promise.NEVER_HALF_DONE, case, "booked after its money had gone back")


def _status_told(case: _Case) -> Iterator[Violation]:
    refused = [step for step in _NEEDED if step in case.steps(done=False)]
    if _world(case.steps(done=True)) == "fulfilled":
        fitting = "confirmed"
    elif refused:
        fitting = "rejected"
    else:
        fitting = "cancelled"
    if fitting == "cancelled" and case.facts.cancellation is None:
        yield _broken(Promise.NEVER_HALF_DONE, case, "undone, though nobody refused or cancelled")
    told = None if case.acknowledgement is None else case.acknowledgement.told
    if told in {"confirmed", "rejected", "cancelled"} and told != fitting:
        yield _broken(
            Promise.NEVER_HALF_DONE, case, f"its customer reads {told!r}, but it is {fitting}"
        )


def _world(done: Collection[str]) -> World | None:
    """What has been done amounts to, or None for something in between."""
    held = "reserve" in done and "release" not in done
    ships = "ship" in done and "cancel_shipment" not in done and "recall_shipment" not in done
    refunded = "refund" in done
    if held and ships and "post" in done and not refunded:
        return "fulfilled"
    if not held and not ships and refunded:
        return "undone"
    return None


def _unanswered(facts: Facts) -> list[str]:
    """The steps that an order is certain to wait for.

    Which undoing follows is left to `_world`: an order that lacks it is in neither of its states.
    """
    known = _done(facts) | _refused(facts)
    if "reserve" not in known:
        return ["reserve"]
    cancellation = facts.cancellation
    if "reserve" in _done(facts) and not _came_first(cancellation):
        waiting = [step for step in ("ship", "post") if step not in known]
        if waiting:
            return waiting
    if cancellation is not None and _world(_done(facts)) == "fulfilled":
        return [] if "cancel_shipment" in known else ["cancel_shipment"]
    return []


def _came_first(cancellation: Cancellation | None) -> bool:
    return cancellation is not None and cancellation.before_reservation


def _done(facts: Facts) -> frozenset[str]:
    return frozenset(step.value for step, outcome in facts.outcomes.items() if outcome.done)


def _refused(facts: Facts) -> frozenset[str]:
    return frozenset(step.value for step, outcome in facts.outcomes.items() if not outcome.done)


def _list(steps: Collection[str]) -> str:
    return ", ".join(sorted(steps)) or "nothing"


def _timestamp(milliseconds: int) -> str:
    """RFC 3339 as the API writes it."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _broken(promise: Promise, case: _Case, detail: str) -> Violation:
    return Violation(promise, case.key, detail)
