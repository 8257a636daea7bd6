"""What keeping orders costs: in the table, in its class for infrequent access, or archived.

Archived, an order's two items become a stub, and a line of an object in the archive has all that
they had (orders.aws.archive_file). Each day a thirtieth of the table is read for orders that have
become old enough.

Sizes are those of generated orders, as the service stores and archives them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from statistics import fmean
from uuid import UUID

import msgspec

from infra.stage import TableClass
from orders.aws import archive_file, items
from orders.domain.keeping import PARTS
from orders.domain.order import AcceptedOrder, Channel, OrderKey
from orders.domain.saga import Outcome, Step
from orders.domain.units import CustomerId, Millis
from simulation.catalogue import KEY, KEY_ID, START
from spillway.ids import order_id
from spillway.plan.cost.batches import CROWD
from spillway.plan.cost.model import MILLION, CostModel
from spillway.plan.cost.running import SEED
from spillway.plan.cost.usage import GB, STORED_ITEM_OVERHEAD_BYTES, table_price
from spillway.plan.price_list import Usage, Use, priced
from spillway.run.proxy.units import READ_UNIT_BYTES, WRITE_UNIT_BYTES, item_bytes, started
from spillway.run.workload import Draft, generate, pay

CHANNELS: tuple[Channel, ...] = ("retail", "wholesale")
#: Of each.
ORDERS = 300
#: In which the whole table is read once: a run a day looks at one of its parts.
MONTH_DAYS = PARTS
YEAR_MONTHS, SEVEN_YEARS_MONTHS = 12, 84
#: A write in a transaction is paid twice.
_TRANSACTION = 2
_BOOK = "20261123T1000-3f2a"


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of one order, on average, in bytes: its two items in the table, its stub, its line.
    `order_units`: the write units of its order item, and so of what takes its place."""

    order: float
    progress: float
    stub: float
    line: float
    order_units: float


@dataclass(frozen=True, slots=True)
class Way:
    """One way to keep orders. `days`: how long in the table before they are archived."""

    name: str
    table_class: TableClass = "standard"
    days: int | None = None

    @property
    def months(self) -> float | None:
        return None if self.days is None else self.days / MONTH_DAYS


STANDARD = Way("in the table")
#: Its row is worked out item by item.
WORKED_OUT = Way("archived after 90 days", days=90)
WAYS = (
    STANDARD,
    Way("in the table, infrequent access", "infrequent_access"),
    Way("archived after 400 days", days=400),
    WORKED_OUT,
    Way("archived after 90 days, infrequent access", "infrequent_access", 90),
)


class KeptCost(msgspec.Struct, frozen=True):
    """What keeping a million orders in one way costs in dollars, beyond taking them.

    `once`: dearer requests, archiving, being shown from the archive; `in_table`: each month there,
    `archived`: each month afterwards. `cheaper_after`: the months after which it has cost less than
    the table in its standard class, from then on; None: never.
    """

    name: str
    once: float
    in_table: float
    archived: float | None
    year: float
    seven_years: float
    cheaper_after: float | None


@cache
def sizes(channel: Channel) -> Sizes:
    """Of generated orders that were confirmed."""
    rng = random.Random(SEED)  # noqa: S311
    drafts = (one for one in generate(seed=SEED, count=4 * ORDERS) if one.order.channel == channel)
    stored = [_stored(draft, rng) for draft in islice(drafts, ORDERS)]
    lines = {items.key_of(order): archive_file.line_of(order, facts) for order, facts in stored}
    day = archive_file.day_of(Millis(START))
    archived = archive_file.new_object(day, f"{START}", lines)
    orders = [item_bytes(order) for order, _ in stored]
    return Sizes(
        order=fmean(orders),
        progress=fmean(item_bytes(facts) for _, facts in stored),
        stub=fmean(item_bytes(items.stub_item(*each)) for each in archived.locations.items()),
        line=len(archived.content) / len(lines),
        order_units=fmean(started(size, WRITE_UNIT_BYTES) for size in orders),
    )


def _stored(draft: Draft, rng: random.Random) -> tuple[items.Item, items.Item]:
    """An order's two items, with references as long as our fakes'."""
    customer = CustomerId(str(UUID(int=rng.getrandbits(128))))
    key = OrderKey(customer, order_id(START, rng))
    order = pay(draft, key, key_id=KEY_ID, key=KEY)
    accepted = AcceptedOrder(key, Millis(START), bytes(16), order, book=_BOOK, express=True)
    outcomes = {
        step: Outcome(Millis(START), f"{step}_{rng.getrandbits(64):016x}")
        for step in (Step.RESERVE, Step.SHIP, Step.POST)
    }
    facts = {step.value: items.outcome_attribute(outcome) for step, outcome in outcomes.items()}
    note = {items.EXPRESS: items.express_note(outcomes)}
    return items.order_item(accepted), {**items.progress_key(key), **facts, **note}


