"""What the use cases need from outside, in their own words. The adapters are in orders.aws and
orders.downstream, those in memory in simulation/.

Every method may raise `TransientFailure` or `PermanentFailure` (orders.failures).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from orders.domain.book import Book
from orders.domain.coupon_limits import Denied, NumberUsed, Use
from orders.domain.events import Event
from orders.domain.order import AcceptedOrder, Order, OrderKey, VoidId
from orders.domain.parcels import News
from orders.domain.saga import Approval, Downstream, Facts, Outcome, Step
from orders.domain.trace import Trace
from orders.domain.units import CustomerId, Millis, OrderId

if TYPE_CHECKING:
    # It needs all the rules, which not every function does.
    from orders.domain.payments import Paid

_A = TypeVar("_A")
_B = TypeVar("_B")


@dataclass(frozen=True, slots=True)
class Needs:
    """What the request of a step is made of, beside the command's own names. `goods`: what of an
    order may travel with its first command. `order`: what lies only where the order is stored.
    `references`: of the steps whose downstream's own name for what it did is asked for."""

    goods: bool = False
    order: bool = False
    references: frozenset[Step] = frozenset()


@dataclass(frozen=True, slots=True)
class Taken:
    """A downstream has taken a command and decides it later.

    `at`: when it first did, by our clock. `ask` as in `Later`. `times`: how often a message has
    said so anew, because there was another place to ask at.
    """

    at: Millis
    ask: str | None = None
    times: int = 1


@dataclass(frozen=True, slots=True)
class Command:
    """One step to be done for one order.

    `order` travels along to inventory where it is small, without what is the customer's; otherwise
    the receiver reads it. So it does with the `references` that the step's request has. `trace` is
    the one that the client named, if it did. `accepted_at` (the release of an order that was held)
    and `express` (orders.domain.order) are there for who has read the order. `until`: nobody waits
    for it after that, so it is not begun later; None where it is never too late. `taken`: its
    downstream has it, and decides it later.
    """

    key: OrderKey
    step: Step
    order: Order | None = None
    trace: Trace | None = None
    accepted_at: Millis | None = None
    express: bool = False
    until: Millis | None = None
    references: Mapping[Step, str] = field(default_factory=dict)
    taken: Taken | None = None

    def then(self, step: Step, until: Millis) -> Command:
        """Another step for the same order."""
        return replace(self, step=step, until=until)


@dataclass(frozen=True, slots=True)
class Check:
    """Later, see whether an order has settled.

    `force`: an operator wants everything that is owed and true sent again now.
    """

    key: OrderKey
    force: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """An order with all that is known of it. `archived`: it has left the table for the archive.
    `erased`: who its customer is was erased from it."""

    order: AcceptedOrder
    facts: Facts
    archived: bool = False
    erased: bool = False


@dataclass(slots=True, eq=False)
class Message:
    """A message as received from a queue.

    `attempt` is 1 when it is received for the first time. `receipt` is None for a message inside a
    batch message, which the queue knows nothing of. `batched` are the bodies inside, none for a
    single message. `log` collects the fields of its log line.
    """

    id: str
    body: str
    attempt: int
    receipt: str | None = None
    batched: Sequence[str] = ()
    log: dict[str, object] = field(default_factory=dict)


class Archived(Exception):
    """The order has left the table, and whoever asks does not read the archive. It had settled
    months before: nothing is owed to it."""


