"""One schedule from its seed to its verdict: faults, healing, judgement."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from operator import attrgetter

import msgspec

from orders.aws import archive_file, items
from orders.aws.archiving import JOURNAL_KEY
from orders.aws.book_index import book_key
from orders.aws.messages import overflow_message_of
from orders.aws.topic import cloud_event
from orders.domain.events import EventType, all_true
from orders.domain.keeping import DAY_MS, KEPT_DAYS_MIN
from orders.domain.order import AcceptedOrder, OrderKey, order_id_time
from orders.domain.parcels import What
from orders.domain.payments import PLACEABLE_MS
from orders.domain.promises import Promise
from orders.domain.saga import DOWNSTREAMS, Downstream
from orders.domain.units import CustomerId, Millis, OrderId
from orders.handlers.wire import Content, content_of
from simulation.catalogue import ADA, BOB, MALLORY, START, Draft, paid_by_another
from simulation.downstreams.ledger import Entry
from simulation.world.express import EXPRESS_WITHIN_BOUNDS
from simulation.world.faults import Fault, Faults, Injected, Outage
from simulation.world.invariants import ANNOUNCED, Broken
from simulation.world.parcels import Message as News
from simulation.world.parcels import content_of as news_content_of
from simulation.world.sqs import Message
from simulation.world.trace import Trace
from simulation.world.world import ALWAYS_TOLD, World
from spillway.operate.coupons.evidence import Evidence, claims_in
from spillway.prove.audit.coupons import judge_coupons
from spillway.prove.audit.judging import UNDISTURBED, judge, judge_isolation
from spillway.prove.audit.verdicts import Violation
from spillway.prove.simulate import operator
from spillway.prove.simulate.customers import Approver, Customer, ask_as_stranger
from spillway.prove.simulate.plan import (
    AFTER_END,
    APPROVERS,
    BEFORE_END,
    HOLD_MS,
    HOUR,
    SECOND,
    ExpressPath,
    LateAct,
    Moment,
    MonthsLater,
    Ordered,
    Payer,
    Payments,
    Plan,
    PriceChange,
    probe,
)
from spillway.run.load.records import Acknowledgement, Answer
from spillway.run.load.records import Outage as AuditOutage
from spillway.target.reading import by_order, placed_here, record_of
from spillway.target.records import Effect, Record

#: Once nothing goes wrong any more, everything comes to rest within this.
REST_MS = 24 * HOUR
#: After so long an operator looks at the dead letters, from the healing or from an alarm.
OPERATOR_MS = HOUR
#: An order may still be placed whose id was made at the start.
ID_KEPT_MS = 20 * HOUR
#: After so long every settled order is due to leave the table.
MONTHS_MS = (KEPT_DAYS_MIN + 1) * DAY_MS
#: How often an operator redrives before what is left counts as stuck.
REDRIVES_MAX = 3

#: So long after fulfilment has told of a return, the customer reads the order.
READ_SOON_MS = 100
#: Within this an order passes the steps that no outage holds up.
UNDISTURBED_MS = 5_000
#: Kinds that slow nothing down.
_HARMLESS = frozenset(
    {
        *(Fault.RESENT, Fault.STRANGER, Fault.NAMESAKE, Fault.CANCELLED, Fault.CLASH),
        *(Fault.REFUNDED, Fault.COLD_START, Fault.FORGED, Fault.PAID_ONCE, Fault.DAMAGED_BOOK),
        Fault.DECIDED,
    }
)

_ENTRY_FIELDS = attrgetter(*(field.name for field in fields(Effect)[2:]))

#: What no promise names: personal data in the archive that no erasure would find.
OWN_LINE = "no_line_without_stub"

_POISON = "this is no message of ours"
#: In the reason of a dead letter whose id has another order.
_CLASH = "already holds another order"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one schedule.

    `side_effects`: calls that change something outside. `rested_ms`: how long after the healing it
    came to rest.
    """

    seed: int
    broken: tuple[Broken, ...]
    injected: tuple[Injected, ...]
    side_effects: int
    rested_ms: int
    states: frozenset[str]
    outcomes: Counter[str]
    express: Counter[str]
    excused: int
    visited: tuple[tuple[str, tuple[Fault, ...]], ...]


