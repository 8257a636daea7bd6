"""Finding an order, a customer's orders, and one order's life.

Goods, name and address are the customer's. They are shown only on the order's own page, when the
operator asks for them there, and never in a list, a stream or a URL.
"""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from orders.domain.order import Order, OrderKey, is_order_id
from orders.domain.units import CustomerId
from spillway.operate.console.state import AppState
from spillway.operate.console.timeline import timeline
from spillway.operate.console.views import Form, Page, Refused, back_to, text
from spillway.operate.orders import reading
from spillway.operate.orders.reading import Life, Listed
from spillway.operate.status.messages import messages_of

LISTED_MAX = 50


def search(state: AppState, request: Request) -> Page | Response:
    """The page of orders: an overview, one customer's, or the order of an id."""
    wanted = request.query_params.get("q", "").strip()
    if not wanted:
        return _overview(state)
    if not is_order_id(wanted):
        return _of_customer(state, wanted, request.query_params.get("before"))
    if state.is_local:
        return _found(state, wanted)
    return _find(state, wanted)


def _overview(state: AppState) -> Page:
    """On this machine the newest orders; on AWS those that the watchdog found unsettled, because
    reading the table costs money there."""
    if state.is_local:
        newest = reading.newest(state.service, limit=LISTED_MAX)
        return _list_page(newest, events="/orders/events")
    return _list_page(reading.stuck(state.service, limit=LISTED_MAX))


def _of_customer(state: AppState, customer: str, before: str | None) -> Page:
    listed = reading.of_customer(state.service, customer, limit=LISTED_MAX, before=before)
    more = None
    if not listed.complete:
        more = "/orders?" + urlencode({"q": customer, "before": listed.orders[-1].order_id})
    return _list_page(listed, wanted=customer, more=more)


def _list_page(
    listed: Listed, *, wanted: str = "", more: str | None = None, events: str = ""
) -> Page:
    return Page("orders", {"listed": listed, "wanted": wanted, "more": more}, events)


def find(state: AppState, _: Request, form: Form) -> Page | Response:
    """Read the table for an order, which costs money on AWS."""
    wanted = text(form, "order_id")
    return _found(state, wanted) if is_order_id(wanted) else back_to("/orders")


def _found(state: AppState, order_id: str) -> Page | Response:
    keys, complete = reading.keys_of(state.service, order_id)
    if keys:
        return back_to(address_of(keys[0]))
    return _find(state, order_id, looked=True, complete=complete)


def _find(state: AppState, wanted: str, *, looked: bool = False, complete: bool = True) -> Page:
    values = {"wanted": wanted, "looked": looked, "complete": complete}
    items = reading.item_count(state.service)
    return Page("find", {**values, "items": items}, status=404 if looked else 200)


def order(state: AppState, request: Request) -> Page | Response:
    if "customer" not in request.query_params:
        return back_to("/orders?" + urlencode({"q": request.path_params["order_id"]}))
    life = _life(state, request)
    return _order_page(state, life, sent=None)


def content(state: AppState, request: Request, _: Form) -> Page:
    """The same with the goods and the address."""
    life = _life(state, request)
    return _order_page(state, life, sent=life.record.order)


def _life(state: AppState, request: Request) -> Life:
    customer = CustomerId(request.query_params.get("customer", ""))
    key = OrderKey(customer, request.path_params["order_id"])
    life = reading.life(state.service, key)
    if life is None:
        raise Refused(404, f"Customer {key.customer_id!r} has no order {key.order_id}.")
    return life


def _order_page(state: AppState, life: Life, sent: Order | None) -> Page:
    key = life.record.key
    return Page(
        "order",
        {
            "key": key,
            "life": life,
            "summary": life.summary,
            "drawn": timeline(life, int(state.now() * 1000)),
            "messages": messages_of(state.service, key),
            "sent": sent,
            "address": address_of(key),
            "content_address": address_of(key, "/content"),
        },
        "" if life.summary.settled else address_of(key, "/events"),
    )


def address_of(key: OrderKey, below: str = "") -> str:
    """A customer id may hold anything, slashes included, so it is no part of the path."""
    return f"/orders/{key.order_id}{below}?" + urlencode({"customer": key.customer_id})
