"""What one seed decides before anything runs: the orders, the customers, and the fault profile.

Each seed switches some kinds of fault on and the others off, at rates of its own: schedules in
which everything goes wrong at once find less than schedules in which a few things go wrong often
("swarm testing", Groce et al., ISSTA 2012).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, TypeVar

from orders.domain.keeping import DAY_MS
from orders.domain.saga import DOWNSTREAMS, Downstream, Verdict
from simulation import store
from simulation.catalogue import (
    ABOVE_LIMIT,
    ADA,
    ANOTHER_COMPANY,
    BOB,
    BUYER,
    DORA,
    FORGERIES,
    MALLORY,
    REFUSE_RATE,
    SHAPES,
    SLOTS,
    START,
    Draft,
    ExpectedOutcome,
    Limit,
    Person,
    draft,
    draft_at,
    draft_for_company,
    draft_with_coupon,
)
from simulation.downstreams.fault_settings import FaultSettings
from simulation.world.chance import Chance
from simulation.world.event_sources import CROWD_POLL_MS, STREAM_POLL_MS
from simulation.world.faults import (
    AT_CALLS,
    AT_DECISIONS,
    AT_DELIVERIES,
    AT_NEWS,
    Fault,
    Outage,
)
from simulation.world.world import HOLD_DAYS

T = TypeVar("T")

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

#: How long things go wrong, and how likely each length is. In a phase of hours only outages last:
#: no cloud crashes every fourth call for a day.
_LONG_PHASE = 25 * HOUR
_PHASES = (
    (0.55, 5 * SECOND),
    (0.8, MINUTE),
    (0.93, 15 * MINUTE),
    (0.985, 2 * HOUR),
    (1.0, _LONG_PHASE),
)
#: After an outage of a day messages are still retried (infra/event_sources.py); some attempts go to
#: other faults.
_OUTAGE_MAX = 23 * HOUR
#: A function that cannot start, and a message that cannot be postponed, use up an attempt every 40
#: seconds, where a downstream that is out uses up one in two or three minutes: the message would be
#: a dead letter after eleven hours. An operator must have acted by then.
_OUTAGE_OF_TRIES_MAX = 2 * HOUR

_RATES = (0.01, 0.02, 0.05, 0.12)
_KIND_IS_ON = 0.3
#: All kinds together hit no more than this share of the calls.
_RATE_TOTAL_MAX = 0.6

#: Schedules in which no single call fails, so that an outage shows its own effect.
_CALM = 0.12
#: Schedules in which an operator empties the queue of a downstream that is out.
_PURGES = 0.02
#: Schedules in which one downstream is out and all else is well.
_LONE_OUTAGES = 0.02
#: Schedules in which all orders come at once, and relay finds several changes at a time.
_CROWDS = 0.1
_PURGED_CROWDS = 0.5
_CROWD_WITHIN_MS = 30

#: Schedules in which the store changes its prices. Forgers come then, and its books cannot be read
#: in some. A new book begins so long after it was published that every environment has looked for
#: it, whatever its clock says.
_PRICE_CHANGES = 0.15
_KNOWN_AFTER = 3 * MINUTE
_CHANGES_AT = (_KNOWN_AFTER, 20 * MINUTE, 40 * MINUTE)

#: Schedules in which somebody pays once, and sends the order from two accounts.
_PAID_ONCE = 0.1

#: Schedules in which customers race for a limited coupon, and how many do.
_RACES = 0.2
_RACERS = 5

#: Schedules in which somebody has a payment given back, and orders with its receipt.
_REFUNDS = 0.15

#: Schedules in which a shipment must be stopped for two reasons at once.
_STOPPED_TWICE = 0.04

#: Schedules in which the archive runs, months after all else. A run takes about so long; the next
#: one comes when the time of the first is certainly over.
_MONTHS_LATER = 0.2
_RUN_MS = 120
_NEXT_RUN_AFTER = 45 * MINUTE
_LATE_ACTS_MAX = 4

#: Schedules in whose stage orders may go by the express path, at the start or later; and of those,
#: in which that changes meanwhile.
_EXPRESS = 0.7
_EXPRESS_CHANGES = 0.2
#: Of the former, those in which something is wrong with a downstream for the express path: it takes
#: its time (there is half a second for a call), lies, has its callers die in the middle or wait for
#: its key; or is out for one order after the other, until a breaker opens.
_EXPRESS_TROUBLES = 0.55
_LATENCIES_MS = (300, 600, 4_000)
_LYING = (Fault.ERROR_ANSWER, Fault.ANSWER_LOST, Fault.KEY_IN_USE, Fault.LATE)
_DYING = (Fault.CRASH_BEFORE, Fault.CRASH_AFTER)
_BREAKER_OPENS = 0.12
_IN_A_ROW = 7
#: Schedules that end with one more order, which express must settle.
_PROBES = 0.2

#: Schedules in which a downstream does not know our key for a while.
_WRONG_KEYS = 0.04

#: Schedules in whose stage no events are published, so that relay is not run for what calls for
#: nothing else.
_SILENT = 0.25

#: Schedules in which payments are held against the orders a day later, and how many customers have
#: paid then whose orders are in no table.
_RECONCILED = 0.2
_PAYERS = 3

#: Schedules in which downstreams take commands and decide them later; how many do, and how often
#: each thing goes wrong with what they tell.
_LATER = 0.15
_LATER_COUNTS = ((0.6, 1), (0.85, 2), (1.0, 3))
_LATER_RATES = (0.1, 0.3, 0.6)

#: Schedules with a company whose stage holds orders above a buyer's limit, and how many it places.
_COMPANIES = 0.14
_COMPANY_ORDERS = ((0.7, 1), (1.0, 2))
HOLD_MS = HOLD_DAYS * DAY_MS
#: The watchdog's looks are at most so far apart, and so is the last one after an order's time.
_LOOKS_MS = 4 * HOUR
#: Where something happens at the end of an order's time, faults come again so long before it, and
#: end so long after it.
BEFORE_END, AFTER_END = 2 * SECOND, 2 * MINUTE

#: Schedules in which fulfilment tells what becomes of the parcels.
_PARCELS = 0.12
#: And of those, in which the refunds of what comes back are lost.
_REFUNDS_LOST = 0.1

#: Each with the bound below which a number in [0, 1) means it.
_LIMITS: tuple[tuple[float, Limit], ...] = (
    (0.75, "below"),
    (0.85, "no amount"),
    (0.93, "equal"),
    (1.0, "none"),
)
_COUNTS = ((0.82, 1), (0.96, 2), (1.0, SLOTS))
_SHAPES = tuple(zip((0.7, 0.75, 0.88, 1.0), SHAPES, strict=True))
_EXPECTED_OUTCOMES = (
    (0.55, ExpectedOutcome()),
    (0.67, ExpectedOutcome(out_of_stock=True)),
    (0.80, ExpectedOutcome(undeliverable=True)),
    (0.92, ExpectedOutcome(blocked=True)),
    (1.0, ExpectedOutcome(undeliverable=True, blocked=True)),
)

_SERVICES = ("dynamodb", "sqs", "sns", "ssm", *DOWNSTREAMS)
_FUNCTIONS = (
    "intake",
    "drain",
    "relay",
    "watchdog",
    *(f"deliver-{downstream}" for downstream in DOWNSTREAMS),
)


#: Who may decide about the company's orders, and who tries to.
APPROVERS = (Person("approver-amy", approves=True), Person("approver-abe", approves=True))
_OTHERS = (
    Person(BUYER, approves=True),
    Person("colleague-carl"),
    Person("approver-otto", ANOTHER_COMPANY, approves=True),
)
_VERDICTS: tuple[Verdict, ...] = ("released", "refused")


class Approval(StrEnum):
    """What becomes of an order that is held."""

    SOON = "decided soon"
    HOURS_LATER = "decided hours later"
    TWICE = "decided twice"
    BESIDE_CANCELLATION = "decided as it is cancelled"
    AT_THE_END = "decided as it expires"
    TOO_LATE = "decided too late"
    NEVER = "never decided"


_AT_ITS_END = (Approval.AT_THE_END, Approval.TOO_LATE, Approval.NEVER)


@dataclass(frozen=True, slots=True)
class Decision:
    """Somebody releases or refuses an order, `at` ms after the start."""

    by: Person
    verdict: Verdict
    at: int


@dataclass(frozen=True, slots=True)
class Ordered:
    """One order and what its customer and others do. Times are ms after the start, None: never.

    `name` is what it is called in the trace.
    """

    name: str
    draft: Draft
    expected_outcome: ExpectedOutcome
    place_at: int
    resend_at: tuple[int, ...] = ()
    cancel_at: int | None = None
    refund_at: int | None = None
    read_at: int | None = None
    stranger_at: int | None = None
    clash: Draft | None = None
    clash_at: int = 0
    namesake: Draft | None = None
    namesake_at: int = 0
    second_account_at: int | None = None
    decisions: tuple[Decision, ...] = ()
    #: When an operator has it checked; and its time ends, if something else happens then.
    checked_at: int | None = None
    ends_at: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether intake holds it for an approver, where it is taken."""
        return self.draft.limit in ABOVE_LIMIT


