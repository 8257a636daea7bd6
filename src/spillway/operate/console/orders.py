"""Finding an order, a customer's orders, and one order's life.

Goods, name and address are the customer's. They are shown only on the order's own page, when the
operator asks for them there, and never in a list, a stream or a URL.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orders.domain.order import OrderKey, is_order_id
from orders.domain.units import CustomerId
from spillway.operate.console.asking import ask
from spillway.operate.console.events import Fragment
from spillway.operate.console.state import AppState
from spillway.operate.console.timeline import timeline
from spillway.operate.console.views import Form, Views, back_to, events, text
from spillway.operate.orders import reading
from spillway.operate.orders.reading import Life, Listed
from spillway.operate.status.messages import Message, messages_of

LISTED_MAX = 50


@dataclass(frozen=True, slots=True)
class OrderPages:
    """Search, lists, and one order's life."""

    views: Views

    async def live_list(self, _: Request) -> Fragment:
        state = await self.views.state()
        listed = await ask(lambda: _overview(state))
        return await self.views.fragment("orders", listed=listed, now=state.now(), more=None)

    async def search(self, request: Request) -> Response:
        wanted = request.query_params.get("q", "").strip()
        if not wanted:
            fragment = await self.live_list(request)
            return await self.views.page("orders", live=fragment.html, wanted="", is_id=False)
        if not is_order_id(wanted):
            return await self._of_customer(wanted, request.query_params.get("before"))
        state = await self.views.state()
        if state.is_local:
            return await self._found(state, wanted)
        items = await ask(lambda: reading.item_count(state.service))
        return await self.views.page(
            "find", wanted=wanted, items=items, complete=True, looked=False
        )

    async def _of_customer(self, customer: str, before: str | None) -> Response:
        state = await self.views.state()
        listed = await ask(
            lambda: reading.of_customer(state.service, customer, limit=LISTED_MAX, before=before)
        )
        more = None
        if not listed.complete:
            more = "/orders?" + urlencode({"q": customer, "before": listed.orders[-1].order_id})
        fragment = await self.views.fragment("orders", listed=listed, now=state.now(), more=more)
        return await self.views.page("orders", live=fragment.html, wanted=customer, is_id=False)

    async def find(self, _: Request, form: Form) -> Response:
        wanted = text(form, "order_id")
        if not is_order_id(wanted):
            return back_to("/orders")
        return await self._found(await self.views.state(), wanted)

    async def _found(self, state: AppState, order_id: str) -> Response:
        keys, complete = await ask(lambda: reading.keys_of(state.service, order_id))
        if keys:
            return back_to(address_of(keys[0]))
        items = await ask(lambda: reading.item_count(state.service))
        return await self.views.page(
            "find", status=404, wanted=order_id, items=items, complete=complete, looked=True
        )

    async def live_order(self, request: Request) -> Fragment:
        fragment = await self._order(request)
        return fragment or Fragment("", final=True)

    async def _order(self, request: Request) -> Fragment | None:
        state = await self.views.state()
        life, messages = await ask(lambda: _life(state, _key(request)))
        if life is None:
            return None
        drawn = timeline(life, int(state.now() * 1000))
        return await self.views.fragment(
            "order",
            final=life.summary.settled,
            life=life,
            summary=life.summary,
            drawn=drawn,
            messages=messages,
        )

    async def order(self, request: Request) -> Response:
        if "customer" not in request.query_params:
            return back_to("/orders?" + urlencode({"q": request.path_params["order_id"]}))
        return await self._order_page(request, shown=False)

    async def content(self, request: Request, _: Form) -> Response:
        return await self._order_page(request, shown=True)

    async def _order_page(self, request: Request, *, shown: bool) -> Response:
        key = _key(request)
        fragment = await self._order(request)
        if fragment is None:
            sentence = f"Customer {key.customer_id!r} has no order {key.order_id}."
            return await self.views.page("failure", status=404, sentence=sentence)
        sent = None
        if shown:
            state = await self.views.state()
            life, _ = await ask(lambda: _life(state, key))
            sent = None if life is None else life.record.order
        return await self.views.page(
            "order",
            live=fragment.html,
            final=fragment.final,
            key=key,
            address=address_of(key),
            events_address=address_of(key, "/events"),
            content_address=address_of(key, "/content"),
            sent=sent,
        )

    def routes(self) -> list[Route]:
        return [
            Route("/orders", self.search),
            Route("/orders/events", events(self.views, self.live_list)),
            self.views.action("/orders/find", self.find),
            Route("/orders/{order_id}", self.order),
            Route("/orders/{order_id}/events", events(self.views, self.live_order)),
            self.views.action("/orders/{order_id}/content", self.content),
        ]


def address_of(key: OrderKey, below: str = "") -> str:
    """A customer id may hold anything, slashes included, so it is no part of the path."""
    return f"/orders/{key.order_id}{below}?" + urlencode({"customer": key.customer_id})


def _key(request: Request) -> OrderKey:
    customer = CustomerId(request.query_params.get("customer", ""))
    return OrderKey(customer, request.path_params["order_id"])


def _overview(state: AppState) -> Listed:
    """On this machine the newest orders; on AWS those that the watchdog found unsettled, because
    reading the table costs money there."""
    if state.is_local:
        return reading.newest(state.service, limit=LISTED_MAX)
    return reading.stuck(state.service, limit=LISTED_MAX)


def _life(state: AppState, key: OrderKey) -> tuple[Life | None, list[Message] | None]:
    life = reading.life(state.service, key)
    return life, None if life is None else messages_of(state.service, key)
