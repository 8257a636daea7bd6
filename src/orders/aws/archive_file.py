"""The archive's objects: settled orders as JSON Lines, an object for each day and run.

    orders/2026/11/23/<run>.jsonl     a line for each order that was accepted on that day

The table's stub of an order says which bytes are its line, so that one ranged GET reads it. A line
has all that the order's two items had (docs/contracts/archive.yaml), and can become them again. It
ends in spaces, which are room for what an erasure writes over it: a line never changes its length,
because that would move the lines after it. A line that no stub names is `{}` and spaces.

Nothing is compressed, so that a line can be overwritten, and read by Athena, jq and a person.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from orders.aws import items
from orders.aws.items import Attribute, Item, Location
from orders.domain.order import OrderKey
from orders.domain.parcels import News, What, in_order
from orders.domain.saga import Approval, Cancellation, Outcome, Verdict
from orders.domain.trace import parsed
from orders.domain.units import CustomerId, Millis, OrderId

PREFIX, SUFFIX = "orders/", ".jsonl"
#: More than erasing who the customer is can lengthen a line: `erased_at`, and texts that were
#: shorter than what replaces them.
ROOM_BYTES = 64
_NOTHING = b"{}"
_ENDS = b"\n"

#: Notes that a line does not have: of the line before this one, and of how an order went that has
#: long settled.
NOT_KEPT = frozenset({items.REOPENED, items.EXPRESS})
PROGRESS_NAMES = (
    "pk",
    "sk",
    *items.FACT_NAMES,
    items.COUPONS_RETURNED,
    items.IMPORTED,
    *sorted(NOT_KEPT),
)


#: An order's item and its progress.
Items = tuple[dict[str, Attribute], dict[str, Attribute]]


class NotArchivable(Exception):
    """A line would lose something of the items, as what a later release has stored there."""


class LineInvalid(Exception):
    """The bytes are no line of an order."""


class _Outcome(msgspec.Struct, omit_defaults=True):
    at: Millis
    reference: str | None = None
    reason: str | None = None


class _Cancellation(msgspec.Struct):
    at: Millis
    before_reservation: bool


class _Approval(msgspec.Struct, omit_defaults=True):
    at: Millis
    verdict: Verdict
    by: CustomerId | None = None


class _News(msgspec.Struct, omit_defaults=True):
    what: What
    at: Millis
    #: None: it is of the whole order.
    parcel: str | None = None
    carrier: str | None = None
    tracking_number: str | None = None
    #: How many parcels the order has.
    parcels: int | None = None


class _ImportedFacts(msgspec.Struct):
    key: str
    digest: str


class Line(msgspec.Struct, omit_defaults=True):
    """Times are Unix milliseconds, digests are in hex."""

    customer_id: CustomerId
    order_id: OrderId
    accepted_at: Millis
    order: msgspec.Raw
    facts: dict[str, _Outcome]
    digest: str
    cancellation: _Cancellation | None = None
    book: str | None = None
    #: A traceparent.
    trace: str | None = None
    claims: tuple[str, ...] = ()
    coupons_returned: Millis | None = None
    erased_at: Millis | None = None
    #: The person who placed it, where the customer is another.
    buyer: CustomerId | None = None
    #: Of an order that was held for approval.
    held_until: Millis | None = None
    approval: _Approval | None = None
    #: What fulfilment told of its parcels.
    news: tuple[_News, ...] = ()
    #: The order's number in the older database.
    imported: str | None = None
    imported_facts: _ImportedFacts | None = None


def object_key(location: Location) -> str:
    """The object that a line is in."""
    return f"{PREFIX}{location.day}/{location.run}{SUFFIX}"


def range_of(location: Location) -> str:
    """The header `Range` of the request for a line."""
    return f"bytes={location.begins}-{location.begins + location.length - 1}"


def line_of(order: Item, progress: Item) -> bytes:
    """Both items of an order as one line, without its end. Raises NotArchivable.

    The line is read again: it will soon be all that there is of the order.
    """
    try:
        line = _line_of(order, progress)
        again = items_of(line)
    except (ValueError, KeyError, zlib.error) as error:
        raise NotArchivable(type(error).__name__) from None
    before = (without_notes(order), without_notes(progress))
    lost = {
        name
        for was, will_be in zip(before, again, strict=True)
        for name in was.keys() | will_be.keys()
        if _plain(name, was) != _plain(name, will_be)
    }
    if lost:
        raise NotArchivable(", ".join(sorted(lost)))
    return line


def without_notes(item: Item) -> dict[str, Attribute]:
    """What an archived order's item has when it comes back."""
    return {name: item[name] for name in item if name not in NOT_KEPT}


