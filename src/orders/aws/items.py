"""The table's items, to and from the domain; used on stored items and on stream images alike.

    order     pk customer id, sk <order id>            content, digest, accepted_at, trace,
                                                       book, express, buyer, held_until
    progress  pk customer id, sk <order id>#progress   one attribute per step, cancellation,
                                                       held_until, approval, news, parcels,
                                                       one attribute per news: <what>#<parcel>
    void id   pk customer id, sk <order id>            voided_at, expires_at
    stub      pk customer id, sk <order id>            archived

A void id takes the place of an order, and DynamoDB deletes it after `VOID_KEPT_SECONDS`. It alone
may have `expires_at`. The other two have one more attribute, `imported`, where an order was brought
over from an older database.
An order with a limited coupon has `claims`, and its progress `coupons_returned` once they were
given back (orders.aws.coupons).

`news` is how many news of the order's parcels are on record, so that it changes with each of them:
their attributes' names, like `shipped#1`, are not known beforehand, and who moves the item must see
one that came meanwhile. `parcels` is how many the order has, once that was told.

`express` is on an order that may go by the express path, and on the progress of one that did, where
it names the steps that one write recorded as done.

A stub takes the place of an order that was archived: it says where in the archive both of its items
are, as one line (orders.aws.archive_file). Such an order has no progress item. One transaction puts
the stub and deletes the progress; another, when the customer still cancels, puts both back, and
remembers the line as `reopened`. So an order is always whole in one place. Where its customer was
erased from the line, the stub has `erased_at`, so that no order comes back as it was read before.

Facts only: a status is computed from them. Splitting the two keeps every write of a fact at one
write unit however long the order is, and leaves the order a record that is never touched again.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import msgspec

from orders.domain.order import AcceptedOrder, Order, OrderKey, Payment, VoidId
from orders.domain.parcels import AllNews, News, What
from orders.domain.saga import Approval, Cancellation, Facts, Outcome, Step
from orders.domain.trace import Trace
from orders.domain.units import CustomerId, Millis, OrderId

PROGRESS_SUFFIX = "#progress"
CANCELLATION = "cancellation"
IMPORTED = "imported"
CLAIMS = "claims"
COUPONS_RETURNED = "coupons_returned"
VOIDED_AT = "voided_at"
ERASED_AT = "erased_at"
ARCHIVED = "archived"
REOPENED = "reopened"
EXPRESS = "express"
BUYER = "buyer"
HELD_UNTIL = "held_until"
APPROVAL = "approval"
NEWS = "news"
PARCELS = "parcels"

#: What is a fact on a progress item, and not a note about it.
FACT_NAMES: tuple[str, ...] = (
    *(step.value for step in Step),
    CANCELLATION,
    HELD_UNTIL,
    APPROVAL,
    NEWS,
    PARCELS,
)

#: Intake takes no new order under an id of more than a day. Drain does: an order may wait 14 days
#: in the overflow queue, and 14 more as a dead letter. A void id must outlive each such order.
VOID_KEPT_SECONDS = 60 * 24 * 60 * 60

# DynamoDB's typed JSON: {"S": "text"}, {"N": "1"}, {"B": bytes}, {"M": {...}}, {"BOOL": True}
Attribute = dict[str, Any]
Item = Mapping[str, Attribute]

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Order)
_FIELDS = tuple(field.name for field in fields(Order))


@dataclass(frozen=True, slots=True)
class Location:
    """Where an archived order's line is: `length` bytes, from byte `begins` on, of the archive's
    object `day`/`run` (orders.aws.archive_file.object_key). `day`: `2026/11/23`, of the order's
    acceptance in UTC."""

    day: str
    run: str
    begins: int
    length: int


def compressed(order: Order) -> bytes:
    """An order's content as it is stored and as it travels in a command: zlib over JSON.

    A write is paid by the kilobyte, and an order repeats its field names line after line. Of 1,699
    real orders 47% fit one write unit as JSON and 97% like this, at 2.10 and 1.04 units an order
    (decision 0003).
    """
    content = {name: getattr(order, name) for name in _FIELDS}
    content["address"] = order.address.given
    content["payment"] = (order.payment or _no_payment(order)).given
    return zlib.compress(_encoder.encode(content))


def decompressed(content: bytes) -> Order:
    """The reverse of `compressed`. Raises zlib.error or msgspec.DecodeError for anything else."""
    order = _decoder.decode(zlib.decompress(content))
    return replace(order, payment=None) if order.payment == _no_payment(order) else order


def _no_payment(order: Order) -> Payment:
    """How no payment is stored. Release 0.2.0 reads no order without one, and works on the same
    table while a release is shifted or after it was rolled back."""
    return Payment("", 0, order.currency, "")


def order_key(key: OrderKey) -> dict[str, Attribute]:
    return {"pk": {"S": key.customer_id}, "sk": {"S": key.order_id}}


def progress_key(key: OrderKey) -> dict[str, Attribute]:
    return {"pk": {"S": key.customer_id}, "sk": {"S": key.order_id + PROGRESS_SUFFIX}}


def is_progress(item: Item) -> bool:
    return str(item["sk"]["S"]).endswith(PROGRESS_SUFFIX)


def is_void(item: Item) -> bool:
    return VOIDED_AT in item


def is_stub(item: Item) -> bool:
    return ARCHIVED in item


def stub_item(key: OrderKey, location: Location) -> dict[str, Attribute]:
    """What is left of an archived order in the table: 116 bytes with ids of 36."""
    where = f"{location.day}/{location.run} {location.begins} {location.length}"
    return {**order_key(key), ARCHIVED: {"S": where}}


def location_of(item: Item) -> Location:
    """Of a stub's line, or of the former line of an order that was reopened, from its progress."""
    object_name, begins, length = item[REOPENED if REOPENED in item else ARCHIVED]["S"].split(" ")
    day, _, run = object_name.rpartition("/")
    return Location(day, run, int(begins), int(length))


