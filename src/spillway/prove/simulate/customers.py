"""The customers: they send an order until it is answered, cancel it, have it refunded, read it, and
try others'; and the approvers of those that are held.

They know only the API's answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from orders.domain.order import OrderKey, order_id_time
from orders.domain.refusals import ORDER_ID_AGE_MAX_MS
from orders.domain.saga import Verdict
from orders.domain.units import CustomerId, OrderId
from orders.domain.void import is_proven
from simulation.catalogue import BOB, KEY, KEY_ID, Draft, Person, request
from simulation.world.dynamodb import STALE_MAX_MS
from simulation.world.world import World
from spillway.run.load.records import Acknowledgement, Answer

#: Between two tries: from this, doubled up to that.
RESEND_MS = 500
RESEND_MAX_MS = 5 * 60 * 1000

_PUT = "PUT /orders/{order_id}"
_CANCEL = "PUT /orders/{order_id}/cancellation"
_DECIDE = "POST /orders/{order_id}/approval"
_GET = "GET /orders/{order_id}"
_HISTORY = "GET /orders"

#: How often an approver looks again for an order that is not there.
_DECISIONS_MAX = 5

OnAnswer = Callable[[int, str], None]


class _Violation(msgspec.Struct):
    rule: str


class _Body(msgspec.Struct):
    accepted_at: str = ""
    proofs: tuple[str, ...] = ()
    violations: tuple[_Violation, ...] = ()


class _Order(msgspec.Struct):
    status: str = ""


_body = msgspec.json.Decoder(_Body)
_order = msgspec.json.Decoder(_Order)


def _ask(world: World, who: str, event: Mapping[str, Any], on_answer: OnAnswer) -> None:
    """The HTTP API: hands a request to its function, and answers 500 where that fails."""
    route = event["routeKey"]
    function = world.functions["reads" if route.startswith("GET") else "intake"]

    def ended(result: Any, error: str | None) -> None:
        status = 500 if error is not None else result["statusCode"]
        if error is not None:
            world.invariants.raised(function.name, error)
        if world.trace is not None:
            world.trace.add(world.now(), who, route, f"answered {status}", error or "")
        on_answer(status, "" if error is not None else result["body"])

    function.invoke(f"{route} for {who}", event, ended)


@dataclass(slots=True, kw_only=True, eq=False)
class Customer(Acknowledgement):
    """One customer with one order, and what became of it.

    `refused`: an answer in the four hundreds, which is final.
    """

    world: World
    name: str
    draft: Draft
    answers: list[Answer] = field(default_factory=list)
    sent: bool = False
    refused: int | None = None
    _final: str | None = None
    _confirmed_at: int = 0

    def place(self, tries: int = 0) -> None:
        """Send the order, again and again until it is answered."""
        self.sent = True

        def answered(status: int, body: str) -> None:
            if status >= 500:
                self._later(tries, self.place)
            elif status >= 400:
                self.refused = status
                rules = {violation.rule for violation in _body.decode(body).violations}
                self.world.invariants.refused(self.draft, rules)
            else:
                self.answers.append(Answer(status, _body.decode(body).accepted_at))
                self.world.invariants.acknowledged(self.draft, status)

        _ask(self.world, self.name, self.draft.event, answered)

    def cancel(self, tries: int = 0) -> None:
        """Ask for the cancellation until it is answered. If there is no such order yet, ask again:
        for as long as an order is taken, it may still be in the overflow queue."""
        self.cancellation_sent = True

        def answered(status: int, _: str) -> None:
            if status == 202:
                self.cancellation_taken = True
            elif status >= 500 or (status == 404 and self.refused is None and self._may_come()):
                self._later(tries, self.cancel)

        _ask(self.world, self.name, self._request(_CANCEL), answered)

    def refund(self, tries: int = 0) -> None:
        """Have the id made void, and the payment given back by the gateway, which asks for a proof;
        then send the order with the receipt of that payment all the same."""
        self.cancellation_sent = True

        def answered(status: int, body: str) -> None:
            if status == 200:
                proofs = _body.decode(body).proofs
                if any(is_proven(proof, self.key, {KEY_ID: KEY}) for proof in proofs):
                    self.world.invariants.refunded(self.draft)
                self.place()
            elif status == 202:
                self.cancellation_taken = True
            elif status >= 500:
                self._later(tries, self.refund)

        asked = {**request(_CANCEL, self.key), "queryStringParameters": {"void": "true"}}
        _ask(self.world, self.name, asked, answered)

    def read(self) -> None:
        """Read the order once, and compare with what was read before."""
        if not self.sent:
            return
        key = (self.key.customer_id, self.key.order_id)
        was_there = self.world.invariants.has_order(key)

        def answered(status: int, body: str) -> None:
            if status == 404 and was_there:
                self.world.invariants.breaks("acknowledged_is_durable", key, "was not found")
            if status != 200:
                return
            self.status = status_read = _order.decode(body).status
            self._never_back(status_read)
            if self._final is not None and status_read != self._final:
                self.world.invariants.breaks(
                    "never_half_done",
                    key,
                    f"was read as {self._final}, and then as {status_read}",
                )
            if status_read in ("rejected", "cancelled"):
                self._final = status_read

        _ask(self.world, self.name, self._request(_GET), answered)

    def _never_back(self, status: str) -> None:
        """Once confirmed, an order is not on its way there again. Two reads may be answered by
        copies of the table that are not of the same age."""
        key, now = (self.key.customer_id, self.key.order_id), self.world.now()
        if status == "confirmed":
            self._confirmed_at = self._confirmed_at or now
            return
        since = now - self._confirmed_at if self._confirmed_at else 0
        if since > STALE_MAX_MS and status not in ("cancelling", "cancelled"):
            detail = f"was read as confirmed, and then as {status}"
            self.world.invariants.breaks("never_half_done", key, detail)

    def _request(self, route: str) -> Mapping[str, Any]:
        return request(route, self.key, person=self.draft.person)

    def _may_come(self) -> bool:
        age = self.world.now() - order_id_time(self.key.order_id)
        return age < ORDER_ID_AGE_MAX_MS

    def _later(self, tries: int, again: Callable[[int], None]) -> None:
        wait = min(RESEND_MAX_MS, RESEND_MS << min(tries, 10))
        self.world.scheduler.after(wait, again, tries + 1)


@dataclass(slots=True, kw_only=True, eq=False)
class Approver:
    """Somebody who decides about an order of a company, until it is answered. `may`: whether they
    are one who may. `taken`: they were told that it is decided so."""

    world: World
    key: OrderKey
    person: Person
    verdict: Verdict
    may: bool
    taken: bool = False

    def decide(self, tries: int = 0) -> None:
        world, key = self.world, (self.key.customer_id, self.key.order_id)
        if self.may:
            world.invariants.approvals.asks(key, self.person.id, self.verdict)

        def answered(status: int, _: str) -> None:
            if not self.may:
                world.invariants.answered_stranger(self.key, _DECIDE, status)
            elif status == 200:
                self.taken = True
            elif status >= 500 or (status == 404 and tries < _DECISIONS_MAX):
                wait = min(RESEND_MAX_MS, RESEND_MS << min(tries, 10))
                world.scheduler.after(wait, self.decide, tries + 1)

        body = msgspec.json.encode({"verdict": self.verdict}).decode()
        event = request(_DECIDE, self.key, body, self.person)
        _ask(world, f"{self.person.id} of {world.name_of(*key)}", event, answered)


def ask_as_stranger(world: World, owner: OrderKey) -> None:
    """Another customer asks for an order and for its cancellation by its id; and the customer whose
    order it is asks for what is beside it in the table, and for what no table can hold."""
    key = OrderKey(CustomerId(BOB), owner.order_id)
    name = f"a stranger to {world.name_of(owner.customer_id, owner.order_id)}"

    def answered(route: str, status: int, _: str) -> None:
        world.invariants.answered_stranger(owner, route, status)

    def listed(status: int, body: str) -> None:
        if status == 200 and owner.order_id in body:
            answered(_HISTORY, status, body)

    for route in (_GET, _CANCEL):
        _ask(world, name, request(route, key), partial(answered, route))
    _ask(world, name, request(_HISTORY, key), listed)
    for no_id in (f"{owner.order_id}#progress", "x" * 2_000):
        for route in (_GET, _CANCEL):
            asked = request(route, OrderKey(owner.customer_id, OrderId(no_id)))
            _ask(world, f"what is no id beside {name}", asked, partial(answered, route))
