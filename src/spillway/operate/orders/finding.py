"""Finds orders in the table by whatever an operator has at hand, and filters and sorts lists.

There is no index: one would cost a write for each order (decision 0040). So a search reads the
table once, and keeps what fits.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
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
#: Of the id of the one order that is meant: the first ones are the time within a minute, and fewer
#: last ones are another order's too.
ID_DIGITS_MIN = 8
#: Of a purchase order number or a payment's reference: fewer characters must be all of it.
PART_MIN = 3
#: How people write a day. One with slashes could be another day elsewhere.
_DAYS = ("%Y-%m-%d", "%d.%m.%Y", "%d %b %Y", "%d %B %Y")
#: The status of an order that was moved to the archive: it settled long before.
ARCHIVED = "archived"

WHAT_CAN_BE_FOUND = (
    "an order id, its first or last digits, a customer id or the hash of one that logs show, a"
    " purchase order number or a payment's reference or a part of one, an e-mail address, today,"
    " yesterday, or a date like 2026-11-27, but not for a name or any other part of an address"
)

Sort = Literal["newest", "oldest"]


def _bare(text: str) -> str:
    """Its letters and digits: people say PO 1665 and type po1665 where PO-1665 is printed."""
    return "".join(char for char in text.casefold() if char.isalnum())


@dataclass(frozen=True, slots=True)
class Content:
    """What an order can be found by, besides its keys: `purchase_order` and `payment` are bare."""

    channel: str
    purchase_order: str
    email: str
    payment: str

    @classmethod
    def of(cls, order: Order) -> Content:
        return cls(
            order.channel,
            _bare(order.purchase_order or ""),
            order.address.email.casefold(),
            "" if order.payment is None else _bare(order.payment.reference),
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
        text, begins = unquoted(self.text).lower(), None
        if text in ("today", "yesterday"):
            midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
            begins = midnight - timedelta(days=text == "yesterday")
        for written in _DAYS:
            with suppress(ValueError):
                begins = datetime.strptime(text, written).replace(tzinfo=UTC)
        if begins is None:
            return None
        ends = begins + timedelta(days=1)
        return int(begins.timestamp() * 1000), int(ends.timestamp() * 1000)

    @property
    def needs_content(self) -> bool:
        """What is archived cannot be found by it, because the table no longer has it."""
        return bool(self.text) and self.order_id is None and self.day is None

    def names(self, order_id: str) -> bool:
        """Whether it is an order's id, or its first or last digits."""
        if self.order_id is not None:
            return order_id == self.order_id
        digits, of_id = self.hexadecimal, order_id.replace("-", "")
        ends = len(digits) >= ID_DIGITS_MIN and of_id.endswith(digits)
        return bool(digits) and (ends or of_id.startswith(digits))

    def predicate(self) -> Callable[[Summary, Content | None], bool]:
        """Whether an order is one of those that are looked for."""
        digits, day = self.hexadecimal, self.day
        # A number or an id may begin with what is around another one.
        texts = {self.text.strip().casefold(), unquoted(self.text).casefold()} - {""}
        bare = _bare(self.text)
        if not texts:
            return lambda _, __: True
        if self.order_id is not None:
            return lambda order, _: self.names(order.order_id)
        if day is not None:
            return lambda order, _: day[0] <= order.accepted_at < day[1]

        def fits(order: Summary, content: Content | None) -> bool:
            if self.names(order.order_id) or (digits and order.customer.startswith(digits)):
                return True
            if order.customer_id is not None and order.customer_id.casefold() in texts:
                return True
            if content is None or not bare:
                return False
            given = (content.purchase_order, content.payment)
            part = len(bare) >= PART_MIN and any(bare in one for one in given)
            return part or bare in given or content.email in texts

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
        if unsettled_only and order.at_rest:
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
    """UsageError: the text is neither an order id nor enough of its digits."""
    sought = Sought(text)
    if sought.order_id is None and len(sought.hexadecimal) < ID_DIGITS_MIN:
        raise UsageError(
            f"{text!r} isn't an order id: one is a UUID version 7, like"
            f" 019aafcf-6ac0-7c3e-b1a5-5f0c8f1f2a10. {ID_DIGITS_MIN} digits of its begin or end do;"
            " `spillway orders list TEXT` finds orders by other things."
        )


def key_of(
    service: Service,
    text: str,
    *,
    items_max: int = ITEMS_MAX,
    on_items: OnItems = lambda _: None,
) -> OrderKey:
    """The order with an id, or with the first or last digits of one.

    An id is unique for one customer only, and a second order could be anywhere in the table; the
    search for a whole id ends with the first.

    CheckFailed: no order has it. UsageError: several do. SpillwayError: not all could be read.
    """
    sought = Sought(text)
    found = find(service, sought, items_max=items_max, on_items=on_items)
    named = [order for order in found.orders if sought.names(order.order_id)]
    if len(named) == 1 and named[0].customer_id is not None:
        return OrderKey(CustomerId(named[0].customer_id), OrderId(named[0].order_id))
    if named:
        some = ", ".join(order.order_id for order in named[:5])
        raise UsageError(
            f"{len(named):,} orders have the digits {text}: {some}. Give more, or choose from"
            f" `spillway orders list {text}{service.options}`."
        )
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