@dataclass(frozen=True, slots=True)
class Moment:
    """A single act, `at` ms after the start (a forced check: when nothing changes any more)."""

    kind: Fault
    at: int
    where: str = ""


@dataclass(frozen=True, slots=True)
class PriceChange:
    """A sale's book is published, and begins later. Times are ms after the start.

    `damaged`: its file is, until nothing goes wrong any more. `forged`: orders that do not cost
    what the store says, and when each is sent.
    """

    published_at: int
    begins_at: int
    damaged: bool
    forged: tuple[tuple[Draft, int], ...]


class LateAct(StrEnum):
    """What somebody does with an order that settled months ago."""

    CANCELLED = "cancelled"
    READ = "read"
    RESENT = "sent again"
    CHECKED = "checked, as an operator insists"
    COMMANDED = "commanded again, by a message of months ago"
    ERASED = "erased"
    RETURNED = "returned"


#: All that can happen to any order.
_LATE_ACTS = tuple(act for act in LateAct if act is not LateAct.RETURNED)


@dataclass(frozen=True, slots=True)
class MonthsLater:
    """The archive runs when the orders have been settled for months. Times are ms after that
    moment. `acts`: the name of an order, what, and when. `too_early_at`: one run comes while the
    orders are under way, so long after the start, and must leave them alone."""

    too_early_at: int
    runs_at: tuple[int, ...]
    heal_after: int
    #: From then on the archive cannot be reached, until nothing goes wrong any more.
    out_from: int | None = None
    acts: tuple[tuple[str, LateAct, int], ...] = ()


