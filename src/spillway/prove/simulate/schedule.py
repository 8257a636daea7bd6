"""One schedule from its seed to its verdict: faults, healing, judgement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from orders.aws.topic import cloud_event
from orders.domain.events import EventType, all_true
from orders.domain.order import OrderKey
from orders.domain.promises import Promise
from orders.domain.saga import DOWNSTREAMS
from orders.domain.units import CustomerId, Millis, OrderId
from simulation.catalogue import ADA, BOB, START, Draft
from simulation.downstreams.ledger import Entry, all_entries
from simulation.world.faults import Fault, Faults, Injected
from simulation.world.invariants import ANNOUNCED, Broken
from simulation.world.sqs import Queue
from simulation.world.trace import Trace
from simulation.world.world import ORDERS_TABLE, World
from spillway.prove.audit.judging import judge, judge_isolation
from spillway.prove.audit.verdicts import Violation
from spillway.prove.simulate import operator
from spillway.prove.simulate.customers import Api, Customer, Stranger
from spillway.prove.simulate.plan import HOUR, Moment, Ordered, Plan
from spillway.run.load.records import Acknowledgement, Answer
from spillway.run.load.records import Outage as AuditOutage
from spillway.target.reading import read_orders
from spillway.target.records import Effect
from spillway.target.records import Record as AuditRecord

#: Once nothing goes wrong any more, everything comes to rest within this.
REST_MS = 24 * HOUR
#: After so long an operator looks at the dead letters, from the healing or from an alarm.
OPERATOR_MS = HOUR
#: How often an operator redrives before what is left counts as stuck.
REDRIVES_MAX = 3

#: Within this an order passes the steps that no outage holds up.
UNDISTURBED_MS = 5_000
#: Kinds that slow nothing down.
_HARMLESS = frozenset(
    {Fault.RESENT, Fault.STRANGER, Fault.NAMESAKE, Fault.CANCELLED, Fault.CLASH, Fault.COLD_START}
)
#: Downstreams that no other step waits for.
_ISOLATED = frozenset({"fulfilment", "accounting"})

_POISON = "this is no message of ours"


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
    calls: int
    rested_ms: int
    states: frozenset[str]
    outcomes: Counter[str]
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
    schedule = _Schedule(plan, only, forced, trace)
    result = schedule.run()
    schedule.world.close()
    return result


class _Schedule:
    def __init__(
        self,
        plan: Plan,
        only: Collection[str] | None,
        forced: Mapping[str, Fault] | None,
        trace: Trace | None,
    ) -> None:
        self.plan = plan
        self.heal_at = START + plan.heal_after
        self.faults = Faults(
            plan.seed,
            plan.rates,
            self.heal_at,
            outages=plan.outages,
            only=only,
            forced=forced,
        )
        names: dict[tuple[str, str], str] = {}
        for order in plan.orders:
            names[ADA, order.draft.key.order_id] = order.name
            names[BOB, order.draft.key.order_id] = f"{order.name} of another"
        self.world = World(
            plan.seed,
            START,
            self.faults,
            names,
            fault_settings=plan.fault_settings,
            without_keys=plan.without_keys,
            shards=plan.shards,
            stream_poll_ms=plan.stream_poll_ms,
            trace=trace,
        )
        self.api = Api(self.world)
        self.world.on_given_up = self._called_out
        if trace is not None:
            self.world.invariants.on_broken = lambda broken: trace.add(
                broken.at, "", str(broken), fault="broken"
            )
        self.customers: list[Customer] = []

    def run(self) -> Result:
        world = self.world
        scheduler = world.scheduler
        for order in self.plan.orders:
            self._begin(order)
        for moment in self.plan.moments:
            self._plan_moment(moment)
        scheduler.run(self.heal_at)
        scheduler.skip_to(self.heal_at)
        if world.trace is not None:
            world.trace.add(scheduler.now, "", "From here on nothing goes wrong any more.")
        scheduler.run(self.heal_at + OPERATOR_MS)
        scheduler.skip_to(self.heal_at + OPERATOR_MS)
        self._dead_letters_are_expected()
        self._maybe_redrive()
        self._rest()
        rested_ms = max(0, scheduler.now - self.heal_at)
        self._dead_letters_are_expected()
        self._redrive()
        self._force()
        for customer in self.customers:
            customer.read()
        self._rest()
        self._judge()
        return Result(
            seed=self.plan.seed,
            broken=tuple(world.invariants.broken),
            injected=tuple(self.faults.injected),
            side_effects=world.calls.changes,
            calls=world.calls.made,
            rested_ms=rested_ms,
            states=frozenset(world.invariants.states),
            outcomes=world.invariants.outcomes,
            excused=world.invariants.excused,
            visited=tuple(self.faults.visited),
        )

    # Who does what

    def _begin(self, order: Ordered) -> None:
        customer = self._customer(order.name, order.draft)
        self._at(order.place_at, customer.place)
        for at in order.resend_at:
            self._maybe(Fault.RESENT, f"{order.name} sent again at {at}", at, customer.place)
        if order.cancel_at is not None:
            self._maybe(
                Fault.CANCELLED, f"{order.name} cancelled", order.cancel_at, customer.cancel
            )
        if order.read_at is not None:
            self._at(order.read_at, customer.read)
        if order.stranger_at is not None and order.namesake is None:
            stranger = Stranger(self.api, self.world, BOB, order.draft.key)
            self._maybe(
                Fault.STRANGER, f"{order.name} and a stranger", order.stranger_at, stranger.ask
            )
        if order.clash is not None:
            other = self._customer(f"{order.name} with other content", order.clash)
            self._maybe(Fault.CLASH, f"{order.name} clashes", order.clash_at, other.place)
        if order.namesake is not None:
            other = self._customer(f"{order.name} of another", order.namesake)
            self._maybe(
                Fault.NAMESAKE, f"{order.name} has a namesake", order.namesake_at, other.place
            )

    def _customer(self, name: str, draft: Draft) -> Customer:
        customer = Customer(self.api, self.world, name, draft)
        self.customers.append(customer)
        return customer

    def _plan_moment(self, moment: Moment) -> None:
        world = self.world
        match moment.kind:
            case Fault.POISON_MESSAGE:
                queue = world.queues[moment.where]
                place = f"poison for {moment.where}"
                self._maybe(moment.kind, place, moment.at, queue.send, "poison", _POISON, {}, None)
            case Fault.POISON_RECORD:
                place = f"record {moment.at + 1} of the stream spoiled"
                if self.faults.allows(place):
                    world.stream.spoil(moment.at, lambda: self._inject(moment.kind, place))
            case Fault.PURGED:
                place = f"{moment.where} purged"
                self._maybe(moment.kind, place, moment.at, operator.purge, world, moment.where)
            case Fault.REDRIVEN:
                self._maybe(
                    moment.kind,
                    "dead letters redriven",
                    moment.at,
                    operator.redrive_meanwhile,
                    world,
                )

    def _inject(self, kind: Fault, place: str) -> None:
        self.faults.injects(kind, place, self.world.now())

    def _at(self, after: int, do: object, *arguments: object) -> None:
        self.world.scheduler.at(START + after, do, *arguments)  # type: ignore[arg-type]

    def _maybe(self, kind: Fault, place: str, after: int, do: object, *arguments: object) -> None:
        """Something that a shrunk schedule may leave out."""

        def inject() -> None:
            if self.faults.injects(kind, place, self.world.now()):
                if self.world.trace is not None:
                    self.world.trace.add(self.world.now(), "", place, fault=kind.value)
                do(*arguments)  # type: ignore[operator]

        self._at(after, inject)

    # How it ends

    def _rest(self) -> None:
        scheduler = self.world.scheduler
        scheduler.run(max(scheduler.now, self.heal_at) + REST_MS)
        if not scheduler.idle:
            self.world.invariants.breaks(
                Promise.ZERO_IDLE, None, f"still busy {REST_MS // HOUR} h after the last fault"
            )

    def _force(self) -> None:
        """Repeating what is true must change nothing."""
        if not any(moment.kind is Fault.CHECK_FORCED for moment in self.plan.moments):
            return
        place = "an operator forces a check"
        if self.faults.injects(Fault.CHECK_FORCED, place, self.world.now()):
            for customer in self.customers:
                operator.force(self.world, customer.draft.key)
            self._rest()

    def _called_out(self) -> None:
        """The alarm for relay's dead letters rings, and somebody comes within the hour."""
        self.world.scheduler.after(OPERATOR_MS, operator.redrive, self.world)

    def _maybe_redrive(self) -> None:
        dead_letters = any(queue.messages for queue in self.world.dead_letters.values())
        if dead_letters:
            for queue in self.world.dead_letters.values():
                operator.discard(queue, _POISON)
            operator.redrive(self.world)

    def _redrive(self) -> None:
        for _ in range(REDRIVES_MAX):
            if not any(self._unexpected(queue) for queue in self.world.dead_letters.values()):
                return
            self.world.scheduler.skip_to(self.world.now() + OPERATOR_MS)
            self._maybe_redrive()
            self._rest()
        for name, queue in self.world.dead_letters.items():
            for dead_letter in self._unexpected(queue):
                self.world.invariants.breaks(
                    Promise.ALWAYS_SETTLES,
                    None,
                    f"{dead_letter} lies with the dead letters of {name}",
                )

    def _unexpected(self, dead_letters: Queue) -> list[str]:
        """Dead letters that a redrive should finish: all but poison and clashes."""
        return [
            dead_letter.id
            for dead_letter in dead_letters.messages.values()
            if dead_letter.body != _POISON and not _is_clash(dead_letter.attributes)
        ]

    def _dead_letters_are_expected(self) -> None:
        """Nobody should have to touch anything, unless somebody else broke a contract."""
        injected = {fault.kind for fault in self.faults.injected}
        for name, queue in self.world.dead_letters.items():
            for dead_letter in queue.messages.values():
                if dead_letter.body == _POISON or _is_clash(dead_letter.attributes):
                    continue
                reason = _reason(dead_letter.attributes)
                if name == "relay":
                    fine = (
                        Fault.POISON_RECORD in injected or "DDBStreamBatchInfo" in dead_letter.body
                    )
                else:
                    fine = bool(reason) and (
                        Fault.MISROUTED in injected or name in self.plan.without_keys
                    )
                if not fine:
                    self.world.invariants.breaks(
                        Promise.ALWAYS_SETTLES,
                        None,
                        f"{dead_letter.id} lies with the dead letters of {name}:"
                        f" {reason or 'no reason'}",
                    )

    def _judge(self) -> None:
        world = self.world
        records = read_orders(world.client("dynamodb"), ORDERS_TABLE)
        acknowledgements = self._acknowledgements(records)
        self._break(judge(records, self._effects(), acknowledgements))
        self._judge_announcements(records)
        self._judge_isolation()

    def _break(self, violations: Iterable[Violation]) -> None:
        for violation in violations:
            key = violation.key
            self.world.invariants.breaks(
                violation.promise,
                None if key is None else (key.customer_id, key.order_id),
                violation.detail,
            )

    def _judge_isolation(self) -> None:
        """What an outage does alone is judged alone: other faults delay other steps too."""
        if {fault.kind for fault in self.faults.injected} - _HARMLESS != {Fault.OUTAGE}:
            return
        outages = [outage for outage in self.plan.outages if outage.service in _ISOLATED]
        if len(self.plan.outages) != 1 or not outages:
            return
        [outage] = outages
        # An order that was cancelled is undone: not all that it would have needed is done.
        cancelled = {each.draft.key for each in self.customers if each.cancellation_sent}
        keys = tuple(
            customer.draft.key
            for customer in self.customers
            if customer.answers
            and customer.draft.key not in cancelled
            and outage.begins <= _at(customer.answers[0]) < outage.ends - UNDISTURBED_MS
        )
        audited = AuditOutage(outage.service, outage.begins, outage.ends, keys)  # type: ignore[arg-type]
        self._break(judge_isolation(audited, self._effects()))

    def _acknowledgements(self, records: list[AuditRecord]) -> list[Acknowledgement]:
        """One for each key that was sent. Of two who sent different orders under one key, the one
        whose order was taken; the other must have been refused, or wait where a person sees it."""
        stored = {record.key: record.order for record in records}
        by_key: dict[OrderKey, list[Customer]] = {}
        for customer in self.customers:
            if customer.sent:
                by_key.setdefault(customer.draft.key, []).append(customer)
        found = []
        for key, customers in by_key.items():
            owners = [each for each in customers if each.draft.order == stored.get(key)]
            owner = owners[0] if owners else customers[0]
            for other in customers:
                if other is not owner:
                    self._was_refused(other)
            found.append(
                replace(
                    owner.acknowledgement,
                    cancellation_sent=any(each.cancellation_sent for each in customers),
                    cancellation_taken=any(each.cancellation_taken for each in customers),
                )
            )
        return found

    def _would_be_announced(self, record: AuditRecord) -> None:
        """What an operator would have announced again is what was announced."""
        for event in all_true(record.key, Millis(record.accepted_at or 0), record.facts):
            before = self.world.topic.heard.get(event.id)
            if before is not None and before != msgspec.json.decode(cloud_event(event)):
                self.world.invariants.contradicted(event.id)

    def _was_refused(self, customer: Customer) -> None:
        """Whose content was not taken was told so, or lies as a clash with the dead letters."""
        draft = customer.draft
        dead_letters = self.world.dead_letters["overflow"].messages.values()
        for answer in customer.answers:
            if answer.status != 202 or not any(
                draft.compressed_text in dead_letter.body for dead_letter in dead_letters
            ):
                self.world.invariants.breaks(
                    Promise.ONE_ORDER_PER_ID,
                    (draft.key.customer_id, draft.key.order_id),
                    f"other content under its id was answered {answer.status}",
                )

    def _effects(self) -> Iterator[Effect]:
        for downstream in DOWNSTREAMS:
            seen: set[tuple[str, str, str]] = set()
            for entry in all_entries(self.world.ledgers[downstream]):
                if downstream in self.plan.without_keys:
                    # Without keys a second effect is for the invariant checker to judge.
                    once = (entry.customer_id, entry.order_id, entry.step)
                    if once in seen:
                        continue
                    seen.add(once)
                yield _effect(downstream, entry)

    def _judge_announcements(self, records: list[AuditRecord]) -> None:
        heard = self.world.topic.heard
        for record in records:
            if not record.stored:
                continue
            key = (record.key.customer_id, record.key.order_id)
            final = next(
                (
                    customer.status_read
                    for customer in self.customers
                    if customer.draft.key == record.key and customer.status_read
                ),
                None,
            )
            named = {
                kind.name.lower()
                for kind in EventType
                if f"{key[0]}/{key[1]}/{kind.name.lower()}" in heard
            }
            for what in ("accepted", final):
                if what is not None and what not in named:
                    self.world.invariants.breaks(ANNOUNCED, key, f"was never announced as {what}")
            self._would_be_announced(record)
            untrue = named - {"accepted", final}
            if final == "cancelled":
                untrue -= {"confirmed"}
            for what in sorted(untrue):
                self.world.invariants.breaks(
                    ANNOUNCED, key, f"was announced as {what}, and is {final}"
                )


def _at(answer: Answer) -> int:
    return round(datetime.fromisoformat(answer.accepted_at or "").timestamp() * 1000)


def _effect(downstream: str, entry: Entry) -> Effect:
    return Effect(
        downstream=downstream,  # type: ignore[arg-type]
        key=_key(entry),
        step=entry.step,
        idempotency_key=entry.idempotency_key,
        done=entry.done,
        at=entry.at,
        code=entry.code,
        units=entry.units,
        amount=entry.amount,
        currency=entry.currency,
    )


def _key(entry: Entry) -> OrderKey:
    return OrderKey(CustomerId(entry.customer_id), OrderId(entry.order_id))


def _reason(attributes: object) -> str:
    return str(attributes.get("reason", {}).get("StringValue", ""))  # type: ignore[attr-defined]


def _is_clash(attributes: object) -> bool:
    return "already holds another order" in _reason(attributes)
