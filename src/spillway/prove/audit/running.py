"""The audit of a running stack: every order of its table against all three downstreams' own tables.

Everything changes while it is read. The orders are read first, so each step that they say was done
is among the effects read after them. A later step is not, and looks like a violation: so an order
that looks broken is read again alone, and only that reading counts. Reading changes nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from orders.aws import items
from orders.domain import saga
from orders.domain.order import OrderKey
from orders.domain.promises import Promise
from orders.domain.saga import DOWNSTREAMS, Downstream
from orders.domain.units import CustomerId
from spillway.operate.coupons import uses
from spillway.operate.coupons.evidence import claims_in
from spillway.prove.audit.coupons import coupon_evidence, judge_coupons
from spillway.prove.audit.judging import Case, judge_access, judge_idleness, judge_order
from spillway.prove.audit.pricing import PriceAudit
from spillway.prove.audit.spool import Spool
from spillway.prove.audit.verdicts import Verdict, Violation, verdicts
from spillway.run.load.patience import Patience
from spillway.run.load.records import Probe
from spillway.target.reading import (
    OrdersTable,
    count_items,
    effects_of,
    pages,
    placed_here,
    read_depths,
    read_effects_of,
)
from spillway.target.records import Depth
from spillway.ui.progress import Bar

#: The longest wait between two tries of a command, and the watchdog's delay: an order that has not
#: moved for longer is held up by more than one slow answer.
UNSETTLED_AFTER_SECONDS = 900
#: An order that changes between two looks is looked at again, so often at most.
LOOKS_MAX = 3
#: More orders than this that look broken are not a race: the first look counts for the rest.
SECOND_LOOKS_MAX = 1_000
#: So many orders are asked for, by their owner and by another customer.
PROBED_ORDERS_MAX = 10
#: Once no order is under way, queues that have not become shorter for so long do not run empty.
REST_STALL_SECONDS = 20.0
REST_POLL_SECONDS = 0.5
#: When an order changed so shortly before the audit or during it, queues that hold something show
#: only that orders are coming in.
LIVE_SECONDS = 60

_NOT_JUDGED = {
    Promise.ACKNOWLEDGED_IS_DURABLE: "not judged: only customers know what they were answered",
    Promise.ONE_ORDER_PER_ID: "not judged: only customers know what they were answered",
    Promise.FAILURE_STAYS_LOCAL: "not judged: that needs an outage, see `spillway chaos`",
    Promise.COUPON_WITHIN_LIMITS: "not judged: no limited coupon was used",
    Promise.PAID_IS_ORDERED_OR_REFUNDED: (
        "not judged: only the gateway knows who has paid, see `spillway payments reconcile`"
    ),
}


#: What a customer's GET of an order id is answered: the HTTP status.
Ask = Callable[[str], int]


@dataclass(slots=True)
class Audited:
    """What an audit found. `broken` are the violations that have an order.

    `orders` counts those in the table; of them, `under_way` have not settled and are young.
    `changed_at` is when the last of them changed, Unix milliseconds.
    """

    orders: int = 0
    settled: int = 0
    under_way: int = 0
    changed_at: int = 0
    effects: dict[Downstream, int] = field(default_factory=dict)
    dead_letters: int = 0
    broken: list[Violation] = field(default_factory=list)
    promises: dict[Promise, Verdict] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def held(self) -> bool:
        return all(verdict.held for verdict in self.promises.values())


@dataclass(slots=True)
class Audit:
    """What is audited: the orders, the queues, the tables' names by `orders`, `coupons` and
    downstream, the queues' URLs by name, and the customers, by their ids, whose tokens the audit
    has.

    `unsettled_after_seconds`: an order that has not settled and has not moved for so long breaks
    always_settles; a younger one is under way. `now` is Unix seconds.
    """

    orders: OrdersTable
    sqs: Any
    tables: Mapping[str, str]
    queues: Mapping[str, str]
    customers: Mapping[str, Ask]
    prices: PriceAudit
    progress: Bar
    unsettled_after_seconds: float = UNSETTLED_AFTER_SECONDS
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    found: Audited = field(default_factory=Audited)
    _second_looks: int = 0
    _limited_coupons: bool = False
    _sampled: list[OrderKey] = field(default_factory=list)

    @property
    def dynamodb(self) -> Any:
        return self.orders.dynamodb

    def run(self) -> Audited:
        began_at = self.now()
        with closing(Spool()) as spool:
            self._read(spool)
            self.progress.start("Judging the orders", self.found.orders)
            for case in spool.cases():
                self.found.broken += self._judged(case)
                self.progress.advance()
        self.progress.start("Asking for other customers' orders", len(self._sampled))
        probes = list(self._probes())
        self.found.broken += judge_access(probes)
        self.progress.start("Counting limited coupons", 1)
        coupons = self._coupons()
        self.progress.start("Reading the queues", 1)
        depths, busy = self._depths(began_at)
        self.found.broken += judge_coupons(coupons.findings)
        self.found.dead_letters = sum(d.messages for d in depths if d.is_dead_letter)
        self.found.promises = verdicts(
            [*self.found.broken, *judge_idleness(depths, {})],
            self._evidence(probes, depths, busy) | self.prices.evidence | coupon_evidence(coupons),
            _NOT_JUDGED
            | self.prices.not_judged
            | ({Promise.ZERO_IDLE: f"not judged: {busy}"} if busy else {}),
        )
        self.found.seconds = self.now() - began_at
        return self.found

    def _read(self, spool: Spool) -> None:
        dynamodb, tables = self.dynamodb, self.tables
        read = [tables[name] for name in ("orders", *DOWNSTREAMS)]
        count = sum(count_items(dynamodb, name) for name in read)
        self.progress.start("Reading the four tables", count)
        for page in self.orders.pages():
            self._limited_coupons |= any(items.CLAIMS in item for item in page)
            for record in spool.add_items(placed_here(page)):
                # An order never changes: what is read now needs no second look.
                self.found.broken += self.prices.judge(record)
            self.progress.advance(len(page))
        for downstream in DOWNSTREAMS:
            count = 0
            for page in pages(dynamodb, tables[downstream]):
                effects = list(effects_of(page, downstream))
                spool.add_effects(effects)
                count += len(effects)
                self.progress.advance(len(page))
            self.found.effects[downstream] = count
        self.found.orders = spool.orders()

    def _judged(self, case: Case) -> list[Violation]:
        """The violations of one order, which is read again if there are any."""
        broken, under_way = self._broken(case)
        if broken and self._second_looks < SECOND_LOOKS_MAX:
            self._second_looks += 1
            case = self._look_again(case.key)
            broken, under_way = self._broken(case)
        if case.record is not None and case.record.stored:
            unsettled = any(one.promise is Promise.ALWAYS_SETTLES for one in broken)
            self.found.under_way += under_way
            self.found.settled += not under_way and not unsettled
            self.found.changed_at = max(self.found.changed_at, case.record.changed_at or 0)
            can_be_asked = case.key.customer_id in self.customers
            if can_be_asked and len(self._sampled) < PROBED_ORDERS_MAX:
                self._sampled.append(case.key)
        return broken

    def _broken(self, case: Case) -> tuple[list[Violation], bool]:
        """What is broken, and whether the order is only under way: not settled, and young."""
        violations = judge_order(case)
        since = 0 if case.record is None else case.record.changed_at or 0
        if saga.awaits_approval(case.facts):
            # An approver may take until then.
            since = case.facts.held_until or since
        if self.now() - since / 1000 >= self.unsettled_after_seconds:
            return violations, False
        broken = [one for one in violations if one.promise is not Promise.ALWAYS_SETTLES]
        return broken, len(broken) < len(violations)

    def _look_again(self, key: OrderKey) -> Case:
        """One order and its effects as they are now, read between two equal looks at it."""
        dynamodb, tables = self.dynamodb, self.tables
        record = self.orders.order(key)
        for _ in range(LOOKS_MAX):
            before, effects = record, []
            for downstream in DOWNSTREAMS:
                effects += read_effects_of(dynamodb, tables[downstream], downstream, key)
            record = self.orders.order(key)
            if record == before:
                break
        return Case(key, record, tuple(effects))

    def _coupons(self) -> uses.Audit:
        """Where nobody used a limited coupon, no order is read a second time."""
        if not self._limited_coupons:
            stored = chain.from_iterable(pages(self.dynamodb, self.tables["coupons"]))
            if next(claims_in(stored), None) is None:
                return uses.Audit(0, 0, [])
        return uses.audit(self.orders, self.tables["coupons"], self.sleep)

    def _probes(self) -> Iterator[Probe]:
        """Each sampled order is asked for by its owner, as a control, and by another customer.

        Only reads: an audit that tried to cancel would do harm where the promise is broken.
        """
        for number, key in enumerate(self._sampled):
            self.progress.advance()
            others = [id_ for id_ in self.customers if self._has_no_such_order(id_, key)]
            if not others:
                continue
            for customer_id in (key.customer_id, others[number % len(others)]):
                status = self.customers[customer_id](key.order_id)
                yield Probe("GET", key, customer_id == key.customer_id, status)

    def _has_no_such_order(self, customer_id: str, key: OrderKey) -> bool:
        """An id is unique per customer only: a customer who has an order under the same id is
        rightly given that one."""
        if customer_id == key.customer_id:
            return False
        theirs = OrderKey(CustomerId(customer_id), key.order_id)
        return all(map(items.is_void, self.orders.items_of(theirs)))

    def _depths(self, began_at: float) -> tuple[list[Depth], str | None]:
        """The queues' depths once they had time to run empty. While orders come in, only those of
        the dead-letter queues, and the reason."""
        fewest, patience = math.inf, Patience(REST_STALL_SECONDS, self.now)
        while True:
            depths = read_depths(self.sqs, self.queues)
            dead_letters = [depth for depth in depths if depth.is_dead_letter]
            if self.found.under_way:
                return dead_letters, f"{self.found.under_way:,} orders are under way"
            if not judge_idleness([depth for depth in depths if depth not in dead_letters], {}):
                return depths, None
            fewest = min(fewest, sum(depth.messages for depth in depths))
            if patience.is_over(fewest):
                live = self.found.changed_at / 1000 > began_at - LIVE_SECONDS
                return (dead_letters, "orders are coming in") if live else (depths, None)
            self.sleep(REST_POLL_SECONDS)

    def _evidence(
        self, probes: Sequence[Probe], depths: Sequence[Depth], busy: str | None
    ) -> dict[Promise, str]:
        """What each promise was judged by, with the numbers; nothing for one that could not be."""
        found = self.found
        queues = f"{len(depths)} queues; functions not judged"
        evidence = {} if busy else {Promise.ZERO_IDLE: queues}
        if not found.orders and not any(found.effects.values()):
            return evidence
        under_way = f", {found.under_way:,} under way" if found.under_way else ""
        evidence |= {
            Promise.ONE_EFFECT_PER_STEP: (
                f"{sum(found.effects.values()):,} entries in the downstreams' tables"
            ),
            Promise.ALWAYS_SETTLES: f"{found.orders:,} orders{under_way}, every dead-letter queue",
            Promise.NEVER_HALF_DONE: f"{found.settled:,} final states against three tables",
        }
        attempts = sum(not probe.by_owner for probe in probes)
        if attempts:
            evidence[Promise.OWN_ORDERS_ONLY] = f"{attempts} attempts by other customers"
        return evidence