@dataclass(frozen=True, slots=True)
class ExpressPath:
    """`at_start`: the stage's setting. `changes_at`: ms after the start, when it is the other one.
    `rolled_back`: an earlier release, which does not know of the express path, comes once the stage
    has it no more and all has settled. `rates`: of faults at its calls, where they have their own.
    `probed`: at the end one more order is placed, and must be settled by express."""

    at_start: bool
    changes_at: int | None = None
    rolled_back: bool = False
    rates: dict[Fault, float] | None = None
    probed: bool = False

    @property
    def at_end(self) -> bool:
        return self.at_start is (self.changes_at is None)


class Payer(StrEnum):
    """What a customer does who has paid."""

    DIES = "dies"
    #: Sends the order when its id is good no more, and then has it made void.
    SENDS_LATE = "sends it too late"
    #: Sent it in time. It was acknowledged, and is still in the overflow queue a day later.
    OVERFLOWED = "had it overflow"
    #: And no count of the queue shows it: SQS calls them approximate.
    UNCOUNTED = "had it overflow, uncounted"


@dataclass(frozen=True, slots=True)
class Payments:
    """A day later what was paid is held against the orders. Times are ms after that moment.

    `payers`: orders that are not in the table by then, and when their customers, or drain, come
    back to them. `twice`: the first order was paid a second time.
    """

    payers: tuple[tuple[Draft, Payer, int], ...]
    twice: bool
    runs_at: tuple[int, ...]
    heal_after: int


@dataclass(frozen=True, slots=True)
class Plan:
    """`heal_after`: ms from the start, after which nothing goes wrong any more. `express`: None
    where the stage never has it. `silent`: its stage publishes no events. `later`:
    downstreams that take commands and decide them later. `holds`: its stage holds orders.
    `parcels`: fulfilment tells of them."""

    seed: int
    orders: tuple[Ordered, ...]
    fault_settings: dict[str, FaultSettings]
    heal_after: int = 0
    rates: dict[Fault, float] = field(default_factory=dict)
    outages: tuple[Outage, ...] = ()
    moments: tuple[Moment, ...] = ()
    without_keys: frozenset[str] = frozenset()
    shards: int = 1
    stream_poll_ms: int = STREAM_POLL_MS
    price_change: PriceChange | None = None
    months_later: MonthsLater | None = None
    express: ExpressPath | None = None
    silent: bool = False
    later: frozenset[Downstream] = frozenset()
    payments: Payments | None = None
    holds: bool = False
    parcels: bool = False


def planned(seed: int) -> Plan:
    """The plan of a seed."""
    plan = _without_express(seed)
    chance = Chance(seed, "express")
    plan = _with_express(plan, chance) if chance() < _EXPRESS else plan
    chance = Chance(seed, "wrong key")
    plan = _with_a_wrong_key(plan, chance) if chance() < _WRONG_KEYS else plan
    plan = replace(plan, silent=Chance(seed, "without events")() < _SILENT)
    chance = Chance(seed, "payments")
    plan = replace(plan, payments=_payments(chance)) if chance() < _RECONCILED else plan
    chance = Chance(seed, "companies")
    plan = _with_a_company(plan, chance) if chance() < _COMPANIES else plan
    chance = Chance(seed, "decided later")
    # Whoever has no keys would be looked up before it is asked, which is another matter.
    plan = plan if plan.without_keys or chance() >= _LATER else _with_later(plan, chance)
    chance = Chance(seed, "parcels")
    told = chance() < _PARCELS and "fulfilment" not in plan.without_keys
    return _with_parcels(plan, chance) if told else plan


def _with_parcels(plan: Plan, chance: Chance) -> Plan:
    """Fulfilment tells what becomes of the parcels; and does so twice, late, never, too early,
    about another order, or otherwise than before. Months later an order comes back."""
    rates = {kind: chance.pick(_LATER_RATES) for kind in AT_NEWS if chance() < 0.4}
    months_later = plan.months_later
    if months_later is not None:
        back = (chance.pick(plan.orders).name, LateAct.RETURNED, chance.between(0, _RUN_MS))
        months_later = replace(months_later, acts=(*months_later.acts, back))
    plan = replace(plan, parcels=True, rates=plan.rates | rates, months_later=months_later)
    return _with_lost_refunds(plan, chance) if chance() < _REFUNDS_LOST else plan


def _with_lost_refunds(plan: Plan, chance: Chance) -> Plan:
    """Accounting is out when orders come back that it has posted, and its queue is emptied: of
    their refunds only the watchdog's checks are left."""
    # Once the checks of new orders have found them settled.
    begins = chance.between(20, 40) * MINUTE
    purged_at = begins + chance.between(30, 150) * MINUTE
    ends = purged_at + chance.between(1, 10) * MINUTE
    return replace(
        plan,
        heal_after=max(plan.heal_after, ends),
        rates={},
        outages=(*plan.outages, _during(Fault.OUTAGE, "accounting", begins, ends - begins)),
        moments=(*plan.moments, Moment(Fault.PURGED, purged_at, "accounting")),
    )