def written_by_import(before: Item | None, after: Item) -> bool:
    """Whether a change of an item is the migration's own, and calls for nothing.

    It marks each item it writes, and marks it otherwise each time that it writes other facts. The
    service itself never touches the mark; but with an order that a cancellation brings back from
    the archive, the mark comes back too.
    """
    if before is None and REOPENED in after:
        return False
    return IMPORTED in after and (before is None or before.get(IMPORTED) != after[IMPORTED])


def key_of(item: Item) -> OrderKey:
    return OrderKey(
        CustomerId(item["pk"]["S"]), OrderId(item["sk"]["S"].removesuffix(PROGRESS_SUFFIX))
    )


def order_item(accepted: AcceptedOrder) -> dict[str, Attribute]:
    item: dict[str, Attribute] = {
        **order_key(accepted.key),
        "content": {"B": compressed(accepted.order)},
        "digest": {"B": accepted.digest},
        "accepted_at": {"N": str(accepted.accepted_at)},
    }
    if accepted.trace is not None:
        item["trace"] = trace_attribute(accepted.trace)
    if accepted.book is not None:
        item["book"] = {"S": accepted.book}
    if accepted.express:
        item[EXPRESS] = {"BOOL": True}
    if accepted.buyer is not None:
        item[BUYER] = {"S": accepted.buyer}
    if accepted.held_until is not None:
        item[HELD_UNTIL] = {"N": str(accepted.held_until)}
    return item


def held_progress_item(accepted: AcceptedOrder) -> dict[str, Attribute]:
    """The progress of an order that is held, written in one transaction with it: whoever reads an
    order's facts alone must know that nothing is owed to it yet."""
    return {**progress_key(accepted.key), HELD_UNTIL: {"N": str(accepted.held_until)}}


def accepted_order(item: Item) -> AcceptedOrder:
    return AcceptedOrder(
        key=key_of(item),
        accepted_at=Millis(int(item["accepted_at"]["N"])),
        digest=binary(item["digest"]),
        order=decompressed(binary(item["content"])),
        trace=_decompressed_trace(binary(item["trace"])) if "trace" in item else None,
        book=item["book"]["S"] if "book" in item else None,
        express=EXPRESS in item,
        buyer=CustomerId(item[BUYER]["S"]) if BUYER in item else None,
        held_until=_millis(item, HELD_UNTIL),
    )


def _millis(item: Item, name: str) -> Millis | None:
    return Millis(int(item[name]["N"])) if name in item else None


