"""Finds orders in the table by whatever an operator has at hand, and filters and sorts lists.

There is no index: one would cost a write for each order (decision 0040). So a search reads the
table once, and keeps what fits.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from orders.aws import items
from orders.domain.order import Order, OrderKey, is_order_id, order_id_time
from orders.domain.saga import Facts
from orders.domain.units import CustomerId, Millis, OrderId
from spillway.errors import CheckFailed, SpillwayError, UsageError
from spillway.operate.arguments import unquoted, written_id
from spillway.operate.orders.reading import ITEMS_MAX, OnItems, Scan, Summary, summary_of
from spillway.target.records import Record
from spillway.target.service import Service

#: How many orders a search keeps.
FOUND_MAX = 100_000
#: Of an order's id or a customer's hash, in hexadecimal digits: fewer fit too many.
PREFIX_MIN = 4
#: Of the id of the one order that is meant: they are the time within a minute.
ID_DIGITS_MIN = 8
#: Of a purchase order number: fewer characters must be the whole number.
PART_MIN = 3
#: The status of an order that was moved to the archive: it settled long before.
ARCHIVED = "archived"

WHAT_CAN_BE_FOUND = (
    "an order id or its first digits, a customer id or the hash of one that logs show, a purchase"
    " order number, a payment's reference, an e-mail address, or a date like 2026-11-27"
)

Sort = Literal["newest", "oldest"]


@dataclass(frozen=True, slots=True)
class Content:
    """What an order can be found by, besides its keys."""

    channel: str
    purchase_order: str
    email: str
    payment: str

    @classmethod
    def of(cls, order: Order) -> Content:
        return cls(
            order.channel,
            (order.purchase_order or "").casefold(),
            order.address.email.casefold(),
            "" if order.payment is None else order.payment.reference.casefold(),
        )


@dataclass(frozen=True, slots=True)
class Sought:
    """What somebody looks for: `text` may be any of `WHAT_CAN_BE_FOUND`, "" for every order."""

    text: str = ""

    @property
    def order_id(self) -> OrderId | None:
        named = written_id(self.text)
        return named if is_order_id(named) else None

    @property
    def hexadecimal(self) -> str:
        """The digits of an id or a hash, or the first of them; "" for any other text."""
        bare = unquoted(self.text).lower().replace("-", "")
        return bare if re.fullmatch(rf"[0-9a-f]{{{PREFIX_MIN},32}}", bare) else ""

    @property
    def day(self) -> tuple[int, int] | None:
        """The begin and the end of a day in UTC (Unix ms)."""
        try:
            begins = datetime.strptime(unquoted(self.text), "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            return None
        ends = begins + timedelta(days=1)
        return int(begins.timestamp() * 1000), int(ends.timestamp() * 1000)

    @property
    def needs_content(self) -> bool:
        """What is archived cannot be found by it, because the table no longer has it."""
        return bool(self.text) and self.order_id is None and self.day is None

    def predicate(self) -> Callable[[Summary, Content | None], bool]:
        """Whether an order is one of those that are looked for."""
        digits, day, named = self.hexadecimal, self.day, self.order_id
        # A number or an id may begin with what is around another one.
        texts = {self.text.strip().casefold(), unquoted(self.text).casefold()} - {""}
        if not texts:
            return lambda _, __: True
        if named is not None:
            return lambda order, _: order.order_id == named
        if day is not None:
            return lambda order, _: day[0] <= order.accepted_at < day[1]

        def fits(order: Summary, content: Content | None) -> bool:
            if digits and order.order_id.replace("-", "").startswith(digits):
                return True
            if digits and order.customer.startswith(digits):
                return True
            if order.customer_id is not None and order.customer_id.casefold() in texts:
                return True
            if content is None:
                return False
            number = content.purchase_order
            if texts & {content.email, content.payment, number} - {""}:
                return True
            return any(len(text) >= PART_MIN and text in number for text in texts)

        return fits


@dataclass(slots=True)
class Found:
    """Orders, in no order. `complete`: the whole table was read, and none was left out. `archived`
    orders were not looked into."""

    orders: list[Summary] = field(default_factory=list)
    complete: bool = True
    archived: int = 0


#: What does not change in an order, from an earlier reading.
Known = dict[OrderKey, tuple[Millis, Content]]


def find(
    service: Service,
    sought: Sought = Sought(),
    *,
    unsettled_only: bool = False,
    items_max: int = ITEMS_MAX,
    on_items: OnItems = lambda _: None,
    known: Known | None = None,
) -> Found:
    """The orders that fit, from one reading of the table.

    An order's two items may be on different pages: then the second one completes it. The search for
    a whole order id ends with the first order that has it.
    """
    found, fits = Found(), sought.predicate()
    scan = Scan(service, on_items, items_max)
    for order, content in _orders(scan, known):
        if unsettled_only and order.settled:
            continue
        if order.status == ARCHIVED and sought.needs_content and not fits(order, None):
            found.archived += 1
        elif fits(order, content):
            found.orders.append(order)
        if sought.order_id is not None and found.orders:
            return found
        if len(found.orders) >= FOUND_MAX:
            found.complete = False
            return found
    found.complete = scan.complete
    return found


def check_id_or_prefix(text: str) -> None:
    """UsageError: the text is neither an order id nor enough of its first digits."""
    sought = Sought(text)
    if sought.order_id is None and len(sought.hexadecimal) < ID_DIGITS_MIN:
        raise UsageError(
            f"{text!r} isn't an order id: one is a UUID version 7, like"
            f" 019aafcf-6ac0-7c3e-b1a5-5f0c8f1f2a10. Its first {ID_DIGITS_MIN} digits are enough;"
            " `spillway orders list TEXT` finds orders by other things."
        )


def key_of(
    service: Service,
    text: str,
    *,
    items_max: int = ITEMS_MAX,
    on_items: OnItems = lambda _: None,
) -> OrderKey:
    """The order with an id, or with the first digits of one.

    An id is unique for one customer only, and a second order could be anywhere in the table; the
    search for a whole id ends with the first.

    CheckFailed: no order has it. UsageError: several do. SpillwayError: not all could be read.
    """
    sought = Sought(text)
    found = find(service, sought, items_max=items_max, on_items=on_items)
    digits = sought.order_id or sought.hexadecimal
    named = [
        order
        for order in found.orders
        if order.order_id.replace("-", "").startswith(digits.replace("-", ""))
    ]
    if len(named) == 1 and named[0].customer_id is not None:
        return OrderKey(CustomerId(named[0].customer_id), OrderId(named[0].order_id))
    if named:
        some = ", ".join(order.order_id for order in named[:5])
        raise UsageError(f"{len(named):,} orders begin with {text}: {some}. Give more digits.")
    if not found.complete:
        raise SpillwayError(
            f"The first {items_max:,} items of the table hold no order {text}: name its customer."
        )
    where = ""
    if sought.order_id is not None:
        where = (
            f": `spillway logs --order {sought.order_id}{service.options}` shows whether one was"
            " ever sent, and refused"
        )
    raise CheckFailed(f"There is no order {text}{where}.")


def _orders(scan: Scan, known: Known | None) -> Iterator[tuple[Summary, Content | None]]:
    """Each order of the table with its content, None of one that is archived or cannot be read."""
    alone: dict[OrderKey, items.Item] = {}
    facts: dict[OrderKey, Facts] = {}
    for page in scan:
        for item in page:
            key = items.key_of(item)
            if items.is_stub(item):
                yield _archived(key), None
            elif items.is_progress(item):
                if key in alone:
                    yield _order(alone.pop(key), items.facts(item), known)
                else:
                    facts[key] = items.facts(item)
            elif key in facts:
                yield _order(item, facts.pop(key), known)
            else:
                alone[key] = item
    if alone and not scan.complete:
        # The reading ended before its progress, if it has any: they are neighbours in the table.
        alone.popitem()
    # No step of the others has an outcome yet.
    for item in alone.values():
        yield _order(item, Facts(), known)


def _order(item: items.Item, facts: Facts, known: Known | None) -> tuple[Summary, Content | None]:
    key = items.key_of(item)
    seen = None if known is None else known.get(key)
    if seen is None:
        try:
            accepted = items.accepted_order(item)
        except (LookupError, ValueError, zlib.error):
            # A newer release or another program wrote it. A list must show it all the same.
            return summary_of(Record(key, _id_time(key), None, facts)), None
        seen = (accepted.accepted_at, Content.of(accepted.order))
        if known is not None:
            known[key] = seen
    accepted_at, content = seen
    summary = summary_of(Record(key, accepted_at, None, facts), channel=content.channel)
    return summary, content


def _archived(key: OrderKey) -> Summary:
    at = _id_time(key)
    return Summary(key.order_id, key.customer_hash, ARCHIVED, at, (), key.customer_id)


def _id_time(key: OrderKey) -> Millis:
    return order_id_time(key.order_id) if is_order_id(key.order_id) else Millis(0)


@dataclass(frozen=True, slots=True)
class Filters:
    """Which orders of a list are shown, "" or None for any, and in which order.

    `waits_for` is a downstream. `older_than_ms` and `younger_than_ms` are ages.
    """

    status: str = ""
    waits_for: str = ""
    channel: str = ""
    older_than_ms: int | None = None
    younger_than_ms: int | None = None
    sort: Sort = "newest"

    def apply(self, orders: Iterable[Summary], now: int) -> list[Summary]:
        """`now` is Unix milliseconds."""
        shown = (order for order in orders if self._fits(order, now - order.accepted_at))
        newest_first = self.sort == "newest"
        # An id begins with its time, so orders of the same moment have an order too.
        return sorted(
            shown, key=lambda order: (order.accepted_at, order.order_id), reverse=newest_first
        )

    def _fits(self, order: Summary, age_ms: int) -> bool:
        return (
            self.status in ("", order.status)
            and (not self.waits_for or self.waits_for in order.waits_for)
            and self.channel in ("", order.channel)
            and (self.older_than_ms is None or age_ms > self.older_than_ms)
            and (self.younger_than_ms is None or age_ms <= self.younger_than_ms)
        )


def customer_of_email(service: Service, address: str) -> CustomerId | None:
    """The customer who signs in with an e-mail address, where the stage has a user pool of its own;
    None where there is no such customer, or the store's own issuer knows them."""
    from botocore.exceptions import ClientError

    address = unquoted(address)
    if '"' in address or "\\" in address:
        return None
    try:
        pool = service.output("UserPoolId")
        answer = service.client("cognito-idp").list_users(
            UserPoolId=pool, Filter=f'email = "{address}"', Limit=1
        )
    except (ClientError, SpillwayError):
        # There is no pool; or whoever may read orders may not read who customers are.
        return None
    attributes = {
        one["Name"]: one["Value"] for user in answer["Users"] for one in user["Attributes"]
    }
    return CustomerId(attributes["sub"]) if "sub" in attributes else None