def _with_later(plan: Plan, chance: Chance) -> Plan:
    """Some downstreams take commands, and tell later what they decide, or are asked; and do so
    twice, late, never, about something else."""
    later = frozenset(chance.shuffled(DOWNSTREAMS)[: _drawn(chance, _LATER_COUNTS)])
    rates = {kind: chance.pick(_LATER_RATES) for kind in AT_DECISIONS if chance() < 0.5}
    # Nobody waits for them on the express path.
    express = "inventory" not in later and not later.issuperset(DOWNSTREAMS[1:])
    return replace(
        plan,
        later=later,
        rates=plan.rates | rates,
        express=plan.express if express else None,
    )


def _with_a_company(plan: Plan, chance: Chance) -> Plan:
    """Its buyer orders above a limit, and somebody decides: in time, twice, too late, never, or
    just when the order is cancelled or expires; and others try to."""
    orders = tuple(_of_company(number, chance) for number in range(_drawn(chance, _COMPANY_ORDERS)))
    at_once = any(order.cancel_at and order.decisions for order in orders)
    if at_once and plan.heal_after < _LONG_PHASE:
        # An order that was read as held has been released when the request to cancel it is written.
        rates = _bounded(plan.rates | {Fault.SLOW: 0.25})
        plan = replace(plan, rates=rates, heal_after=max(plan.heal_after, 5 * SECOND))
    months_later = plan.months_later
    if months_later is not None:
        acts = (
            (order.name, chance.pick(_LATE_ACTS), chance.between(20, _RUN_MS))
            for order in orders
            if chance() < 0.5
        )
        months_later = replace(months_later, acts=(*months_later.acts, *acts))
    return replace(plan, orders=(*plan.orders, *orders), months_later=months_later, holds=True)


def _of_company(number: int, chance: Chance) -> Ordered:
    outcome = ExpectedOutcome(undeliverable=chance() < 0.1, blocked=chance() < 0.1)
    coupon = store.COUPON
    if chance() < 0.4:
        coupon = chance.pick((store.FIRST_TWO.code, store.ONCE.code, store.CODES[0]))
    place_at = chance.below(2 * SECOND)
    story = chance.pick(tuple(Approval))
    first, second = chance.shuffled(APPROVERS)
    verdict = chance.pick(_VERDICTS)
    ends = place_at + HOLD_MS
    at, cancel_at, checked_at = None, None, None
    match story:
        case Approval.SOON | Approval.TWICE:
            at = place_at + _soon(chance)
        case Approval.HOURS_LATER:
            at = place_at + chance.below(HOLD_MS)
        case Approval.BESIDE_CANCELLATION:
            at = place_at + chance.between(60, 600)
            cancel_at = at - chance.between(-20, 40)
            verdict = "released" if chance() < 0.6 else verdict
        case Approval.AT_THE_END:
            at, checked_at = ends + chance.between(-60, 60), ends + chance.between(-60, 60)
        case Approval.TOO_LATE:
            at = ends + int(_LOOKS_MS * chance() ** 3)
    decisions = [] if at is None else [Decision(first, verdict, at)]
    if at is not None and (story is Approval.TWICE or chance() < 0.2):
        again = at + (chance.below(60) if chance() < 0.6 else _soon(chance))
        decisions.append(Decision(chance.pick((first, second)), chance.pick(_VERDICTS), again))
    if chance() < 0.5:
        tried_at = place_at + _soon(chance)
        decisions += (
            Decision(each, chance.pick(_VERDICTS), tried_at + chance.below(100)) for each in _OTHERS
        )
    return Ordered(
        name=f"company order {number + 1}",
        draft=draft_for_company(number, _drawn(chance, _LIMITS), coupon, outcome),
        expected_outcome=outcome,
        place_at=place_at,
        resend_at=(place_at + _soon(chance),) if chance() < 0.3 else (),
        cancel_at=place_at + _soon(chance) if cancel_at is None and chance() < 0.1 else cancel_at,
        read_at=place_at + _soon(chance) if chance() < 0.3 else None,
        stranger_at=place_at + _soon(chance) if chance() < 0.2 else None,
        decisions=tuple(decisions),
        checked_at=checked_at,
        ends_at=ends if story in _AT_ITS_END else None,
    )


def _payments(chance: Chance) -> Payments:
    within = chance.pick((200, SECOND, MINUTE))
    payers = tuple(
        (
            draft_at(START - number * 10 * SECOND, "today", DORA),
            chance.pick(tuple(Payer)),
            chance.below(within),
        )
        for number in range(1, 1 + _PAYERS)
    )
    runs_at = (chance.below(within), chance.below(within), HOUR + chance.below(within))
    return Payments(payers, chance() < 0.5, runs_at, 2 * HOUR)


