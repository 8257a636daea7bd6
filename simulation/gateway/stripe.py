"""Stripe's API as far as payments and refunds need it, in memory.

It keeps to what Stripe documents (https://docs.stripe.com/api, version 2024-06-20):

- Lists come newest first, ten at a time or as many as asked for up to 100, from after an object
  on. `latest_charge` is an id, unless it is expanded.
- A first answer under an `Idempotency-Key` is kept, an error 500 too, and given again for a day
  with `Idempotent-Replayed`. Other parameters under the same key are an `idempotency_error`; while
  the first is under way another one gets 409. What conflicts or fails validation is not kept.
- A payment is refunded up to what is left of it, and no further.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

from urllib3.exceptions import ProtocolError

DAY_MS = 24 * 60 * 60 * 1000
LIST_DEFAULT, LIST_MAX = 10, 100

#: What can go wrong with one request: it is too many, fails before or after it was done, or its
#: answer is lost; or the first under the same key is still under way.
Fault = Literal["too_many", "fails_before", "fails_after", "answer_lost", "key_in_use"]
Document = dict[str, Any]
NextFault = Callable[[str, str], Fault | None]


@dataclass(frozen=True, slots=True)
class Answer:
    """`lost`: nobody gets it."""

    status: int
    document: Document
    headers: Mapping[str, str] = field(default_factory=dict)
    lost: bool = False

    @property
    def body(self) -> bytes:
        return json.dumps(self.document).encode()


class _Refused(Exception):
    def __init__(self, status: int, type_: str, code: str, message: str) -> None:
        super().__init__(message)
        error = {"type": type_, "message": message} | ({"code": code} if code else {})
        self.answer = Answer(status, {"error": error})


def _invalid(code: str, message: str, status: int = 400) -> _Refused:
    return _Refused(status, "invalid_request_error", code, message)


@dataclass(slots=True)
class _Payment:
    id: str
    amount: int
    currency: str
    created: int
    metadata: dict[str, str]
    refunded: int = 0

    def document(self, *, expanded: bool) -> Document:
        charge_id = self.id.replace("pi_", "ch_", 1)
        charge = {
            "id": charge_id,
            "object": "charge",
            "amount": self.amount,
            "amount_refunded": self.refunded,
            "refunded": self.refunded == self.amount,
            "currency": self.currency,
            "payment_intent": self.id,
        }
        return {
            "id": self.id,
            "object": "payment_intent",
            "amount": self.amount,
            "amount_received": self.amount,
            "currency": self.currency,
            "created": self.created,
            "latest_charge": charge if expanded else charge_id,
            "metadata": self.metadata,
            "status": "succeeded",
        }


@dataclass(frozen=True, slots=True)
class _Kept:
    request: tuple[str, str]
    answer: Answer
    at: int


class FakeStripe:
    """`now` gives Unix milliseconds. `next_fault` says what goes wrong with a request, by its
    method and path. `on_refund` is called after each, with the payment's id and metadata."""

    def __init__(
        self,
        now: Callable[[], int],
        key: str = "rk_test_fake",
        next_fault: NextFault = lambda _method, _path: None,
        on_refund: Callable[[str, Mapping[str, str]], object] = lambda _id, _metadata: None,
    ) -> None:
        self._now = now
        self._key = key
        self._next_fault = next_fault
        self._on_refund = on_refund
        self._payments: dict[str, _Payment] = {}
        self._kept: dict[str, _Kept] = {}
        self.refunds: list[Document] = []

    def answer(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes = b"",
        fault: Fault | None = None,
    ) -> Answer:
        """`url` with or without its origin; `headers` in lower case. `fault`: in place of the next
        one."""
        parts = urlsplit(url)
        fault = fault or self._next_fault(method, parts.path)
        try:
            self._admit(headers.get("authorization"), fault)
            given = dict(parse_qsl(parts.query if method == "GET" else body.decode()))
            if method == "GET":
                answer = self._get(parts.path, given)
            else:
                answer = self._once(parts.path, given, headers.get("idempotency-key"), fault)
        except _Refused as refused:
            return refused.answer
        if fault == "fails_before" and method == "GET":
            return _failed()
        return replace(answer, lost=fault == "answer_lost")

    def pay(
        self, amount: int, currency: str, metadata: Mapping[str, str], *, id_: str | None = None
    ) -> str:
        """A payment that a customer has made, as the store's checkout has it created."""
        id_ = id_ or f"pi_{len(self._payments) + 1:024}"
        created = self._now() // 1000
        self._payments[id_] = _Payment(id_, amount, currency.lower(), created, dict(metadata))
        return id_

    def refunded(self, id_: str) -> int:
        """How much of a payment has gone back."""
        return self._payments[id_].refunded

    def payments(self) -> Iterator[tuple[str, Mapping[str, str], int, int]]:
        """Each payment's id, metadata, amount and what of it has gone back."""
        for one in self._payments.values():
            yield one.id, one.metadata, one.amount, one.refunded

    def _admit(self, authorization: str | None, fault: Fault | None) -> None:
        if authorization != f"Bearer {self._key}":
            raise _invalid("", "Invalid API Key provided", 401)
        if fault == "too_many":
            raise _Refused(429, "invalid_request_error", "rate_limit", "Too many requests")

    def _get(self, path: str, given: Mapping[str, str]) -> Answer:
        if path == "/v1/payment_intents":
            return self._listed(given)
        id_ = path.removeprefix("/v1/payment_intents/")
        if id_ == path:
            raise _invalid("", f"Unrecognized request URL (GET: {path})", 404)
        expanded = given.get("expand[]") == "latest_charge"
        return Answer(200, self._found(id_).document(expanded=expanded))

    def _found(self, id_: str) -> _Payment:
        if id_ not in self._payments:
            raise _invalid("resource_missing", f"No such payment_intent: '{id_}'", 404)
        return self._payments[id_]

    def _listed(self, given: Mapping[str, str]) -> Answer:
        limit = int(given.get("limit", LIST_DEFAULT))
        if not 1 <= limit <= LIST_MAX:
            raise _invalid("parameter_invalid_integer", "Invalid limit")
        since, until = int(given.get("created[gte]", 0)), given.get("created[lt]")
        found = [
            one
            for one in sorted(self._payments.values(), key=lambda one: one.created, reverse=True)
            if since <= one.created and (until is None or one.created < int(until))
        ]
        after = given.get("starting_after")
        if after is not None:
            self._found(after)
            found = found[[one.id for one in found].index(after) + 1 :]
        expanded = given.get("expand[]") == "data.latest_charge"
        return Answer(
            200,
            {
                "object": "list",
                "url": "/v1/payment_intents",
                "has_more": len(found) > limit,
                "data": [one.document(expanded=expanded) for one in found[:limit]],
            },
        )

    def _once(
        self, path: str, given: Mapping[str, str], key: str | None, fault: Fault | None
    ) -> Answer:
        request = path, json.dumps(given, sort_keys=True)
        kept = self._kept.get(key or "")
        if kept is not None and self._now() - kept.at < DAY_MS:
            if kept.request != request:
                message = "Keys for idempotent requests can only be used with the same parameters"
                raise _Refused(400, "idempotency_error", "", message)
            return replace(kept.answer, headers={"idempotent-replayed": "true"})
        if fault == "key_in_use":
            message = "There is currently another in-progress request using this key"
            raise _Refused(409, "idempotency_error", "idempotency_key_in_use", message)
        answer = self._failed_or_done(path, given, fault)
        if key:
            self._kept[key] = _Kept(request, answer, self._now())
        return answer

    def _failed_or_done(self, path: str, given: Mapping[str, str], fault: Fault | None) -> Answer:
        if path != "/v1/refunds":
            raise _invalid("", f"Unrecognized request URL (POST: {path})", 404)
        if fault == "fails_before":
            return _failed()
        try:
            answer = self._refund(given)
        except _Refused as refused:
            answer = refused.answer
        return _failed() if fault == "fails_after" else answer

    def _refund(self, given: Mapping[str, str]) -> Answer:
        payment = self._found(given["payment_intent"])
        left = payment.amount - payment.refunded
        if left == 0:
            raise _invalid("charge_already_refunded", "Charge has already been refunded.")
        amount = int(given.get("amount", left))
        if not 0 < amount <= left:
            raise _invalid("", "Refund amount is greater than unrefunded amount on charge")
        payment.refunded += amount
        self._on_refund(payment.id, payment.metadata)
        refund = {
            "id": f"re_{len(self.refunds) + 1:024}",
            "object": "refund",
            "amount": amount,
            "currency": payment.currency,
            "created": self._now() // 1000,
            "payment_intent": payment.id,
            "status": "succeeded",
        }
        self.refunds.append(refund)
        return Answer(200, refund)


def _failed() -> Answer:
    return Answer(500, {"error": {"type": "api_error", "message": "An error occurred"}})


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """As urllib3's response has it, as far as it is read."""

    status: int
    data: bytes

    @property
    def traced(self) -> str:
        return f"answered {self.status}"


@dataclass(frozen=True, slots=True)
class StripeConnections:
    """A urllib3 pool whose every connection ends at the fake."""

    fake: FakeStripe

    def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None,
        headers: Mapping[str, str],
        retries: bool,
        redirect: bool,
    ) -> HttpAnswer:
        if retries or redirect:
            raise AssertionError("urllib3's own retries")
        answer = self.fake.answer(method, url, headers, body or b"")
        if answer.lost:
            raise ProtocolError("Connection aborted.")
        return HttpAnswer(answer.status, answer.body)