class Orders(Protocol):
    """The table, and the archive behind it. Every write is conditional; nothing is ever
    overwritten. Whoever does not read the archive may get `Archived` instead of an order."""

    def place(self, order: AcceptedOrder) -> AcceptedOrder | VoidId | None:
        """Store a new order durably. Returns what is already there under this key, if anything."""

    def void(self, void: VoidId) -> AcceptedOrder | None:
        """Store in an order's place that there will never be one. Returns the order that is there,
        if any: then nothing was stored."""

    def find(self, key: OrderKey) -> AcceptedOrder | None:
        """The order as accepted, without its progress."""

    def progress(self, key: OrderKey) -> Progress | None:
        """The order and its facts, no older than this call."""

    def facts(self, key: OrderKey) -> Facts:
        """An order's facts, no older than this call; none where there is no such order, or where it
        has left the table."""

    def batch_get_progress(self, keys: Sequence[OrderKey]) -> Mapping[OrderKey, Facts]:
        """The facts of many orders in few requests. They may be a moment old, and an order may be
        missing from the answer; one that is not there at all has no facts."""

    def history(
        self, customer_id: CustomerId, limit: int, before: OrderId | None
    ) -> tuple[Sequence[Progress], OrderId | None]:
        """A customer's orders, newest first, and the id to go on before, None at the end."""

    def record(self, key: OrderKey, outcomes: Mapping[Step, Outcome]) -> Facts:
        """Write facts once, all of them together. Returns the facts after it: a fact that was
        already there for a step stays."""

    def record_news(self, key: OrderKey, news: News) -> Facts:
        """Write news of a parcel once. Returns the facts after it: what was told of it before
        stays, and so does how many parcels the order has."""

    def request_cancellation(
        self,
        key: OrderKey,
        at: Millis,
        *,
        reserved: bool,
        express: bool = False,
        held: bool = False,
    ) -> Facts:
        """Write the customer's request once, on its side of the reservation. `reserved`: its
        outcome was known when the order was read, so the request comes after it. `express`: the
        order may go by the express path, so no request comes before it. `held`: the order awaited
        its approval when it was read, so the request comes before all.

        Returns the facts after it. Raises TransientFailure where a held order was decided about
        meanwhile.
        """

    def decide(self, key: OrderKey, approval: Approval) -> Facts:
        """Write once what became of an order that is held. Returns the facts after it: what was
        decided or cancelled before stays."""

    def reopen(self, key: OrderKey, at: Millis) -> Facts:
        """Bring an archived order back into the table, together with the customer's request to
        cancel it. Returns the facts after it."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredOrder:
    """An order in the table with what decides whether it may leave. `holds_coupons`: it has given
    back none of what it used up of limited coupons. `items`: as stored, for the adapter."""

    key: OrderKey
    facts: Facts
    imported: bool
    holds_coupons: bool
    items: tuple[Mapping[str, Any], Mapping[str, Any]]


class ArchiveBatch(Protocol):
    """Orders with the lines that they become: the adapter's own."""

    @property
    def keys(self) -> Collection[OrderKey]:
        """Orders that can be archived. One that would lose something is not among them."""


class Archiving(Protocol):
    """Moves orders from the table to the archive. One run at a time."""

    def begin(self) -> bool:
        """Keep other runs out, and put right what an earlier one left. False: another is under
        way."""

    def pages(self, segment: int, of: int) -> Iterator[Sequence[StoredOrder]]:
        """The orders of one of so many parts of the table, as they were a moment ago."""

    def line_bytes(self, order: StoredOrder) -> int:
        """How large its line will be, roughly."""

    def batch(self, orders: Sequence[StoredOrder]) -> ArchiveBatch: ...

    def announce(self, batch: ArchiveBatch) -> None:
        """Note which objects are about to change, so that the next run can put them right."""

    def store(self, batch: ArchiveBatch) -> None:
        """Store the lines. Nothing refers to them yet."""

    def move(self, batch: ArchiveBatch) -> Collection[OrderKey]:
        """Put each order's stub in its place, or nothing where it has changed since it was read.
        Returns the orders that were moved."""

    def tidy(self, batch: ArchiveBatch, moved: Collection[OrderKey]) -> None:
        """Take the lines out that no stub names."""

    def end(self) -> None:
        """Let other runs in. Without it the next one waits until this one's time is certainly over,
        and puts right what was announced."""


class Coupons(Protocol):
    """What limited coupons have been used up by which order."""

    def place(
        self, order: AcceptedOrder, uses: Sequence[Use], *, number_once: bool = False
    ) -> AcceptedOrder | VoidId | Sequence[Denied | NumberUsed] | None:
        """As `Orders.place`, together with all that the order uses up; or nothing of both, and
        why. `number_once`: the customer may use its purchase order number for no other order."""

    def denials(self, key: OrderKey, uses: Sequence[Use]) -> Sequence[Denied]:
        """Which of these this order could not use now, and why. It takes as long for another
        customer's code as for one that never was, so that nobody learns which codes others have."""

    def give_back(self, keys: Sequence[OrderKey]) -> None:
        """Give back once what these orders, which are undone, have used up; most have nothing."""


class Commands(Protocol):
    """The three command queues."""

    def send(self, commands: Sequence[Command]) -> None:
        """Send all, in as few requests as possible. Raises if any was not taken: some may have
        been, and are sent again with the rest."""


class Overflow(Protocol):
    """Orders wait here while the table doesn't take them."""

    def buffer(self, order: AcceptedOrder) -> None:
        """Store an order durably until it is drained into the table."""


class Buffered(Protocol):
    """What waits outside the table."""

    def is_empty(self) -> bool:
        """No acknowledged order is in the overflow queue or among its dead letters, by the queues'
        own counts, which may lag by a minute."""