def _with_a_wrong_key(plan: Plan, chance: Chance) -> Plan:
    """For seconds or for hours. What waits for it must be no dead letter."""
    begins = chance.below(SECOND)
    length = int(10 ** (3 + 4.5 * chance()))
    outage = _during(Fault.WRONG_KEY, f"{chance.pick(DOWNSTREAMS)}'s key", begins, length)
    return replace(
        plan,
        outages=(*plan.outages, outage),
        heal_after=max(plan.heal_after, begins + length),
    )


def _with_express(plan: Plan, chance: Chance) -> Plan:
    """Orders may go by the express path. All else that the plan has stays as it is."""
    at_start, changes_at, rolled_back = True, None, False
    if chance() < _EXPRESS_CHANGES:
        at_start = chance() < 0.6
        changes_at = chance.below(min(plan.heal_after, 3 * SECOND))
        rolled_back = at_start and chance() < 0.5
    path = ExpressPath(at_start, changes_at, rolled_back, probed=chance() < _PROBES)
    if chance() >= _EXPRESS_TROUBLES:
        return replace(plan, express=path)
    number = chance()
    if number < _BREAKER_OPENS:
        return _with_a_breaker_open(replace(plan, express=replace(path, probed=True)), chance)
    if number < 0.5:
        return _with_latency(replace(plan, express=path), chance)
    if number >= 0.9:
        return _with_late_keys(replace(plan, express=path), chance)
    kinds = _LYING if number < 0.75 else _DYING
    rates = plan.rates | {kind: chance.pick((0.1, 0.2)) for kind in kinds}
    return replace(plan, express=replace(path, rates=_bounded(rates)))


def _with_latency(plan: Plan, chance: Chance) -> Plan:
    """One downstream or both of the others take their time for a while; or inventory does, which
    leaves them too little."""
    both = DOWNSTREAMS[1:]
    slow = chance.pick(((both[0],), (both[1],), both, DOWNSTREAMS[:1]))
    latency_ms = chance.pick(_LATENCIES_MS)
    length = max(SECOND, int(min(plan.heal_after, MINUTE) * (0.3 + 0.7 * chance())))
    outages = tuple(
        replace(_during(Fault.LATENCY, f"{each}'s answers", 0, length), latency_ms=latency_ms)
        for each in slow
    )
    heal_after = max(plan.heal_after, length)
    return replace(plan, outages=(*plan.outages, *outages), heal_after=heal_after)


def _with_late_keys(plan: Plan, chance: Chance) -> Plan:
    """New environments, which find the one downstream's key and wait for the other's."""
    outages = tuple(
        _during(Fault.OUTAGE, "ssm", 400 * number + chance.below(200), 200 + chance.below(400))
        for number in range(6)
    )
    return replace(
        plan,
        rates=plan.rates | {Fault.COLD_START: 0.3},
        outages=(*plan.outages, *outages),
        heal_after=max(plan.heal_after, 4 * SECOND),
    )


def _with_a_breaker_open(plan: Plan, chance: Chance) -> Plan:
    """A downstream is out while one order comes after the other, and the last ones come when it is
    well again."""
    length = chance.between(15, 60) * SECOND
    outage = _during(Fault.OUTAGE, chance.pick(DOWNSTREAMS[1:]), 0, length)
    wait = length // (_IN_A_ROW - 2)
    orders = tuple(
        Ordered(
            name=f"order {number + 1} in a row",
            # Its number is none of a racer.
            draft=draft_with_coupon(10 + number, store.COUPON, ADA, ExpectedOutcome()),
            expected_outcome=ExpectedOutcome(),
            place_at=number * wait + chance.below(SECOND),
            cancel_at=number * wait + _soon(chance) if chance() < 0.2 else None,
        )
        for number in range(_IN_A_ROW)
    )
    return replace(
        plan,
        orders=(*plan.orders, *orders),
        outages=(*plan.outages, outage),
        heal_after=max(plan.heal_after, length),
    )


def probe() -> Draft:
    """The order that is placed when all has been well for a while."""
    return draft_with_coupon(10 + _IN_A_ROW, store.COUPON, ADA, ExpectedOutcome())


def _without_express(seed: int) -> Plan:
    chance = Chance(seed, "two accounts")
    plan = _with_prices(seed)
    plan = _with_two_accounts(plan, chance) if chance() < _PAID_ONCE else plan
    chance = Chance(seed, "stopped twice")
    plan = _with_two_stops(plan, chance) if chance() < _STOPPED_TWICE else plan
    chance = Chance(seed, "months later")
    if chance() >= _MONTHS_LATER:
        return plan
    return replace(plan, months_later=_months_later(plan, chance))


def _with_two_stops(plan: Plan, chance: Chance) -> Plan:
    """Accounting refuses the first order when its customer is just cancelling it, and the answer to
    one of the two commands to stop its shipment may come when the other has settled the order."""
    outcome = ExpectedOutcome(blocked=True)
    order = plan.orders[0]
    stopped = Ordered(
        name=order.name,
        draft=draft(0, "retail", outcome),
        expected_outcome=outcome,
        place_at=order.place_at,
        cancel_at=order.place_at + chance.between(60, 200),
    )
    rates = plan.rates | {Fault.ERROR_ANSWER: 0.25}
    return replace(plan, orders=(stopped, *plan.orders[1:]), rates=rates)