def _plain(name: str, item: Item) -> object:
    """An attribute in a form in which two that mean the same are equal."""
    if name == "content" and name in item:
        return _json_of(item)
    if name == items.CLAIMS and name in item:
        return {*item[name]["SS"]}
    return item.get(name)


def _line_of(order: Item, progress: Item) -> bytes:
    accepted, facts = items.accepted_order(order), items.facts(progress)
    cancelled = facts.cancellation
    line = Line(
        customer_id=accepted.key.customer_id,
        order_id=accepted.key.order_id,
        accepted_at=accepted.accepted_at,
        order=msgspec.Raw(_json_of(order)),
        facts={
            step.value: _Outcome(outcome.at, outcome.reference, outcome.refusal)
            for step, outcome in facts.outcomes.items()
        },
        digest=accepted.digest.hex(),
        cancellation=None
        if cancelled is None
        else _Cancellation(cancelled.at, cancelled.before_reservation),
        book=accepted.book,
        trace=None if accepted.trace is None else accepted.trace.header,
        claims=tuple(sorted(order[items.CLAIMS]["SS"])) if items.CLAIMS in order else (),
        coupons_returned=_millis(progress, items.COUPONS_RETURNED),
        erased_at=_millis(order, items.ERASED_AT),
        buyer=accepted.buyer,
        held_until=accepted.held_until,
        approval=None
        if facts.approval is None
        else _Approval(facts.approval.at, facts.approval.verdict, facts.approval.by),
        news=tuple(
            _News(one.what, one.at, one.parcel or None, *one.content)
            for one in in_order(facts.news)
        ),
        imported=order[items.IMPORTED]["S"] if items.IMPORTED in order else None,
        imported_facts=_imported_facts(progress),
    )
    return msgspec.json.encode(line)


def items_at(stub: Item, line: bytes) -> Items:
    """The two items in whose place a stub is, from the line that it names. Raises LineInvalid."""
    order, progress = items_of(line)
    if items.key_of(order) != items.key_of(stub):
        raise LineInvalid("it is another order's")
    try:
        items.accepted_order(order)
    except ValueError as error:
        raise LineInvalid(type(error).__name__) from None
    return order, progress


def items_of(line: bytes) -> Items:
    """The two items that a line was made of: order and progress. Raises LineInvalid."""
    try:
        read = msgspec.json.decode(line, type=Line)
        return _order_item(read), _progress_item(read)
    except ValueError as error:
        # msgspec's errors are ValueErrors. Their texts may quote the line.
        raise LineInvalid(type(error).__name__) from None


def padded(line: bytes, length: int) -> bytes:
    """A line in place of another one of this length. Raises ValueError where it does not fit."""
    if len(line) > length:
        raise ValueError(f"a line of {len(line)} bytes does not fit into {length}")
    return line.ljust(length)


@dataclass(frozen=True, slots=True)
class ArchiveObject:
    """A new object, and where in it the line of each order is."""

    key: str
    content: bytes
    locations: Mapping[OrderKey, Location]


def new_object(day: str, run: str, lines: Mapping[OrderKey, bytes]) -> ArchiveObject:
    """The object of a day's orders, from their lines without padding."""
    locations: dict[OrderKey, Location] = {}
    parts: list[bytes] = []
    begins = 0
    for key, line in lines.items():
        location = locations[key] = Location(day, run, begins, len(line) + ROOM_BYTES)
        parts += padded(line, location.length), _ENDS
        begins += location.length + len(_ENDS)
    return ArchiveObject(object_key(Location(day, run, 0, 0)), b"".join(parts), locations)