def void_item(void: VoidId) -> dict[str, Attribute]:
    return {
        **order_key(void.key),
        VOIDED_AT: {"N": str(void.at)},
        "expires_at": {"N": str(void.at // 1000 + VOID_KEPT_SECONDS)},
    }


def in_orders_place(item: Item) -> AcceptedOrder | VoidId:
    """What an item under an order's key is."""
    if is_void(item):
        return VoidId(key_of(item), Millis(int(item[VOIDED_AT]["N"])))
    return accepted_order(item)


def outcome_attribute(outcome: Outcome) -> Attribute:
    fact: dict[str, Attribute] = {"at": {"N": str(outcome.at)}}
    if outcome.reference is not None:
        fact["reference"] = {"S": outcome.reference}
    if outcome.refusal is not None:
        fact["reason"] = {"S": outcome.refusal}
    return {"M": fact}


def express_note(outcomes: Mapping[Step, Outcome]) -> Attribute:
    """On a progress item: the steps that one write has recorded as done, `reserve ship post`."""
    return {"S": " ".join(step.value for step in Step if step in outcomes and outcomes[step].done)}


def express_steps(item: Item | None) -> tuple[Step, ...]:
    """The steps in a progress item's note; none where it has none, or where there is no item."""
    noted = item[EXPRESS]["S"] if item is not None and EXPRESS in item else ""
    return tuple(map(Step, noted.split()))


def outcome_of(attribute: Attribute) -> Outcome:
    fact = attribute["M"]
    return Outcome(
        at=Millis(int(fact["at"]["N"])),
        reference=fact["reference"]["S"] if "reference" in fact else None,
        refusal=fact["reason"]["S"] if "reason" in fact else None,
    )


def cancellation_attribute(cancellation: Cancellation) -> Attribute:
    return {
        "M": {
            "at": {"N": str(cancellation.at)},
            "before_reservation": {"BOOL": cancellation.before_reservation},
        }
    }


def facts(item: Item | None) -> Facts:
    """The facts on a progress item; none where there is no such item yet."""
    if item is None:
        return Facts()
    return Facts(
        outcomes={step: outcome_of(item[step]) for step in Step if step in item},
        cancellation=_cancellation_of(item[CANCELLATION]) if CANCELLATION in item else None,
        held_until=_millis(item, HELD_UNTIL),
        approval=_approval_of(item[APPROVAL]) if APPROVAL in item else None,
        news=_news_of(item) if NEWS in item else {},
    )


def news_name(news: News) -> str:
    """Of its attribute on a progress item. No other attribute has a # in its name."""
    return f"{news.what}#{news.parcel}"


def news_attribute(news: News) -> Attribute:
    fact: dict[str, Attribute] = {"at": {"N": str(news.at)}}
    if news.carrier is not None:
        fact["carrier"] = {"S": news.carrier}
    if news.tracking_number is not None:
        fact["tracking_number"] = {"S": news.tracking_number}
    if news.parcels is not None:
        fact["parcels"] = {"N": str(news.parcels)}
    return {"M": fact}


def with_news(item: Item, news: News) -> dict[str, Attribute]:
    """A progress item with these news on record, as `orders.aws.table` writes them."""
    count = int(item[NEWS]["N"]) if NEWS in item else 0
    told = {news_name(news): news_attribute(news), NEWS: {"N": str(count + 1)}}
    if news.parcels is not None:
        told[PARCELS] = {"N": str(news.parcels)}
    return {**item, **told}


def _news_of(item: Item) -> AllNews:
    named = ((name.partition("#"), item[name]["M"]) for name in item if "#" in name)
    all_news = (
        News(
            parcel=parcel,
            what=What(what),
            at=Millis(int(fact["at"]["N"])),
            carrier=fact["carrier"]["S"] if "carrier" in fact else None,
            tracking_number=fact["tracking_number"]["S"] if "tracking_number" in fact else None,
            parcels=int(fact["parcels"]["N"]) if "parcels" in fact else None,
        )
        for (what, _, parcel), fact in named
    )
    return {news.key: news for news in all_news}


def approval_attribute(approval: Approval) -> Attribute:
    fact: dict[str, Attribute] = {
        "at": {"N": str(approval.at)},
        "verdict": {"S": approval.verdict},
    }
    if approval.by is not None:
        fact["by"] = {"S": approval.by}
    return {"M": fact}


def _approval_of(attribute: Attribute) -> Approval:
    fact = attribute["M"]
    by = CustomerId(fact["by"]["S"]) if "by" in fact else None
    return Approval(Millis(int(fact["at"]["N"])), fact["verdict"]["S"], by)


def reopened(progress: Item, stub: Item, cancellation: Cancellation) -> dict[str, Attribute]:
    """The progress of an archived order whose customer cancels it. It remembers the order's line,
    which no stub names any more: who archives or erases the order takes it out."""
    return {
        **progress,
        CANCELLATION: cancellation_attribute(cancellation),
        REOPENED: stub[ARCHIVED],
    }


def facts_before(before: Item | None, after: Item) -> Facts:
    """The facts before a change of a progress item. An order that a cancellation has brought back
    from the archive had all others."""
    if before is None and REOPENED in after:
        return replace(facts(after), cancellation=None)
    return facts(before)


def _cancellation_of(attribute: Attribute) -> Cancellation:
    fact = attribute["M"]
    return Cancellation(Millis(int(fact["at"]["N"])), bool(fact["before_reservation"]["BOOL"]))


def trace_attribute(trace: Trace) -> Attribute:
    """25 bytes, where the header has 55: a write is paid by the kilobyte."""
    return {"B": bytes.fromhex(trace.trace_id + trace.parent_id) + bytes([trace.sampled])}


def _decompressed_trace(content: bytes) -> Trace:
    return Trace(content[:16].hex(), content[16:24].hex(), bool(content[24]))


def binary(attribute: Attribute) -> bytes:
    """Bytes from the SDK, base64 text in a stream record that Lambda hands over as JSON."""
    value = attribute["B"]
    return base64.b64decode(value) if isinstance(value, str) else bytes(value)