class Keeping:
    """`model` says what taking an order uses, of which the table's class has other prices."""

    def __init__(self, model: CostModel, sizes: Sizes) -> None:
        self.sizes, self.price_list = sizes, model.price_list
        self._taking, self._taken_in = model.a_web_order(CROWD), model.stage.table_class

    def costs(self) -> list[KeptCost]:
        return [self._cost(way) for way in WAYS]

    def worked_out(self, way: Way, months: float) -> Usage:
        """All that keeping an order for so long uses, without dearer requests."""
        in_table = months if way.months is None else min(way.months, months)
        usage = self._in_table(way).scaled(in_table)
        if way.months is not None and months > way.months:
            usage += self._archiving(way) + self._archived(way).scaled(months - way.months)
        return usage

    def _cost(self, way: Way) -> KeptCost:
        standard, in_table = (self._dollars(self._in_table(one)) for one in (STANDARD, way))
        dearer = once = self._dearer(way.table_class)
        archived = None
        if way.months is not None:
            once += self._dollars(self._archiving(way))
            archived = self._dollars(self._archived(way))
        return KeptCost(
            way.name,
            once,
            in_table,
            archived,
            dearer + self._dollars(self.worked_out(way, YEAR_MONTHS)),
            dearer + self._dollars(self.worked_out(way, SEVEN_YEARS_MONTHS)),
            _cheaper_after(standard, once, in_table, way.months or 0.0, archived),
        )

    def _dollars(self, usage: Usage) -> float:
        return priced(usage.scaled(MILLION), self.price_list).dollars

    def _dearer(self, table_class: TableClass) -> float:
        """What the table's requests for a web order and its looks cost more in this class."""
        return MILLION * sum(
            self._taking.units(table_price(kind, self._taken_in))
            * (self._each(kind, table_class) - self._each(kind, "standard"))
            for kind in ("write_units", "read_units")
        )

    def _each(self, kind: str, table_class: TableClass) -> float:
        return self.price_list[table_price(kind, table_class)].of(1)

    def _in_table(self, way: Way) -> Usage:
        """For a month."""
        size = self.sizes.order + self.sizes.progress
        uses = _stored_for_a_month("orders", size + 2 * STORED_ITEM_OVERHEAD_BYTES, way.table_class)
        return Usage((*uses, *self._looked_for("orders", size, way)))

    def _archived(self, way: Way) -> Usage:
        """For a month."""
        size = self.sizes.stub
        uses = _stored_for_a_month("stubs", size + STORED_ITEM_OVERHEAD_BYTES, way.table_class)
        line = Use("archive: kept", "s3.storage", self.sizes.line / GB)
        return Usage((*uses, *self._looked_for("stubs", size, way), line))

    def _archiving(self, way: Way) -> Usage:
        writes = _TRANSACTION * (self.sizes.order_units + 1)
        return Usage(
            (
                Use("table: archived", table_price("write_units", way.table_class), writes),
                Use("archive: written", "s3.puts", MONTH_DAYS / MILLION),
                Use("archive: shown once", "s3.gets", 1),
            )
        )

    def _looked_for(self, what: str, size: float, way: Way) -> Iterator[Use]:
        """Where orders are archived, the table is read once a month, eventually consistent."""
        if way.days is not None:
            price = table_price("read_units", way.table_class)
            yield Use(f"table: {what} read", price, size / READ_UNIT_BYTES / 2)


def _cheaper_after(
    standard: float, once: float, in_table: float, months: float, archived: float | None
) -> float | None:
    """When what was paid `once` has come back: `months` in the table, then `archived`, if at all,
    against the standard table all the time. All by the month."""
    later = in_table if archived is None else archived
    if later >= standard:
        return None
    return (once + (in_table - later) * months) / (standard - later)


def _stored_for_a_month(what: str, size: float, table_class: TableClass) -> tuple[Use, ...]:
    return (
        Use(f"table: {what} kept", table_price("storage", table_class), size / GB),
        Use(f"table: {what} recoverable", "dynamodb.recovery", size / GB),
    )
