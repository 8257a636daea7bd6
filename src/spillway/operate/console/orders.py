"""Finding an order, a customer's orders, and one order's life.

What was ordered, by whom and whereto is the customer's: it is shown only on the order's own page,
when the operator asks for it there, and never in a list, a stream or an address.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orders.domain.order import OrderKey, is_order_id
from orders.domain.saga import DOWNSTREAM_OF, Step
from spillway.operate import orders as reading
from spillway.operate.console.desk import Desk
from spillway.operate.console.events import Fragment
from spillway.operate.console.showing import Form, Showing, back_to, events, text
from spillway.operate.console.timeline import timeline
from spillway.operate.messages import Message, messages_of
from spillway.operate.orders import Life, Listed
from spillway.target.options import told_if_silent

LISTED_MAX = 50


@dataclass(frozen=True, slots=True)
class OrderPages:
    """Search, lists, and one order's life."""

    showing: Showing

    async def live_list(self, _: Request) -> Fragment:
        desk = await self.showing.desk()
        listed = await run_in_threadpool(_overview, desk)
        return await self.showing.fragment("orders", listed=listed, now=desk.now(), more=None)

    async def search(self, request: Request) -> Response:
        wanted = request.query_params.get("q", "").strip()
        if not wanted:
            fragment = await self.live_list(request)
            return await self.showing.page("orders", live=fragment.html, wanted="", is_id=False)
        if not is_order_id(wanted):
            return await self._of_customer(wanted, request.query_params.get("before"))
        desk = await self.showing.desk()
        if desk.is_local:
            return await self._found(desk, wanted)
        items = await run_in_threadpool(_item_count, desk)
        return await self.showing.page(
            "find", wanted=wanted, items=items, complete=True, looked=False
        )

    async def _of_customer(self, customer: str, before: str | None) -> Response:
        desk = await self.showing.desk()
        listed = await run_in_threadpool(_customers, desk, customer, before)
        more = None
        if not listed.complete:
            more = "/orders?" + urlencode({"q": customer, "before": listed.orders[-1].order_id})
        fragment = await self.showing.fragment("orders", listed=listed, now=desk.now(), more=more)
        return await self.showing.page("orders", live=fragment.html, wanted=customer, is_id=False)

    async def find(self, _: Request, form: Form) -> Response:
        wanted = text(form, "order_id")
        if not is_order_id(wanted):
            return back_to("/orders")
        return await self._found(await self.showing.desk(), wanted)

    async def _found(self, desk: Desk, order_id: str) -> Response:
        keys, complete = await run_in_threadpool(_keys, desk, order_id)
        if keys:
            return back_to(address_of(keys[0]))
        items = await run_in_threadpool(_item_count, desk)
        return await self.showing.page(
            "find", status=404, wanted=order_id, items=items, complete=complete, looked=True
        )

    async def live_order(self, request: Request) -> Fragment:
        fragment = await self._order(request)
        return fragment or Fragment("", final=True)

    async def _order(self, request: Request) -> Fragment | None:
        desk = await self.showing.desk()
        life, messages = await run_in_threadpool(_life, desk, _key(request))
        if life is None:
            return None
        drawn = timeline(life, int(desk.now() * 1000))
        return await self.showing.fragment(
            "order",
            final=life.summary.settled,
            life=life,
            summary=life.summary,
            drawn=drawn,
            messages=messages,
            waits=_waits(life),
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
            return await self.showing.page("failure", status=404, sentence=sentence)
        sent = None
        if shown:
            life, _ = await run_in_threadpool(_life, await self.showing.desk(), key)
            sent = None if life is None else life.record.order
        return await self.showing.page(
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
            Route("/orders/events", events(self.showing, self.live_list)),
            self.showing.action("/orders/find", self.find),
            Route("/orders/{order_id}", self.order),
            Route("/orders/{order_id}/events", events(self.showing, self.live_order)),
            self.showing.action("/orders/{order_id}/content", self.content),
        ]


def address_of(key: OrderKey, below: str = "") -> str:
    """A customer id may hold anything, slashes included, so it is no part of the path."""
    return f"/orders/{key.order_id}{below}?" + urlencode({"customer": key.customer_id})


def _key(request: Request) -> OrderKey:
    return OrderKey(request.query_params.get("customer", ""), request.path_params["order_id"])


def _overview(desk: Desk) -> Listed:
    """On this machine the newest orders, on AWS what the watchdog says has not settled: a look
    through a table costs nothing here, and there it does."""
    with told_if_silent():
        if desk.is_local:
            return reading.newest(desk.service, limit=LISTED_MAX)
        return reading.stuck(desk.service, limit=LISTED_MAX)


def _customers(desk: Desk, customer: str, before: str | None) -> Listed:
    with told_if_silent():
        return reading.of_customer(desk.service, customer, limit=LISTED_MAX, before=before)


def _keys(desk: Desk, order_id: str) -> tuple[list[OrderKey], bool]:
    with told_if_silent():
        return reading.keys_of(desk.service, order_id)


def _item_count(desk: Desk) -> int:
    with told_if_silent():
        return reading.item_count(desk.service)


def _life(desk: Desk, key: OrderKey) -> tuple[Life | None, list[Message] | None]:
    with told_if_silent():
        life = reading.life(desk.service, key)
        return life, None if life is None else messages_of(desk.service, key)


#: A step that is owed: its downstream, what went wrong last, and whether its message lies dead.
Wait = tuple[str, str, str, bool]


def _waits(life: Life) -> list[Wait]:
    """Each step that is owed: its downstream, what went wrong last, and whether it lies dead."""
    waits: list[Wait] = []
    for name in life.summary.owed:
        trouble = life.last_trouble.get(name)
        why, dead = "no try has been told of yet", False
        if trouble is not None:
            told = trouble.fields.get("detail") or trouble.fields.get("error") or trouble.outcome
            why, dead = str(told), trouble.outcome in ("set_aside", "contradicted")
        waits.append((name, DOWNSTREAM_OF[Step(name)], why, dead))
    return waits
