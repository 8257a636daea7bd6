"""The customers: they send an order until it is answered, cancel it, read it, and try others'.

None of them knows anything but the API's answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from orders.domain.order import OrderKey
from orders.domain.units import CustomerId
from simulation.catalogue import Draft, request
from simulation.world.world import World
from spillway.run.load.records import Acknowledgement, Answer

#: Between two tries: from this, doubled up to that.
RESEND_MS = 500
RESEND_MAX_MS = 5 * 60 * 1000

_PUT = "PUT /orders/{order_id}"
_CANCEL = "PUT /orders/{order_id}/cancellation"
_GET = "GET /orders/{order_id}"
_HISTORY = "GET /orders"

OnAnswer = Callable[[int, str], None]


class _Accepted(msgspec.Struct):
    accepted_at: str


class _Seen(msgspec.Struct):
    status: str
    settled: bool


_accepted = msgspec.json.Decoder(_Accepted)
_seen = msgspec.json.Decoder(_Seen)


class Api:
    """The HTTP API: hands requests to the functions, and answers 5xx for those that fail."""

    def __init__(self, world: World) -> None:
        self._world = world

    def ask(self, who: str, event: Mapping[str, Any], on_answer: OnAnswer) -> None:
        route = event["routeKey"]
        world = self._world
        function = world.functions["intake" if route.startswith("PUT") else "reads"]

        def ended(result: Any, error: str | None) -> None:
            status = 500 if error is not None else result["statusCode"]
            if error is not None:
                world.invariants.raised(function.name, error)
            if world.trace is not None:
                world.trace.add(world.now(), who, route, f"answered {status}", error or "")
            on_answer(status, "" if error is not None else result["body"])

        function.invoke(f"{route} for {who}", event, ended)


class Customer:
    """One customer with one order, and no other customer sends one under its key.

    `refused`: an answer in the four hundreds, which is final.
    """

    def __init__(self, api: Api, world: World, name: str, draft: Draft) -> None:
        self.name = name
        self.draft = draft
        self.sent = False
        self.answers: list[Answer] = []
        self.refused: int | None = None
        self.status_read: str | None = None
        self.cancellation_sent = False
        self.cancellation_taken = False
        self._api = api
        self._world = world
        self._final: str | None = None

    @property
    def acknowledgement(self) -> Acknowledgement:
        return Acknowledgement(
            key=self.draft.key,
            order=self.draft.order,
            answers=tuple(self.answers),
            status=self.status_read,
            cancellation_sent=self.cancellation_sent,
            cancellation_taken=self.cancellation_taken,
        )

    def place(self, tries: int = 0) -> None:
        """Send the order, again and again until it is answered."""
        self.sent = True

        def answered(status: int, body: str) -> None:
            if status >= 500:
                self._later(tries, self.place)
            elif status >= 400:
                self.refused = status
            else:
                self.answers.append(Answer(status, _accepted.decode(body).accepted_at))
                self._world.invariants.acknowledged(self.draft, status)

        self._api.ask(self.name, self.draft.event, answered)

    def cancel(self, tries: int = 0) -> None:
        """Ask for the cancellation until it is answered. When the order is not
        there yet, ask again: it may still be in the overflow queue."""
        self.cancellation_sent = True

        def answered(status: int, _: str) -> None:
            if status == 202:
                self.cancellation_taken = True
            elif status >= 500 or (status == 404 and self.refused is None):
                self._later(tries, self.cancel)

        self._api.ask(self.name, request(_CANCEL, self.draft.key), answered)

    def read(self) -> None:
        """Read the order once, and compare with what was read before."""
        if not self.sent:
            return

        def answered(status: int, body: str) -> None:
            if status != 200:
                return
            seen = _seen.decode(body)
            self.status_read = seen.status
            if self._final is not None and seen.status != self._final:
                self._world.invariants.breaks(
                    "never_half_done",
                    (self.draft.key.customer_id, self.draft.key.order_id),
                    f"was read as {self._final}, and then as {seen.status}",
                )
            if seen.status in ("rejected", "cancelled"):
                self._final = seen.status

        self._api.ask(self.name, request(_GET, self.draft.key), answered)

    def _later(self, tries: int, again: Callable[[int], None]) -> None:
        wait = min(RESEND_MAX_MS, RESEND_MS << min(tries, 10))
        self._world.scheduler.after(wait, again, tries + 1)


class Stranger:
    """Another customer, who asks for an order and for its cancellation by its id."""

    def __init__(self, api: Api, world: World, customer_id: str, owner: OrderKey) -> None:
        self._api = api
        self._world = world
        self._owner = owner
        self._key = OrderKey(CustomerId(customer_id), owner.order_id)
        self._name = f"a stranger to {world.name_of(owner.customer_id, owner.order_id)}"

    def ask(self) -> None:
        for route in (_GET, _CANCEL):
            self._api.ask(self._name, request(route, self._key), self._answered(route))
        self._api.ask(self._name, request(_HISTORY, self._key), self._listed)

    def _answered(self, route: str) -> OnAnswer:
        def answered(status: int, _: str) -> None:
            self._world.invariants.answered_stranger(self._owner, route, status)

        return answered

    def _listed(self, status: int, body: str) -> None:
        if status == 200 and self._owner.order_id in body:
            self._world.invariants.answered_stranger(self._owner, _HISTORY, status)
