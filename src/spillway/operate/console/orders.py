"""Finding orders, lists of them, and one order's life.

Goods, name and address are the customer's. They are shown only on the order's own page, when the
operator asks for them there, and never in a list, a stream or a URL.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from orders.domain.order import OrderKey, is_order_id
from orders.domain.saga import DOWNSTREAMS
from orders.domain.status import Status
from orders.domain.units import CustomerId, OrderId
from spillway.errors import SpillwayError
from spillway.operate.arguments import milliseconds, written_id
from spillway.operate.console.searches import Search
from spillway.operate.console.state import AppState
from spillway.operate.console.timeline import timeline
from spillway.operate.console.views import Form, Page, Refused, back_to
from spillway.operate.orders import reading
from spillway.operate.orders.finding import (
    ARCHIVED,
    FOUND_MAX,
    WHAT_CAN_BE_FOUND,
    Filters,
    Sought,
    customer_of_email,
    key_of,
)
from spillway.operate.orders.waiting import FIX, RETRIES_CONTINUE, waiting_for
from spillway.operate.status.messages import messages_of

LISTED_MAX = 50
#: The choices of each filter, with their names; the first is for any.
CHOICES: Mapping[str, Mapping[str, str]] = {
    "status": {"": "any status", **{one: one for one in (*Status, ARCHIVED)}},
    "waits": {"": "anything", **{one: one for one in DOWNSTREAMS}},
    "channel": {"": "any channel", "retail": "retail", "wholesale": "wholesale"},
    "age": {
        "": "any age",
        "older-1m": "older than 1 minute",
        "older-10m": "older than 10 minutes",
        "older-30m": "older than 30 minutes",
        "older-2h": "older than 2 hours",
        "older-1d": "older than a day",
        "younger-15m": "younger than 15 minutes",
        "younger-1d": "younger than a day",
    },
    "sort": {"newest": "newest first", "oldest": "oldest first"},
}
#: What an item costs to read on AWS, with a margin for large ones: half a read unit for 4 KB.
DOLLARS_PER_ITEM = 0.125 / 1_000_000 / 2


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address of a list asks for. `kept` stands for a text that must not be in it."""

    text: str
    kept: str
    unsettled: bool
    chosen: Mapping[str, str]
    page: int

    @classmethod
    def of(cls, state: AppState, request: Request) -> Asked:
        given = request.query_params
        kept = given.get("kept", "")
        chosen = {
            name: given.get(name, "") if given.get(name, "") in choices else ""
            for name, choices in CHOICES.items()
        }
        unsettled = given.get("unsettled", "") != ""
        if unsettled and not chosen["sort"]:
            # Who waits longest is looked at first.
            chosen["sort"] = "oldest"
        page = given.get("page", "")
        return cls(
            state.searches.texts.get(kept, "") if kept else given.get("q", "").strip(),
            kept,
            unsettled,
            chosen,
            int(page) if page.isdecimal() and len(page) <= 6 and int(page) > 0 else 1,
        )

    @property
    def filters(self) -> Filters:
        older, younger = None, None
        if self.chosen["age"]:
            kind, _, length = self.chosen["age"].partition("-")
            older, younger = (
                milliseconds(length) if kind == name else None for name in ("older", "younger")
            )
        return Filters(
            self.chosen["status"],
            self.chosen["waits"],
            self.chosen["channel"],
            older,
            younger,
            "oldest" if self.chosen["sort"] == "oldest" else "newest",
        )

    @property
    def narrows(self) -> bool:
        """Whether not all orders of the text are asked for, newest first."""
        return self.unsettled or any(self.chosen.values())

    @property
    def parameters(self) -> dict[str, str]:
        """Those that are not what they are without being named."""
        named = {"kept": self.kept} if self.kept else {"q": self.text}
        unsettled = {"unsettled": "1"} if self.unsettled else {}
        return {
            name: value for name, value in {**named, **unsettled, **self.chosen}.items() if value
        }

    def address(self, **changes: str | int) -> str:
        wanted = {**self.parameters, **{name: str(value) for name, value in changes.items()}}
        named = urlencode({name: value for name, value in wanted.items() if value})
        return "/orders" + (f"?{named}" if named else "")


def search(state: AppState, request: Request) -> Page | Response:
    """The page of orders: all of them, or those of a search; or the order of an id."""
    asked = Asked.of(state, request)
    if "@" in asked.text and not asked.kept:
        return back_to("/orders?" + urlencode({"kept": state.searches.keep(asked.text)}))
    named = written_id(asked.text)
    if Sought(named).order_id is not None and state.is_local:
        return _found(state, named)
    if asked.text and Sought(named).order_id is None:
        customer = asked.text
        if "@" in customer:
            customer = customer_of_email(state.service, customer) or customer
        listed = reading.of_customer(
            state.service, customer, limit=LISTED_MAX, before=request.query_params.get("before")
        )
        # Of one with many orders, filters need all of them.
        if listed.orders and (listed.complete or not asked.narrows):
            return _of_customer(asked, customer, listed)
    return _table(state, asked)