def run(
    plan: Plan,
    *,
    only: Collection[str] | None = None,
    forced: Mapping[str, Fault] | None = None,
    trace: Trace | None = None,
) -> Result:
    """Run a plan. `only` and `forced`: as `Faults` has them."""
    heal_at = START + plan.heal_after
    faults = Faults(
        plan.seed,
        plan.rates,
        heal_at,
        express_rates=None if plan.express is None else plan.express.rates,
        outages=plan.outages,
        only=only,
        forced=forced,
    )
    schedule = _Schedule(plan, faults, trace)
    result = schedule.run()
    schedule.world.close()
    return result


class _Schedule:
    def __init__(self, plan: Plan, faults: Faults, trace: Trace | None) -> None:
        self.plan = plan
        self.heal_at = faults.heal_at
        self.faults = faults
        change = plan.price_change
        names: dict[tuple[str, str], str] = {}
        for number, (draft, _) in enumerate(change.forged if change else (), start=1):
            names[MALLORY, draft.key.order_id] = f"forged order {number}"
        for order in plan.orders:
            names[ADA, order.draft.key.order_id] = order.name
            names[MALLORY, order.draft.key.order_id] = f"{order.name} of a second account"
            names[BOB, order.draft.key.order_id] = f"{order.name} of another"
            names[order.draft.key.customer_id, order.draft.key.order_id] = order.name
        for number, (draft, _, _) in enumerate(plan.payments.payers if plan.payments else (), 1):
            names[draft.key.customer_id, draft.key.order_id] = f"paid order {number}"
        names[probe().key.customer_id, probe().key.order_id] = "the order at the end"
        self.world = World(
            plan.seed,
            START,
            self.faults,
            names,
            fault_settings=plan.fault_settings,
            without_keys=plan.without_keys,
            shards=plan.shards,
            express=plan.express is not None and plan.express.at_start,
            silent=plan.silent,
            later=plan.later,
            holds=plan.holds,
            parcels=plan.parcels,
            stream_poll_ms=plan.stream_poll_ms,
            trace=trace,
        )
        self.world.on_given_up = self._called_out
        if trace is not None:
            self.world.invariants.on_broken = lambda broken: trace.add(
                broken.at, "", str(broken), fault="broken"
            )
        if self.world.parcels is not None:
            self.world.parcels.on_returned = self._read_soon
        self.customers: list[Customer] = []
        self.approvers: list[Approver] = []
        of_company = [order for order in plan.orders if order.draft.person]
        approvals = self.world.invariants.approvals
        approvals.above = {_key(each.draft.key) for each in of_company if each.is_held}
        approvals.approvers = {(each.company, each.id) for each in APPROVERS}
        if plan.payments is not None:
            self._pay(plan.payments)
        self.world.invariants.counts_lag = self._counts_lag

    def run(self) -> Result:
        world = self.world
        scheduler = world.scheduler
        for order in self.plan.orders:
            self._begin(order)
        for moment in self.plan.moments:
            self._plan_moment(moment)
        if self.plan.price_change is not None:
            self._change_prices(self.plan.price_change)
        if self.plan.express is not None and self.plan.express.changes_at is not None:
            self._at(self.plan.express.changes_at, world.switch_express, self.plan.express.at_end)
        if self.plan.months_later is not None:
            self._at(self.plan.months_later.too_early_at, operator.archive, world)
        scheduler.run(self.heal_at)
        scheduler.skip_to(self.heal_at)
        if world.trace is not None:
            world.trace.add(scheduler.now, "", "From here on nothing goes wrong any more.")
        scheduler.run(self.heal_at + OPERATOR_MS)
        scheduler.skip_to(self.heal_at + OPERATOR_MS)
        self._dead_letters_are_expected()
        self._maybe_redrive()
        self._rest()
        rested_ms = max(0, scheduler.now - self._begins_to_rest())
        self._dead_letters_are_expected()
        self._redrive()
        if self.plan.express is not None:
            self._end_express(self.plan.express)
        self._force()
        for customer in self.customers:
            customer.read()
        self._rest()
        self._judge()
        self._later_on()
        return Result(
            seed=self.plan.seed,
            broken=tuple(world.invariants.broken),
            injected=tuple(self.faults.injected),
            side_effects=world.calls.changes,
            rested_ms=rested_ms,
            states=frozenset(world.invariants.states),
            outcomes=world.invariants.outcomes,
            express=world.invariants.express.counts,
            excused=world.invariants.excused,
            visited=tuple(self.faults.visited),
        )

    # Who does what

    def _begin(self, order: Ordered) -> None:
        name = order.name
        customer = self._customer(name, order.draft)
        self._at(order.place_at, customer.place)
        for at in order.resend_at:
            self._maybe(Fault.RESENT, f"{name} sent again at {at}", at, customer.place)
        if order.cancel_at is not None:
            self._maybe(Fault.CANCELLED, f"{name} cancelled", order.cancel_at, customer.cancel)
        if order.refund_at is not None:
            self._maybe(Fault.REFUNDED, f"{name} refunded", order.refund_at, customer.refund)
        if order.read_at is not None:
            self._at(order.read_at, customer.read)
        if order.stranger_at is not None and order.namesake is None:
            place, ask = f"{name} and a stranger", ask_as_stranger
            self._maybe(Fault.STRANGER, place, order.stranger_at, ask, self.world, customer.key)
        if order.clash is not None:
            other = self._customer(f"{name} with other content", order.clash)
            self._maybe(Fault.CLASH, f"{name} clashes", order.clash_at, other.place)
        if order.namesake is not None:
            other = self._customer(f"{name} of another", order.namesake)
            self._maybe(Fault.NAMESAKE, f"{name} has a namesake", order.namesake_at, other.place)
        if order.second_account_at is not None:
            other = self._customer(f"{name} of a second account", paid_by_another(order.draft))
            place, at = f"{name} was paid once", order.second_account_at
            self._maybe(Fault.PAID_ONCE, place, at, other.place)
        self._approve(order)

    def _approve(self, order: Ordered) -> None:
        for number, decision in enumerate(order.decisions, 1):
            by = decision.by
            approver = Approver(
                world=self.world,
                key=order.draft.key,
                person=by,
                verdict=decision.verdict,
                may=by in APPROVERS,
            )
            self.approvers.append(approver)
            place = f"{order.name} {decision.verdict} by {by.id}, decision {number}"
            self._maybe(Fault.DECIDED, place, decision.at, approver.decide)
        if order.checked_at is not None:
            place, check = f"{order.name} checked at the end of its time", operator.force
            self._maybe(
                Fault.CHECK_FORCED, place, order.checked_at, check, self.world, order.draft.key
            )
        if order.ends_at is not None:
            self._at(order.ends_at - BEFORE_END, self._go_wrong_until, order.ends_at + AFTER_END)

    def _read_soon(self, key: tuple[str, str]) -> None:
        """A return may just be on record, and its refund be owed."""
        for customer in self.customers:
            if _key(customer.key) == key:
                self.world.scheduler.after(READ_SOON_MS, customer.read)

    def _go_wrong_until(self, end: int) -> None:
        """Whatever went wrong before does so again."""
        self.heal_at = self.faults.heal_at = max(self.heal_at, START + end)

    def _change_prices(self, change: PriceChange) -> None:
        world = self.world
        at, damaged, key = change.published_at, world.bucket.damaged, book_key("sale")
        self._at(at, world.publish, "sale", START + change.begins_at)
        if change.damaged:
            self._maybe(Fault.DAMAGED_BOOK, "the sale's book damaged", at, damaged.add, key)
            self._at(self.plan.heal_after, damaged.discard, key)
        for draft, at in change.forged:
            name = world.name_of(draft.key.customer_id, draft.key.order_id)
            self._maybe(Fault.FORGED, name, at, self._customer(name, draft).place)

    def _customer(self, name: str, draft: Draft) -> Customer:
        customer = Customer(
            key=draft.key, order=draft.order, world=self.world, name=name, draft=draft
        )
        self.customers.append(customer)
        return customer

    def _plan_moment(self, moment: Moment) -> None:
        world, kind, at = self.world, moment.kind, moment.at
        match kind:
            case Fault.POISON_MESSAGE:
                send = world.queues[moment.where].send
                self._maybe(
                    kind, f"poison for {moment.where}", at, send, "poison", _POISON, {}, None
                )
            case Fault.POISON_RECORD:
                place = f"record {at + 1} of the stream spoiled"
                if self.faults.allows(place):
                    world.stream.spoil(at, lambda: self._is_spoilt(kind, place))
            case Fault.PURGED:
                where = moment.where
                self._maybe(kind, f"{where} purged", at, operator.purge, world, where)
            case Fault.REDRIVEN:
                self._maybe(kind, "dead letters redriven", at, operator.redrive_meanwhile, world)

    def _is_spoilt(self, kind: Fault, place: str) -> bool:
        now = self.world.now()
        return now < self.heal_at and self.faults.injects(kind, place, now)

    def _at(self, after: int, do: Callable[..., object], *arguments: object) -> None:
        self.world.scheduler.at(START + after, do, *arguments)

    def _maybe(
        self, kind: Fault, place: str, after: int, do: Callable[..., object], *arguments: object
    ) -> None:
        """Something that a shrunk schedule may leave out."""

        def inject() -> None:
            if self.faults.injects(kind, place, self.world.now()):
                if self.world.trace is not None:
                    self.world.trace.add(self.world.now(), "", place, fault=kind.value)
                do(*arguments)

        self._at(after, inject)

    def _later_on(self) -> None:
        broken = self.world.invariants.broken
        if self.plan.payments is not None and not broken:
            self._reconcile(self.plan.payments)
            self._judge()
        if self.plan.months_later is not None and not broken:
            self._archive(self.plan.months_later)
            self._judge()

    # A day later

    def _pay(self, payments: Payments) -> None:
        """The gateway has taken what every order costs that is or could be sent."""
        sent = chain.from_iterable(
            (order.draft, order.clash, order.namesake) for order in self.plan.orders
        )
        drafts = [*filter(None, sent), *(draft for draft, _, _ in payments.payers)]
        # Others send what was refused with the payment of what was taken.
        paid = {draft.order.payment.reference: draft for draft in drafts if draft.order.payment}
        for reference, draft in paid.items():
            self._paid(draft, reference)
        if payments.twice and paid:
            first = next(iter(paid))
            self._paid(paid[first], f"{first}_again")

    def _paid(self, draft: Draft, reference: str) -> None:
        key, payment = draft.key, draft.order.payment
        metadata = {"customer_id": key.customer_id, "order_id": key.order_id}
        if payment is not None:
            self.world.gateway.pay(payment.amount, payment.currency, metadata, id_=reference)

    def _reconcile(self, payments: Payments) -> None:
        """Runs of payments, two of them at about the same time, while customers come back too late
        and orders leave the overflow queue; then two more, a day apart, when nothing goes wrong any
        more: the gateway keeps a failed answer for a day."""
        world = self.world
        world.scheduler.skip_to(max(world.now(), START + PLACEABLE_MS + 2 * HOUR))
        begins = world.now()
        self.heal_at = self.faults.heal_at = begins + payments.heal_after
        for number, (draft, payer, at) in enumerate(payments.payers, 1):
            if payer is Payer.DIES:
                continue
            customer = self._customer(f"paid order {number}", draft)
            if payer is Payer.SENDS_LATE:
                world.scheduler.at(begins + at, customer.place)
                world.scheduler.at(begins + at + SECOND, customer.refund)
            else:
                self._overflowed(customer, at, counted=payer is Payer.OVERFLOWED)
        for at in payments.runs_at:
            world.scheduler.at(begins + at, operator.reconcile, world)
        world.scheduler.run(self.heal_at)
        world.scheduler.skip_to(self.heal_at + HOUR)
        self._rest()
        self._redrive()
        for _ in range(2):
            world.scheduler.skip_to(world.now() + PLACEABLE_MS)
            operator.reconcile(world)
            self._rest()
        for customer in self.customers:
            customer.read()
        self._rest()
        world.invariants.judge_payments(list(world.gateway.payments()))

    def _counts_lag(self) -> bool:
        stale = any(fault.kind is Fault.STALE_COUNT for fault in self.faults.injected)
        return stale or not all(
            each.counted for each in self.world.queues["overflow"].messages.values()
        )

    def _overflowed(self, customer: Customer, drained_after: int, *, counted: bool) -> None:
        """A day ago it was answered 202; drain gets it so long after now."""
        world, draft = self.world, customer.draft
        # Before any outage: this order is no evidence of one.
        accepted_at = order_id_time(draft.key.order_id)
        content = content_of(draft.event["body"].encode())
        if not isinstance(content, Content):
            raise TypeError("the catalogue has an order that cannot be read")
        order = AcceptedOrder(draft.key, accepted_at, content.digest, draft.order, book="today")
        body = overflow_message_of(order)
        queue = world.queues["overflow"]
        queue.send(world.label(body), body, {}, drained_after).counted = counted
        customer.sent = True
        answered_at = datetime.fromtimestamp(accepted_at // 1000, UTC).isoformat()
        customer.answers.append(Answer(202, answered_at))
        world.invariants.acknowledged(draft, 202)

    # Months later

    def _archive(self, later: MonthsLater) -> None:
        """Runs of the archive, among acts and faults; then, when nothing goes wrong any more, one
        for what they left; and once more months later, for what was reopened."""
        world = self.world
        self._pass_months()
        begins = world.now()
        self.heal_at = self.faults.heal_at = begins + later.heal_after
        if later.out_from is not None:
            self.faults.add(Outage("s3", begins + later.out_from, self.heal_at))
        for at in later.runs_at:
            world.scheduler.at(begins + at, operator.archive, world)
        orders = {order.name: order for order in self.plan.orders}
        # A shrunk plan has lost some of its orders.
        acts = (act for act in later.acts if act[0] in orders)
        for name, act, at in acts:
            order = orders[name]
            place = f"{order.name} {act}, months later"
            self._maybe_late(place, begins + at, partial(self._act_late, act, order))
        world.scheduler.run(self.heal_at)
        world.scheduler.skip_to(self.heal_at + HOUR)
        operator.archive(world)
        self._rest()
        self._maybe_redrive()
        self._rest()
        self._pass_months()
        operator.archive(world)
        self._rest()
        for customer in self.customers:
            customer.read()
        self._rest()
        self._judge_archive()

    def _pass_months(self) -> None:
        scheduler = self.world.scheduler
        scheduler.skip_to(scheduler.now + MONTHS_MS)

    def _maybe_late(self, place: str, at: int, do: Callable[[], object]) -> None:
        def act() -> None:
            if self.faults.injects(Fault.LATE_ACT, place, self.world.now()):
                do()

        self.world.scheduler.at(at, act)

    def _act_late(self, act: LateAct, order: Ordered) -> None:
        key = order.draft.key
        [customer, *_] = (each for each in self.customers if each.draft is order.draft)
        match act:
            case LateAct.CANCELLED:
                customer.cancel()
            case LateAct.READ:
                customer.read()
            case LateAct.RESENT:
                customer.place()
            case LateAct.CHECKED:
                operator.force(self.world, key)
            case LateAct.RETURNED if self.world.parcels is not None:
                self.world.parcels.tell_again(_key(key))
            case LateAct.COMMANDED:
                operator.command_again(self.world, key)
            # Of two who sent different orders under one id, the order tells which was taken.
            case LateAct.ERASED if order.clash is None and order.second_account_at is None:
                # From here on it must be what is left, wherever it is.
                customer.order = operator.erase(self.world, key) or customer.order

    def _judge_archive(self) -> None:
        """Everything has left the table, and each line of the archive is named by a stub."""
        world = self.world
        named = {}
        for item in world.table.items():
            key = items.key_of(item)
            if items.is_stub(item):
                named[key] = items.location_of(item)
            elif not items.is_void(item):
                what = "the facts" if items.is_progress(item) else "the order"
                self._break(Promise.ALWAYS_SETTLES, key, f"{what} stayed in the table for months")
        for object_key, content in world.archive.objects.items():
            if object_key == JOURNAL_KEY:
                continue
            for key, location in archive_file.lines_in(object_key, content).items():
                if named.get(key) != location:
                    self._break(OWN_LINE, key, f"a line of {object_key} is named by no stub")

    # How it ends

    def _rest(self) -> None:
        scheduler = self.world.scheduler
        scheduler.run(max(scheduler.now, self._begins_to_rest()) + REST_MS)
        scheduler.skip_to(max(scheduler.now, self.heal_at))
        if not scheduler.idle:
            detail = f"still busy {REST_MS // HOUR} h after the last fault"
            self._break(Promise.ZERO_IDLE, None, detail)

    @property
    def held_until(self) -> int:
        """Until when an order is held that nobody decides about. Whoever is turned away in an
        outage places it at its end."""
        of_company = [order for order in self.plan.orders if order.draft.person]
        placed = [max(START + each.place_at, self.heal_at) for each in of_company]
        return max((at + HOLD_MS for at in placed), default=0)

    def _begins_to_rest(self) -> int:
        """Nothing goes wrong any more then, no order is held, and fulfilment has told all."""
        parcels = self.world.parcels
        return max(self.heal_at, self.held_until, 0 if parcels is None else parcels.last_at)

    def _force(self) -> None:
        """Repeating what is true must change nothing."""
        if not any(moment.kind is Fault.CHECK_FORCED for moment in self.plan.moments):
            return
        place = "an operator forces a check"
        if self.faults.injects(Fault.CHECK_FORCED, place, self.world.now()):
            for customer in self.customers:
                operator.force(self.world, customer.key)
            self._rest()

    def _end_express(self, path: ExpressPath) -> None:
        """Every breaker has closed by now: an order is settled by express. Or an earlier release
        comes, and customers cancel what express has settled."""
        world = self.world
        if path.rolled_back:
            world.roll_back()
            for customer in self.customers:
                if customer.answers:
                    customer.cancel()
            self._rest()
        # Its id, and its price, are those of the start.
        late = world.now() > START + ID_KEPT_MS or self.plan.price_change is not None
        if late or not (path.probed or path.rolled_back):
            return
        self._customer("the order at the end", probe()).place()
        self._rest()
        settles = path.at_end and not self.plan.without_keys and not self.plan.later
        if settles and not world.settled_by_express(probe().key):
            detail = "was not settled by express, and all has been well for an hour"
            self._break(EXPRESS_WITHIN_BOUNDS, probe().key, detail)

    def _called_out(self) -> None:
        """Relay's dead letters set off an alarm, and an operator comes within the hour."""
        self.world.scheduler.after(OPERATOR_MS, operator.redrive, self.world)

    def _maybe_redrive(self) -> None:
        dead_letters = self.world.dead_letters.values()
        if any(queue.messages for queue in dead_letters):
            for queue in dead_letters:
                operator.discard(queue, _POISON)
            operator.redrive(self.world)

    def _redrive(self) -> None:
        for _ in range(REDRIVES_MAX):
            if not any(self._dead_letters()):
                return
            self.world.scheduler.skip_to(self.world.now() + OPERATOR_MS)
            self._maybe_redrive()
            self._rest()
        for name, dead_letter in self._dead_letters():
            detail = f"{dead_letter.id} stays a dead letter of {name}"
            self._break(Promise.ALWAYS_SETTLES, None, detail)

    def _dead_letters(self) -> Iterator[tuple[str, Message]]:
        """Those that a redrive should finish, with their queues: all but poison, clashes, and what
        a downstream cannot mean."""
        for name, queue in self.world.dead_letters.items():
            if name.startswith("outcomes-"):
                continue
            for message in queue.messages.values():
                if message.body != _POISON and _CLASH not in _reason(message):
                    yield name, message

    def _dead_letters_are_expected(self) -> None:
        """No person should have to act, unless another system broke a contract. One that is called
        with a wrong key, or at a wrong address, did not: its orders wait."""
        injected = {fault.kind for fault in self.faults.injected}
        for name, dead_letter in self._dead_letters():
            reason = _reason(dead_letter)
            if "DDBStreamBatchInfo" in dead_letter.body:
                fine = True
            elif name == "relay":
                fine = Fault.POISON_RECORD in injected
            else:
                fine = bool(reason) and name in self.plan.without_keys
            if not fine:
                detail = f"{dead_letter.id} is a dead letter of {name}: {reason or 'no reason'}"
                self._break(Promise.ALWAYS_SETTLES, None, detail)

    # What is judged

    def _break(self, promise: str, key: OrderKey | None, detail: str) -> None:
        order = None if key is None else (key.customer_id, key.order_id)
        self.world.invariants.breaks(promise, order, detail)

    def _break_all(self, violations: Iterable[Violation]) -> None:
        for violation in violations:
            self._break(violation.promise, violation.key, violation.detail)

    def _judge(self) -> None:
        stored = [*self.world.stored_items()]
        of_orders = by_order(placed_here(stored))
        records = [record_of(key, found) for key, found in of_orders.items()]
        self._break_all(judge(records, self._effects(), self._acknowledgements(records)))
        erased = {items.key_of(item) for item in stored if items.ERASED_AT in item}
        for record in records:
            if record.stored:
                self._judge_announcements(record, erased)
        self._judge_isolation()
        self._judge_coupons(stored)
        self._judge_approvals(records)
        self._judge_told()
        self._judge_news(stored, erased)

    def _judge_coupons(self, stored: Collection[items.Item]) -> None:
        """Nothing that an order used up is lost to one that does not stand, or given back twice."""
        uses = [*self.world.coupons.items()]
        if not (any(items.CLAIMS in item for item in stored) or any(claims_in(uses))):
            return  # There is nothing to compare, and a database costs a thirtieth of a schedule.
        with closing(Evidence()) as evidence:
            evidence.add_orders(stored)
            evidence.add_uses(uses)
            self._break_all(judge_coupons(evidence.findings()))

    def _judge_approvals(self, records: Iterable[Record]) -> None:
        """What an approver was told is decided, is on record so."""
        approvals = {record.key: record.facts.approval for record in records}
        for approver in self.approvers:
            approval = approvals.get(approver.key)
            if approver.taken and (approval is None or approval.verdict != approver.verdict):
                detail = f"{approver.person.id} was told that it is {approver.verdict}"
                self._break(Promise.ACKNOWLEDGED_IS_DURABLE, approver.key, detail)

    def _judge_told(self) -> None:
        """What a downstream cannot mean is kept for a person, and nothing else is."""
        world = self.world
        misdirected = {name: {*decider.misdirected} for name, decider in world.deciders.items()}
        news: Collection[bytes] = ()
        if world.parcels is not None:
            news = world.parcels.sent.keys()
            misdirected.setdefault("fulfilment", set()).update(world.parcels.misdirected)
        for name, wrong in misdirected.items():
            kept = self._kept(name)
            for body in wrong & world.told[name] - kept:
                self._break(ALWAYS_TOLD, None, f"{body!r} was taken from {name} and is not kept")
            for body in kept - wrong - {*news}:
                self._break(ALWAYS_TOLD, None, f"{body!r} of {name} is a dead letter")

    def _kept(self, downstream: Downstream) -> set[bytes]:
        """What is kept for a person of what a downstream has told."""
        queue = self.world.dead_letters.get(f"outcomes-{downstream}")
        messages = () if queue is None else queue.messages.values()
        return {message.body.encode() for message in messages}

    def _judge_news(self, stored: Iterable[items.Item], erased: Collection[OrderKey]) -> None:
        """Each news is on record as it was told, or kept for a person: only where fulfilment has
        contradicted itself, or the order was archived. Nothing else is on record."""
        parcels = self.world.parcels
        if parcels is None:
            return
        kept, told = self._kept("fulfilment"), defaultdict(set)
        on_record = {
            (items.key_of(item), name): news_content_of(fact)
            for item in stored
            for name, fact in item.items()
            if "#" in name
        }
        for body, (customer_id, order_id) in parcels.sent.items():
            key = OrderKey(CustomerId(customer_id), OrderId(order_id))
            message = msgspec.json.decode(body, type=News)
            content = message.content
            if key in erased:
                content = (content[0], None, content[2])
            told[key, message.name].add(content)
            named = message.name or f"{message.status} of no parcel"
            is_on_record = on_record.get((key, message.name)) == content
            if body in kept and _key(key) not in parcels.for_a_person:
                self._break(ALWAYS_TOLD, key, f"{named} is kept for a person")
            elif body in self.world.told["fulfilment"] and not is_on_record and body not in kept:
                self._break(ALWAYS_TOLD, key, f"{named} was taken, and is nowhere")
        for (key, name), content in on_record.items():
            if content not in told[key, name]:
                self._break(ALWAYS_TOLD, key, f"{name} is on record, and was never told so")

    def _judge_isolation(self) -> None:
        """Only where an outage is the one fault: others delay other steps too. Whoever decides
        later may take longer than any outage."""
        if self.plan.later:
            return
        if {fault.kind for fault in self.faults.injected} - _HARMLESS != {Fault.OUTAGE}:
            return
        if [each.service in UNDISTURBED for each in self.plan.outages] != [True]:
            return
        [outage] = self.plan.outages
        # An order that was cancelled is undone: not all that it would have needed is done.
        cancelled = {each.key for each in self.customers if each.cancellation_sent}
        keys = tuple(
            customer.key
            for customer in self.customers
            if customer.answers
            and customer.key not in cancelled
            and customer.draft.person is None
            and outage.begins <= _at(customer.answers[0]) < outage.ends - UNDISTURBED_MS
        )
        audited = AuditOutage(outage.service, outage.begins, outage.ends, keys)  # type: ignore[arg-type]
        self._break_all(judge_isolation(audited, self._effects()))

    def _acknowledgements(self, records: Iterable[Record]) -> Iterator[Acknowledgement]:
        """One for each key that was sent. Of two customers who sent different orders under one key,
        that of the one whose order was taken; the other one must have been refused, or the clash
        must be a dead letter, where a person sees it."""
        stored = {record.key: record.order for record in records}
        by_key: defaultdict[OrderKey, list[Customer]] = defaultdict(list)
        for customer in self.customers:
            if customer.sent:
                by_key[customer.key].append(customer)
        for key, customers in by_key.items():
            if self.world.invariants.is_void((key.customer_id, key.order_id)):
                self._was_void(customers)
                continue
            taken = (each for each in customers if each.order == stored.get(key))
            owner = next(taken, customers[0])
            for other in customers:
                if other is not owner:
                    self._was_refused(other)
            owner.cancellation_sent = any(each.cancellation_sent for each in customers)
            owner.cancellation_taken = any(each.cancellation_taken for each in customers)
            yield owner

    def _was_void(self, customers: Iterable[Customer]) -> None:
        """What was acknowledged under an id that is void now had overflowed, and was withdrawn
        before it was placed."""
        for customer in customers:
            for answer in customer.answers:
                if answer.status != 202:
                    detail = f"answered {answer.status}, and its id is void"
                    self._break(Promise.ACKNOWLEDGED_IS_DURABLE, customer.key, detail)

    def _was_refused(self, customer: Customer) -> None:
        """Other content than what was taken was refused, or its clash is a dead letter."""
        dead_letters = self.world.dead_letters["overflow"].messages.values()
        text = customer.draft.compressed_text
        clashed = any(text in dead_letter.body for dead_letter in dead_letters)
        for answer in customer.answers:
            if answer.status != 202 or not clashed:
                detail = f"other content under its id was answered {answer.status}"
                self._break(Promise.ONE_ORDER_PER_ID, customer.key, detail)

    def _effects(self) -> Iterator[Effect]:
        for downstream in DOWNSTREAMS:
            entries = self.world.ledgers[downstream].all_entries()
            effects = [_effect(downstream, entry) for entry in entries]
            if downstream in self.plan.without_keys:
                # Without keys a second effect is for the invariant checker to judge.
                first = {(effect.key, effect.step): effect for effect in reversed(effects)}
                effects = [*first.values()]
            yield from effects

    def _judge_announcements(self, record: Record, erased: Collection[OrderKey]) -> None:
        heard, key = self.world.topic.heard, record.key
        if self.plan.silent:
            if heard:
                self._break(ANNOUNCED, key, "an event was announced where none is published")
            return
        reads = (each.status for each in self.customers if each.key == key)
        final = next(filter(None, reads), None)
        events = {kind.name.lower() for kind in EventType} - {*What}
        named = {event for event in events if f"{key.customer_id}/{key.order_id}/{event}" in heard}
        for what in ("accepted", final):
            if what is not None and what not in named:
                self._break(ANNOUNCED, key, f"was never announced as {what}")
        if self.world.parcels is not None:
            self._judge_news_announced(record)
        # What an operator would have announced again is what was announced.
        for event in all_true(key, Millis(record.accepted_at or 0), record.facts):
            before = heard.get(event.id)
            if event.news is not None and key in erased:
                continue  # It has no tracking number any more.
            if before is not None and before != msgspec.json.decode(cloud_event(event)):
                self.world.invariants.contradicted(event.id)
        untrue = named - {"accepted", final, "confirmed" if final == "cancelled" else None}
        for what in sorted(untrue):
            self._break(ANNOUNCED, key, f"was announced as {what}, and is {final}")

    def _judge_news_announced(self, record: Record) -> None:
        key = record.key
        order = f"{key.customer_id}/{key.order_id}/"
        told = {id_.removeprefix(order) for id_ in self.world.topic.heard if id_.startswith(order)}
        on_record = {f"{what}/{parcel}".rstrip("/") for what, parcel in record.facts.news}
        for what in on_record ^ {each for each in told if each.partition("/")[0] in [*What]}:
            self._break(ANNOUNCED, key, f"{what} is on record or announced, and not both")


def _key(key: OrderKey) -> tuple[str, str]:
    return key.customer_id, key.order_id


def _at(answer: Answer) -> int:
    return round(datetime.fromisoformat(answer.accepted_at or "").timestamp() * 1000)


def _effect(downstream: Downstream, entry: Entry) -> Effect:
    key = OrderKey(CustomerId(entry.customer_id), OrderId(entry.order_id))
    return Effect(downstream, key, *_ENTRY_FIELDS(entry))


def _reason(dead_letter: Message) -> str:
    return str(dead_letter.attributes.get("reason", {}).get("StringValue", ""))