class Gateway(Protocol):
    """The payment gateway's own record of what it has taken."""

    def taken(self, since: Millis, until: Millis) -> Iterator[Sequence[Paid]]:
        """The payments that were begun from `since` on and before `until`, page by page, with what
        has gone back of each by now."""

    def find(self, reference: str) -> Paid | None: ...

    def give_back(self, payment: Paid) -> bool:
        """Give back what is left of a payment. The same call again gives nothing more. False: the
        gateway takes no requests, so a person must do it.

        Raises TransientFailure where the outcome is unknown, PermanentFailure where the gateway
        will not."""


class Checks(Protocol):
    """The watchdog's queue, which delivers only after its delay."""

    def set(self, checks: Sequence[Check]) -> None:
        """As `Commands.send`."""


class Backlogs(Protocol):
    """What waits for the downstreams."""

    def is_empty(self, downstream: Downstream) -> bool:
        """No command for this downstream is waiting, under way or dead-lettered, by the queues' own
        counts, which may lag by some seconds."""


class Events(Protocol):
    """The order-events topic."""

    def publish(self, events: Sequence[Event]) -> None:
        """Publish those that the stage publishes, as `Commands.send` sends commands."""


@dataclass(frozen=True, slots=True)
class Later:
    """A downstream's answer to a step that it has taken and not decided yet.

    `ask`: the path with its query, on the host of the downstream's URL, at which its outcome can be
    asked for; None where the downstream named none.
    """

    ask: str | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What a downstream says has become of one step."""

    key: OrderKey
    step: Step
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class ToldOfParcel:
    """What fulfilment tells of a parcel. `step`: of the command that the message names."""

    key: OrderKey
    step: Step
    news: News


class DownstreamService(Protocol):
    """Inventory, fulfilment or accounting, as seen from one delivery."""

    def needs(self, step: Step) -> Needs:
        """What a command of this step must bring along."""

    def perform(self, command: Command) -> Outcome | Later:
        """Do one step, or learn that it was done before: the key is the same each time.

        Raises `TransientFailure` when the outcome is unknown.
        """

    def ask(self, command: Command, at: str | None) -> Outcome | Later | None:
        """What became of a step that the downstream had taken, asked for at the place that it
        named, if it did. None where nothing did, or where it cannot be asked: then it is to be done
        again, under its key.

        Raises as `perform` does.
        """


class ChangeDeadLetters(Protocol):
    """Orders with a change that could not be read, or of which AWS will never take what follows."""

    def dead_letter(self, key: OrderKey, reason: str) -> None:
        """Send the order's key to the dead-letter queue, with the reason."""


class Inbox(Protocol):
    """The queue that messages come from."""

    def postpone(self, receipt: str, seconds: int) -> None:
        """Let this message come again, no sooner than after so many seconds."""

    def dead_letter(self, message: str, reason: str) -> None:
        """Send a message to the dead-letter queue, with the reason."""

    def requeue(self, messages: Sequence[tuple[str, int]]) -> None:
        """Let each message come alone, no sooner than after so many seconds (900 at most).

        Raises when any was not taken: some may have been."""


class PriceBooks(Protocol):
    """The price books that the store has published."""

    def in_force(self, at: Millis) -> Book:
        """The book by which an order of this time is priced. Raises TransientFailure where there is
        none."""


class CouponTries(Protocol):
    """How many different coupons each customer has asked about lately."""

    def count(self, customer_id: CustomerId, codes: Sequence[str], now: Millis) -> bool:
        """Note these codes; False, and nothing is noted, when they would be too many. A code that
        was noted before counts once."""


class SigningKeys(Protocol):
    def in_force(self) -> Mapping[str, bytes]:
        """Keys by key id, of the payment gateway or of the store's pricing engine: two while one
        replaces the other."""


class SideBySide(Protocol):
    def __call__(
        self, calls: Mapping[Downstream, Callable[[], _A]], within_seconds: float
    ) -> Mapping[Downstream, _A]:
        """Make calls, each of a downstream of its own, at the same time. Returns the results of
        those that are over within this time; the others are left to end by themselves."""


class ConcurrentMap(Protocol):
    def __call__(self, process: Callable[[_A], _B], each: Iterable[_A], /) -> Iterable[_B]:
        """Process each, some at the same time. Results come in the order of what they are of."""


class Clock(Protocol):
    def now(self) -> Millis:
        """The time by this process's clock."""


class Jitter(Protocol):
    def __call__(self) -> float:
        """A random number in [0, 1)."""


class Log(Protocol):
    """One wide event per order and step, with the fields of orders.telemetry and no others."""

    def __call__(self, step: str, outcome: str, **fields: object) -> None: ...
