"""Finding an order, a customer's orders, and one order's life.

Goods, name and address are the customer's. They are shown only on the order's own page, when the
operator asks for them there, and never in a list, a stream or a URL.
"""

from __future__ import annotations

import time
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from orders.domain.order import OrderKey, is_order_id
from orders.domain.units import CustomerId
from spillway.errors import SpillwayError
from spillway.operate.console.state import AppState
from spillway.operate.console.timeline import timeline
from spillway.operate.console.views import Form, Page, Refused, back_to, text
from spillway.operate.orders import reading
from spillway.operate.status.messages import messages_of

LISTED_MAX = 50


def search(state: AppState, request: Request) -> Page | Response:
    """The page of orders: an overview, one customer's, or the order of an id."""
    wanted = request.query_params.get("q", "").strip()
    if is_order_id(wanted):
        if state.is_local:
            return _found(state, wanted)
        return Page("find", {"wanted": wanted, "items": reading.item_count(state.service)})
    if wanted:
        return _of_customer(state, wanted, request.query_params.get("before"))
    return _overview(state)


def _overview(state: AppState) -> Page:
    """On this machine the newest orders; on AWS those that the watchdog found unsettled, because
    reading the table costs money there."""
    read = reading.newest if state.is_local else reading.stuck
    values = {"listed": read(state.service, limit=LISTED_MAX), "wanted": "", "more": None}
    return Page("orders", values, "/orders/events" if state.is_local else "")


def _of_customer(state: AppState, customer: str, before: str | None) -> Page:
    listed = reading.of_customer(state.service, customer, limit=LISTED_MAX, before=before)
    more = None
    if not listed.complete:
        more = "/orders?" + urlencode({"q": customer, "before": listed.orders[-1].order_id})
    return Page("orders", {"listed": listed, "wanted": customer, "more": more})


def find(state: AppState, _: Request, form: Form) -> Response:
    """Read the table for an order, which costs money on AWS."""
    wanted = text(form, "order_id")
    return _found(state, wanted) if is_order_id(wanted) else back_to("/orders")


def _found(state: AppState, order_id: str) -> Response:
    try:
        return back_to(address_of(reading.key_of(state.service, order_id)))
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
    customer = CustomerId(request.query_params.get("customer", ""))
    key = OrderKey(customer, request.path_params["order_id"])
    life = reading.life(state.service, key)
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
        },
        "" if life.summary.settled else address_of(key, "/events"),
    )


def address_of(key: OrderKey, below: str = "") -> str:
    """A customer id may hold anything, slashes included, so it is no part of the path."""
    return f"/orders/{key.order_id}{below}?" + urlencode({"customer": key.customer_id})