def _months_later(plan: Plan, chance: Chance) -> MonthsLater:
    """Runs of the archive, two of them at once in some, and a later one that finds what a run has
    left; while customers and operators do with these orders whatever they can."""
    runs_at = [0]
    if chance() < 0.3:
        runs_at.append(chance.below(_RUN_MS))
    runs_at.append(_NEXT_RUN_AFTER)
    return MonthsLater(
        too_early_at=chance.below(max(SECOND, plan.heal_after)),
        runs_at=tuple(runs_at),
        heal_after=_NEXT_RUN_AFTER + MINUTE,
        out_from=5 * _RUN_MS if chance() < 0.3 else None,
        acts=tuple(
            (
                plan.orders[chance.below(len(plan.orders))].name,
                chance.pick(_LATE_ACTS),
                chance.pick((0, _NEXT_RUN_AFTER)) + chance.between(20, _RUN_MS),
            )
            for _ in range(chance.below(_LATE_ACTS_MAX + 1))
        ),
    )


def _with_two_accounts(plan: Plan, chance: Chance) -> Plan:
    """An order is sent from a second account too, before or after the first."""
    place = chance.below(len(plan.orders))
    order = plan.orders[place]
    if order.draft.order.payment is None:
        return plan
    at = max(0, order.place_at + _soon(chance) - 200)
    orders = [*plan.orders]
    orders[place] = replace(order, second_account_at=at)
    return replace(plan, orders=tuple(orders))


def _with_prices(seed: int) -> Plan:
    plan = _planned(seed)
    chance = Chance(seed, "prices")
    if chance() < _PRICE_CHANGES:
        return _with_a_price_change(plan, chance)
    chance = Chance(seed, "coupons")
    if chance() < _RACES:
        return _with_a_race(plan, chance)
    chance = Chance(seed, "refunds")
    return _with_a_refund(plan, chance) if chance() < _REFUNDS else plan


def _with_a_refund(plan: Plan, chance: Chance) -> Plan:
    """Under one id an order is sent that is refused, the payment is asked back, and an order is
    sent that is right: in this order, or all at about the same time."""
    refund_at = _soon(chance)
    refused = draft_at(START - SECOND, "today", forgery=chance.pick(FORGERIES))
    thief = Ordered(
        name="a refunded order",
        draft=draft_at(START - SECOND, "today"),
        expected_outcome=ExpectedOutcome(),
        place_at=max(0, refund_at + _soon(chance) - 200),
        resend_at=(refund_at + _soon(chance),),
        refund_at=refund_at,
        clash=refused,
        clash_at=refund_at // 2,
    )
    return replace(plan, orders=(*plan.orders, thief))


def _with_a_race(plan: Plan, chance: Chance) -> Plan:
    """More customers want a coupon than can have it, or one customer wants it twice. Some of their
    orders are rejected or cancelled, and what they used up is there for those who come later."""
    coupon = chance.pick(store.LIMITED)
    within = chance.pick((50, SECOND, 20 * SECOND))
    codes = store.CODES if coupon.single_use_codes else (coupon.code,)
    racers = tuple(
        _racer(number, codes[number % len(codes)], chance, within) for number in range(_RACERS)
    )
    return replace(plan, orders=(*plan.orders, *racers))


def _racer(number: int, coupon: str, chance: Chance, within: int) -> Ordered:
    outcome = ExpectedOutcome(undeliverable=chance() < 0.3)
    customer = ADA if coupon == store.ONCE.code else f"racer-{number + 1}"
    place_at = chance.below(within)
    return Ordered(
        name=f"racer {number + 1}",
        draft=draft_with_coupon(number, coupon, customer, outcome),
        expected_outcome=outcome,
        place_at=place_at,
        resend_at=(place_at + _soon(chance),) if chance() < 0.5 else (),
        cancel_at=place_at + _cancelled_after(chance) if chance() < 0.3 else None,
    )


def _with_a_price_change(plan: Plan, chance: Chance) -> Plan:
    """A customer orders while the prices change, from an old basket or at the new prices."""
    begins_at = chance.pick(_CHANGES_AT)
    begins = START + begins_at
    from_old = chance() < 0.5
    made_at, book = (begins - MINUTE, "today") if from_old else (begins + SECOND, "sale")
    late = Ordered(
        name=f"order {SLOTS + 1}",
        draft=draft_at(made_at, book),
        expected_outcome=ExpectedOutcome(),
        place_at=begins_at + chance.between(1, 100) * SECOND,
    )
    forged = tuple(_forged(chance, begins_at))
    trouble = chance()
    damaged, out = trouble < 0.3, 0.2 < trouble < 0.5
    heal_after = max(plan.heal_after, begins_at + 3 * MINUTE) if damaged else plan.heal_after
    outage = _during(Fault.OUTAGE, "s3", 0, min(heal_after, chance.between(1, 60) * MINUTE))
    return replace(
        plan,
        orders=(*plan.orders, late),
        heal_after=heal_after,
        outages=(*plan.outages, outage) if out else plan.outages,
        price_change=PriceChange(begins_at - _KNOWN_AFTER, begins_at, damaged, forged),
    )