def lines_in(object_key: str, content: bytes) -> Mapping[OrderKey, Location]:
    """Where the line of each order is in an object; lines of no order are left out. Raises
    LineInvalid."""
    day, _, run = object_key.removeprefix(PREFIX).removesuffix(SUFFIX).rpartition("/")
    locations: dict[OrderKey, Location] = {}
    begins = 0
    for line in content.split(_ENDS)[:-1]:
        if line.rstrip() != _NOTHING:
            order, _ = items_of(line)
            locations[items.key_of(order)] = Location(day, run, begins, len(line))
        begins += len(line) + len(_ENDS)
    return locations


def replaced(content: bytes, location: Location, line: bytes) -> bytes:
    """An object's content with another line in one's place."""
    return _overwritten(content, [(location, line)])


def without(content: bytes, locations: Iterable[Location]) -> bytes:
    """An object's content without some lines: the bytes stay, what they said does not."""
    return _overwritten(content, [(location, _NOTHING) for location in locations])


def _overwritten(content: bytes, lines: Iterable[tuple[Location, bytes]]) -> bytes:
    """Copies the content twice, however many lines there are: it may be all of thousands."""
    changed = bytearray(content)
    for location, line in lines:
        ends = location.begins + location.length
        changed[location.begins : ends] = padded(line, location.length)
    return bytes(changed)


def day_of(accepted_at: Millis) -> str:
    """The day of a moment in UTC, as objects' names have it."""
    return f"{datetime.fromtimestamp(accepted_at / 1000, UTC):%Y/%m/%d}"


def _json_of(order: Item) -> bytes:
    """An order's content on one line."""
    content = zlib.decompress(items.binary(order["content"]))
    # Our own encoder breaks no line; what another one stored is written again.
    return msgspec.json.format(content, indent=-1) if _ENDS in content else content


def _order_item(line: Line) -> dict[str, Attribute]:
    key = OrderKey(line.customer_id, line.order_id)
    item: dict[str, Attribute] = {
        **items.order_key(key),
        "content": {"B": zlib.compress(bytes(line.order))},
        "digest": {"B": bytes.fromhex(line.digest)},
        "accepted_at": {"N": str(line.accepted_at)},
    }
    trace = parsed(line.trace)
    if trace is not None:
        item["trace"] = items.trace_attribute(trace)
    if line.book is not None:
        item["book"] = {"S": line.book}
    if line.claims:
        item[items.CLAIMS] = {"SS": list(line.claims)}
    if line.buyer is not None:
        item[items.BUYER] = {"S": line.buyer}
    if line.held_until is not None:
        item[items.HELD_UNTIL] = {"N": str(line.held_until)}
    if line.erased_at is not None:
        item[items.ERASED_AT] = {"N": str(line.erased_at)}
    if line.imported is not None:
        item[items.IMPORTED] = {"S": line.imported}
    return item


def _progress_item(line: Line) -> dict[str, Attribute]:
    key = OrderKey(line.customer_id, line.order_id)
    item: dict[str, Attribute] = items.progress_key(key)
    for step, fact in line.facts.items():
        item[step] = items.outcome_attribute(Outcome(fact.at, fact.reference, fact.reason))
    if line.cancellation is not None:
        cancellation = Cancellation(line.cancellation.at, line.cancellation.before_reservation)
        item[items.CANCELLATION] = items.cancellation_attribute(cancellation)
    if line.held_until is not None:
        item[items.HELD_UNTIL] = {"N": str(line.held_until)}
    if line.approval is not None:
        approval = Approval(line.approval.at, line.approval.verdict, line.approval.by)
        item[items.APPROVAL] = items.approval_attribute(approval)
    for one in line.news:
        told = News(
            one.parcel or "", one.what, one.at, one.carrier, one.tracking_number, one.parcels
        )
        item = items.with_news(item, told)
    if line.coupons_returned is not None:
        item[items.COUPONS_RETURNED] = {"N": str(line.coupons_returned)}
    if line.imported_facts is not None:
        mark = line.imported_facts
        digest = {"B": bytes.fromhex(mark.digest)}
        item[items.IMPORTED] = {"M": {"key": {"S": mark.key}, "facts": digest}}
    return item


def _imported_facts(progress: Item) -> _ImportedFacts | None:
    if items.IMPORTED not in progress:
        return None
    mark = progress[items.IMPORTED]["M"]
    return _ImportedFacts(mark["key"]["S"], items.binary(mark["facts"]).hex())


def _millis(item: Item, name: str) -> Millis | None:
    return Millis(int(item[name]["N"])) if name in item else None
