"""The `Gateway` port on Stripe's API (https://docs.stripe.com/api).

A payment is a PaymentIntent. Its id is the receipt's `reference`, and its metadata names
`customer_id` and `order_id`, as the store's server writes them when it creates it. Amounts are
integers in Stripe's smallest unit, which is ISO's minor unit but in three currencies
(https://docs.stripe.com/currencies#special-cases).

What Stripe answers to a refund, and what it means:

    200, pending, succeeded or requires_action   given back, or on its way
    200, failed or canceled                      a person must see why
    400 charge_already_refunded                  given back before
    400 and 404 otherwise, 402                   Stripe will not: a person must see why
    409, 429, 5xx, no answer                     unknown: the same key asks again
    401, 403                                     a wrong key or permission: it waits and rings

Stripe keeps a key for a day at least, with whatever it answered under it, an error 500 too. After
that the request is made anew; but of a payment no more goes back than is left of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode

import msgspec
import urllib3
from urllib3.exceptions import HTTPError

from orders.domain.payments import Paid, order_key
from orders.domain.units import Millis
from orders.failures import Misconfigured, PermanentFailure, TransientFailure

_T = TypeVar("_T")

URL = "https://api.stripe.com"
#: An account may have a newer one; what is read here is of this one.
VERSION = "2024-06-20"
#: What the payment's metadata names them.
CUSTOMER_ID, ORDER_ID = "customer_id", "order_id"
#: As many as Stripe lists at once.
PAGE_MAX = 100
#: Two currencies without decimals, which Stripe counts in hundredths all the same.
_IN_HUNDREDTHS = frozenset({"ISK", "UGX"})
#: Madagascar's, which has two decimals in ISO 4217 and none at Stripe.
_IN_WHOLE = "MGA"
_TRIES = 2
_REFERENCE = re.compile(r"[A-Za-z0-9_-]{1,255}")
_WILL_NOT = frozenset({400, 402, 404})
_WRONG_KEY = frozenset({401, 403})
_ON_ITS_WAY = frozenset({"pending", "succeeded", "requires_action"})
_ALREADY = "charge_already_refunded"


class _Charge(msgspec.Struct):
    amount_refunded: int = 0


class _Intent(msgspec.Struct):
    id: str
    amount_received: int
    currency: str
    created: int
    metadata: dict[str, str] = {}
    latest_charge: _Charge | None = None


class _Page(msgspec.Struct):
    data: list[_Intent]
    has_more: bool


class _Refund(msgspec.Struct):
    id: str
    status: str | None = None


class _Error(msgspec.Struct):
    type: str = ""
    code: str = ""


class _Failed(msgspec.Struct):
    error: _Error = msgspec.field(default_factory=_Error)


@dataclass(frozen=True, slots=True)
class Stripe:
    """`key` is asked for each request: a restricted key that reads PaymentIntents and charges and
    writes refunds."""

    pool: urllib3.PoolManager
    key: Callable[[], str]
    url: str = URL

    def taken(self, since: Millis, until: Millis) -> Iterator[Sequence[Paid]]:
        # Stripe counts seconds: one that may be in the time is asked for.
        asked = {
            "created[gte]": since // 1000,
            "created[lt]": -(-until // 1000),
            "limit": PAGE_MAX,
            "expand[]": "data.latest_charge",
        }
        after: dict[str, str] = {}
        while True:
            path = f"/v1/payment_intents?{urlencode({**asked, **after})}"
            page = self._read(path, _Page)
            if page is None or not page.data:
                return
            yield [_taken(intent) for intent in page.data if intent.amount_received > 0]
            if not page.has_more:
                return
            last = {"starting_after": page.data[-1].id}
            if last == after:
                raise TransientFailure("Stripe lists the same page again")
            after = last

    def find(self, reference: str) -> Paid | None:
        if not _REFERENCE.fullmatch(reference):
            return None
        path = f"/v1/payment_intents/{reference}?{urlencode({'expand[]': 'latest_charge'})}"
        intent = self._read(path, _Intent)
        return None if intent is None or intent.amount_received == 0 else _taken(intent)

    def give_back(self, payment: Paid) -> bool:
        # Without an amount it is all that is left.
        body = urlencode({"payment_intent": payment.reference}).encode()
        status, answer = self._answer(
            "POST",
            "/v1/refunds",
            {
                "content-type": "application/x-www-form-urlencoded",
                "idempotency-key": f"spillway-refund-{payment.reference}",
            },
            body,
        )
        if status == 200:
            refund = _decoded(answer, _Refund)
            if refund.status not in _ON_ITS_WAY:
                raise PermanentFailure(f"Stripe's refund {refund.id} is {refund.status}")
            return True
        code = _code(answer)
        if code == _ALREADY:
            return True
        if status in _WILL_NOT:
            raise PermanentFailure(f"Stripe answered {status} {code}")
        raise _unanswered(status, code)

    def _read(self, path: str, type_: type[_T]) -> _T | None:
        """None where there is no such thing."""
        for left in reversed(range(_TRIES)):
            try:
                status, answer = self._answer("GET", path, {})
            except TransientFailure:
                if not left:
                    raise
                continue
            if status == 200:
                return _decoded(answer, type_)
            if status == 404:
                return None
            if status < 500 or not left:
                raise _unanswered(status, _code(answer))
        raise AssertionError("the last try returns or raises")

    def _answer(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> tuple[int, bytes]:
        sent = {"authorization": f"Bearer {self.key()}", "stripe-version": VERSION, **headers}
        try:
            answer = self.pool.request(
                method, f"{self.url}{path}", body=body, headers=sent, retries=False, redirect=False
            )
        except HTTPError as error:
            raise TransientFailure(f"Stripe: {type(error).__name__}") from error
        return answer.status, answer.data


def _taken(intent: _Intent) -> Paid:
    currency = intent.currency.upper()
    charge = intent.latest_charge or _Charge()
    return Paid(
        reference=intent.id,
        amount=_minor_units(intent.amount_received, currency),
        currency=currency,
        at=Millis(intent.created * 1000),
        key=order_key(intent.metadata.get(CUSTOMER_ID), intent.metadata.get(ORDER_ID)),
        given_back=_minor_units(charge.amount_refunded, currency),
    )


def _minor_units(amount: int, currency: str) -> int:
    if currency == _IN_WHOLE:
        return amount * 100
    if currency not in _IN_HUNDREDTHS:
        return amount
    whole, rest = divmod(amount, 100)
    if rest:
        # Since 2023 Stripe takes none.
        raise TransientFailure(f"Stripe has {amount} hundredths of {currency}, which has none")
    return whole


def _decoded(answer: bytes, type_: type[_T]) -> _T:
    try:
        return msgspec.json.decode(answer, type=type_)
    except ValueError as error:
        # msgspec's errors are ValueErrors. What they quote may be a customer's.
        raise TransientFailure("Stripe's answer is not as its API describes it") from error


def _unanswered(status: int, code: str) -> TransientFailure:
    failure = Misconfigured if status in _WRONG_KEY else TransientFailure
    return failure(f"Stripe answered {status} {code}")


def _code(answer: bytes) -> str:
    """Why not, in Stripe's own words, which name nobody."""
    try:
        error = msgspec.json.decode(answer, type=_Failed).error
    except ValueError:
        return ""
    return error.code or error.type