def _forged(chance: Chance, begins_at: int) -> Iterator[tuple[Draft, int]]:
    """Two orders that are cheaper than the store."""
    soon = chance.below(2 * SECOND)
    yield draft_at(START, "today", MALLORY, chance.pick(FORGERIES)), soon
    if chance() < 0.5:
        # Yesterday's prices, by an id of yesterday.
        yield draft_at(START - 2 * HOUR, "yesterday", MALLORY), soon
    else:
        # Tomorrow's, by a clock that is ahead.
        sale = draft_at(START + begins_at + SECOND, "sale", MALLORY)
        yield sale, begins_at - chance.between(70, 170) * SECOND


def _planned(seed: int) -> Plan:
    chance = Chance(seed, "plan")
    drill = chance()
    if drill < _PURGES:
        return _purge(seed, chance)
    if drill < _PURGES + _LONE_OUTAGES:
        return _lone_outage(seed, chance)
    heal_after = _phase(chance)
    lookup = chance() < 0.12
    without_keys = frozenset({chance.pick(DOWNSTREAMS)}) if lookup else frozenset[str]()
    crowd = _crowd(seed, _CROWDS)
    orders = crowd or _orders(chance, heal_after)
    return Plan(
        seed=seed,
        orders=orders,
        fault_settings=_fault_settings(chance, orders, without_keys),
        heal_after=heal_after,
        rates=_rates(Chance(seed, "rates")) if heal_after < _LONG_PHASE else {},
        outages=_outages(Chance(seed, "outages"), heal_after),
        moments=_moments(Chance(seed, "moments"), heal_after),
        without_keys=without_keys,
        shards=1 + chance.below(2),
        stream_poll_ms=CROWD_POLL_MS if crowd else STREAM_POLL_MS,
    )


def _purge(seed: int, chance: Chance) -> Plan:
    """A downstream is out; its queue is emptied; later orders fill it again. Of the earlier ones
    only the watchdog's checks are left, the first of which finds the queue full."""
    where = chance.pick(DOWNSTREAMS)
    purged_at = chance.between(1, 10) * MINUTE
    ends = chance.between(16, 40) * MINUTE
    crowd = _crowd(seed, _PURGED_CROWDS)
    orders = (crowd or _orders(chance, SECOND))[: SLOTS - 1]
    late = _order(SLOTS - 1, chance, SECOND)
    later = purged_at + chance.between(1, 5) * MINUTE
    return Plan(
        seed=seed,
        orders=(*orders, replace(late, place_at=later)),
        fault_settings=_fault_settings(chance, (*orders, late), frozenset()),
        heal_after=ends,
        outages=(_during(Fault.OUTAGE, where, 0, ends),),
        moments=(Moment(Fault.PURGED, purged_at, where),),
        shards=1 + chance.below(2),
        stream_poll_ms=CROWD_POLL_MS if crowd else STREAM_POLL_MS,
    )


def _lone_outage(seed: int, chance: Chance) -> Plan:
    """Whether a failure stays local shows where nothing else goes wrong."""
    ends = chance.between(1, 60) * MINUTE
    orders = _orders(chance, SECOND)
    return Plan(
        seed=seed,
        orders=orders,
        fault_settings=_fault_settings(chance, orders, frozenset()),
        heal_after=ends,
        outages=(_during(Fault.OUTAGE, chance.pick(DOWNSTREAMS), 0, ends),),
        shards=1 + chance.below(2),
    )


def _phase(chance: Chance) -> int:
    length = _drawn(chance, _PHASES)
    return length if length == _LONG_PHASE else int(length * (0.2 + 0.8 * chance()))


def _drawn(chance: Chance, choices: Iterable[tuple[float, T]]) -> T:
    number = chance()
    return next(choice for bound, choice in choices if number < bound)


def _orders(chance: Chance, heal_after: int) -> tuple[Ordered, ...]:
    within = min(heal_after, 2 * SECOND)
    return tuple(_order(slot, chance, within) for slot in range(_drawn(chance, _COUNTS)))


def _crowd(seed: int, share: float) -> tuple[Ordered, ...]:
    """Orders that come all at once, in this share of the schedules; none in the others."""
    chance = Chance(seed, "crowd")
    if chance() >= share:
        return ()
    return tuple(_order(slot, chance, _CROWD_WITHIN_MS) for slot in range(SLOTS))


def _order(slot: int, chance: Chance, within: int) -> Ordered:
    name = f"order {slot + 1}"
    shape = _drawn(chance, _SHAPES)
    expected_outcome = _drawn(chance, _EXPECTED_OUTCOMES)
    place_at = chance.below(within)
    # An order that is undone for two reasons at once takes the most care.
    cancels = 0.7 if expected_outcome.blocked else 0.45
    return Ordered(
        name=name,
        draft=draft(slot, shape, expected_outcome),
        expected_outcome=expected_outcome,
        place_at=place_at,
        resend_at=(place_at + _soon(chance),) if chance() < 0.2 else (),
        cancel_at=place_at + _cancelled_after(chance) if chance() < cancels else None,
        read_at=place_at + _soon(chance) if chance() < 0.2 else None,
        stranger_at=place_at + _soon(chance) if chance() < 0.1 else None,
        clash=draft(slot, shape, expected_outcome, version=1) if chance() < 0.1 else None,
        clash_at=max(0, place_at + _soon(chance) - 200),
        namesake=draft(slot, shape, expected_outcome, BOB) if chance() < 0.08 else None,
        namesake_at=place_at + _soon(chance),
    )