def _of_customer(asked: Asked, customer: str, listed: reading.Listed) -> Page:
    """Read by key: for nothing, and without a search."""
    more = None
    if not listed.complete:
        more = asked.address(before=listed.orders[-1].order_id)
    return _page(asked, listed, title="Orders of", named=customer, more=more)


def _table(state: AppState, asked: Asked) -> Page:
    """From a reading of the table; on AWS, until one was asked for, from the watchdog's log."""
    search = state.searches.of(asked.text, unsettled_only=asked.unsettled)
    if state.is_local:
        state.searches.fresh(search)
        if search.failure:
            # A list that can no longer be read must not look as if it were the present one.
            raise SpillwayError(search.failure)
    found = search.found
    if found is not None:
        source = "the orders table"
        if found.archived:
            source += f", without {found.archived:,} archived orders"
        listed = reading.Listed(found.orders, found.complete, source)
    elif asked.text or asked.unsettled or search.runs:
        listed = reading.Listed(source="nothing yet")
    else:
        listed = reading.stuck(state.service, limit=FOUND_MAX)
    title = "Orders with" if asked.text else "Orders"
    if asked.unsettled or (found is None and not asked.text and not state.is_local):
        title = "Orders that have not settled" + (" with" if asked.text else "")
    items = None if state.is_local else reading.item_count(state.service)
    return _page(asked, listed, title=title, named=asked.text, search=search, items=items)


def _page(
    asked: Asked,
    listed: reading.Listed,
    *,
    title: str,
    named: str,
    search: Search | None = None,
    more: str | None = None,
    items: int | None = None,
) -> Page:
    fit = asked.filters.apply(listed.orders, int(time.time() * 1000))
    if asked.unsettled:
        fit = [order for order in fit if order.owed]
    pages = max(1, -(-len(fit) // LISTED_MAX))
    number = min(asked.page, pages)
    first = (number - 1) * LISTED_MAX
    values: dict[str, Any] = {
        "asked": asked,
        "nothing_was_read": search is not None and search.found is None,
        "listed": listed,
        "orders": fit[first : first + LISTED_MAX],
        "first": first,
        "fit": len(fit),
        "last_page": pages,
        "number": number,
        "title": title,
        "named": named,
        "wanted": asked.text,
        "more": more,
        "search": search,
        "choices": CHOICES,
        "what_can_be_found": WHAT_CAN_BE_FOUND,
        "items": items,
        "dollars": None if items is None else items * DOLLARS_PER_ITEM + 0.0001,
    }
    # On AWS a list changes only while it is being read.
    live = search is not None and (items is None or search.runs)
    events = "/orders/events" + asked.address(page=number).removeprefix("/orders")
    return Page("orders", values, events if live else "")


def find(state: AppState, request: Request, _: Form) -> Response:
    """Read the table for a list, which costs money on AWS."""
    asked = Asked.of(state, request)
    state.searches.of(asked.text, unsettled_only=asked.unsettled).begin(state.service)
    return back_to(asked.address())


def _found(state: AppState, order_id: str) -> Response:
    try:
        return back_to(address_of(key_of(state.service, order_id)))
    except SpillwayError as missing:
        raise Refused(404, str(missing)) from missing


def order(state: AppState, request: Request) -> Page | Response:
    if "customer" not in request.query_params:
        return back_to("/orders?" + urlencode({"q": request.path_params["order_id"]}))
    return _order_page(state, request, with_content=False)


def content(state: AppState, request: Request, _: Form) -> Page:
    """The same with the goods and the address."""
    return _order_page(state, request, with_content=True)


def _order_page(state: AppState, request: Request, *, with_content: bool) -> Page:
    key = OrderKey(
        CustomerId(request.query_params.get("customer", "")),
        OrderId(written_id(request.path_params["order_id"])),
    )
    # Nothing else may be looked up: `<id>#progress` is the key of another item.
    life = reading.life(state.service, key) if is_order_id(key.order_id) else None
    if life is None:
        raise Refused(404, f"Customer {key.customer_id!r} has no order {key.order_id}.")
    return Page(
        "order",
        {
            "key": key,
            "life": life,
            "summary": life.summary,
            "drawn": timeline(life, int(time.time() * 1000)),
            "messages": messages_of(state.service, key),
            "sent": life.record.order if with_content else None,
            "address": address_of(key),
            "content_address": address_of(key, "/content"),
            "waiting_for": waiting_for,
            "fix": FIX,
            "retries_continue": RETRIES_CONTINUE,
        },
        address_of(key, "/events") if life.summary.owed else "",
    )


def address_of(key: OrderKey, below: str = "") -> str:
    """A customer id may hold anything, slashes included, so it is no part of the path."""
    return f"/orders/{key.order_id}{below}?" + urlencode({"customer": key.customer_id})