def _soon(chance: Chance) -> int:
    """Mostly while the order is on its way, which takes a quarter of a second where nothing goes
    wrong; sometimes long after."""
    if chance() < 0.5:
        return chance.below(250)
    return int(10 ** (chance() * 4.5))


def _cancelled_after(chance: Chance) -> int:
    """Half of them in the tenth of a second around the answers of all three downstreams."""
    return chance.between(60, 200) if chance() < 0.5 else _soon(chance)


def _fault_settings(
    chance: Chance, orders: tuple[Ordered, ...], without_keys: frozenset[str]
) -> dict[str, FaultSettings]:
    # A shipment that leaves between two copies of a command is refused the second time. Without
    # keys that is another answer to the same command, which no lookup can prevent.
    leaves = None if chance() < 0.6 or without_keys else int(10 ** (chance() * 5))
    return fault_settings_for(
        orders, without_keys, too_late=chance() < 0.15, leaves_after_ms=leaves
    )


def fault_settings_for(
    orders: tuple[Ordered, ...],
    without_keys: frozenset[str],
    *,
    too_late: bool,
    leaves_after_ms: int | None,
) -> dict[str, FaultSettings]:
    """The downstreams as these orders' expected outcomes need. `too_late`: every shipment has left;
    `leaves_after_ms`: it leaves at this age."""
    empty = tuple(order.draft.sku for order in orders if order.expected_outcome.out_of_stock)
    refuses: dict[str, Any] = {"refuse_rate": REFUSE_RATE}
    settings = {
        "inventory": {"refuse_skus": empty},
        "fulfilment": refuses | {"too_late": too_late, "dispatch_after_ms": leaves_after_ms},
        "accounting": refuses,
    }
    return {
        name: FaultSettings(**each, idempotency_keys=name not in without_keys)
        for name, each in settings.items()
    }


def _rates(chance: Chance) -> dict[Fault, float]:
    if chance() < _CALM:
        return {}
    rates = {
        kind: chance.pick(_RATES)
        for kind in (*AT_CALLS, *AT_DELIVERIES, Fault.CLOCK_SKEW)
        if chance() < _KIND_IS_ON
    }
    return _bounded(rates)


def _bounded(rates: dict[Fault, float]) -> dict[Fault, float]:
    at_calls = [kind for kind in (*AT_CALLS, Fault.KEY_IN_USE) if kind in rates]
    total = sum(rates[kind] for kind in at_calls)
    if total <= _RATE_TOTAL_MAX:
        return rates
    return rates | {kind: rates[kind] * (_RATE_TOTAL_MAX / total) for kind in at_calls}


def _outages(chance: Chance, heal_after: int) -> tuple[Outage, ...]:
    number = chance()
    count = 0 if number < 0.65 else 1 if number < 0.9 else 2
    if heal_after == _LONG_PHASE and chance() < 0.5:
        # So long that the stream's records grow too old.
        return (_during(Fault.OUTAGE, "relay", chance.below(SECOND), heal_after),)
    if heal_after == _LONG_PHASE:
        count += 1
    return tuple(_outage(chance, heal_after) for _ in range(count))


def _outage(chance: Chance, heal_after: int) -> Outage:
    ends_max = min(heal_after, _OUTAGE_MAX)
    begins = int(ends_max * chance() ** 3)
    length = int((ends_max - begins) * chance() ** 0.5)
    number = chance()
    if number < 0.08:
        return _during(Fault.MISROUTED, f"{chance.pick(DOWNSTREAMS)}'s address", begins, length)
    if number < 0.25:
        return _during(
            Fault.OUTAGE, chance.pick(_FUNCTIONS), begins, min(length, _OUTAGE_OF_TRIES_MAX)
        )
    service = chance.pick(_SERVICES)
    if service == "sqs":
        length = min(length, _OUTAGE_OF_TRIES_MAX)
    return _during(Fault.OUTAGE, service, begins, length)


def _during(kind: Fault, service: str, begins: int, length: int) -> Outage:
    return Outage(service, START + begins, START + begins + length, kind)


def _moments(chance: Chance, heal_after: int) -> tuple[Moment, ...]:
    moments = []
    if chance() < 0.04:
        where = chance.pick((*DOWNSTREAMS, "overflow", "watchdog"))
        moments.append(Moment(Fault.POISON_MESSAGE, chance.below(heal_after), where))
    if chance() < 0.04:
        moments.append(Moment(Fault.POISON_RECORD, chance.below(4)))
    if chance() < 0.03:
        moments.append(Moment(Fault.PURGED, _soon(chance) % heal_after, chance.pick(DOWNSTREAMS)))
    if chance() < 0.04:
        moments.append(Moment(Fault.REDRIVEN, chance.below(heal_after)))
    if chance() < 0.1:
        moments.append(Moment(Fault.CHECK_FORCED, heal_after))
    return tuple(moments)
