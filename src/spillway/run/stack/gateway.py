"""A fake payment gateway: local only, for the browser that orders on this machine.

It takes no money. Like a real one, it takes the order's id as the idempotency key, so that two
requests are one payment; it signs a receipt over what was paid; it can decline; and it refunds, but
only with the service's proof that the order's id is void, so that the receipt buys nothing any
more. A store's own storefront calls its own gateway instead, in web/storefront/payment.js.

What is charged is the store's word, not the page's: the page sends the order, and the gateway asks
the service for a quote of it, as the customer, under the order's id. Where the quote is another sum
than the page's nothing is taken, because the customer has not seen that sum.

The receipt names the customer of the token that comes with the order, by the claim that the store
has for the order's channel. A token that lies gains nothing: the service takes the receipt only
with an order of the customer in it. An order id is unique only for its customer, so the two
together are the idempotency key.
"""

import re
import secrets
from collections import OrderedDict
from http import HTTPStatus
from typing import Annotated, Any

import httpx
import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from orders.domain.caller import PERSON, PERSONS, Claims
from orders.domain.order import Channel, OrderKey
from orders.domain.quote import QuoteLine
from orders.domain.receipt import sign
from orders.domain.refusals import Rule
from orders.domain.units import CustomerId, OrderId
from orders.domain.void import is_proven
from spillway.run.stack.keys import SigningKey
from spillway.run.stack.origin import problem
from spillway.run.stack.tokens import claims

PATH = "/_local/payments/{order_id}"
_ORDER_ID = re.compile(r"[0-9a-f-]{36}")
_DECLINED = "declined"
_FINAL = (
    HTTPStatus.FORBIDDEN,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
_NO_BOOK = Rule.QUOTES_NOT_OFFERED.value
# Older ones are dropped: such an old id no longer places an order.
_PAYMENTS_MAX = 100_000


class _Discount(msgspec.Struct):
    coupon: str


class _Address(msgspec.Struct):
    country: str
    state: str = ""


class _Order(msgspec.Struct):
    """What of an order decides its price."""

    channel: Channel
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$", max_length=3)]
    lines: list[QuoteLine]
    address: _Address
    discounts: list[_Discount] = []

    def quote_request(self, order_id: str) -> dict[str, Any]:
        return {
            "channel": self.channel,
            "currency": self.currency,
            "lines": self.lines,
            "country": self.address.country,
            "state": self.address.state,
            "coupons": [discount.coupon for discount in self.discounts],
            "order_id": order_id,
        }


class _Wanted(msgspec.Struct):
    """The order, what its customer was shown that it costs, and how they pay."""

    order: _Order
    amount: Annotated[int, Meta(ge=1, le=10_000_000_000)]
    method: Any = None


class _Refund(msgspec.Struct):
    proofs: list[str]


def gateway(
    receipt_key: SigningKey, api: httpx.AsyncClient, names: Claims = PERSONS
) -> list[Route]:
    """The gateway's routes, for the local origin. `api` is the orders service, `names` its claims
    that name customers."""
    fake = _Gateway(receipt_key, api, names)
    return [
        Route(PATH, fake.pay, methods=["PUT"]),
        Route(f"{PATH}/refund", fake.refund, methods=["POST"]),
    ]


class _Gateway:
    def __init__(self, key: SigningKey, api: httpx.AsyncClient, names: Claims) -> None:
        self._key = key
        self._api = api
        self._names = names
        self._payments: OrderedDict[OrderKey, dict[str, Any]] = OrderedDict()

    async def pay(self, request: Request) -> Response:
        try:
            wanted = msgspec.json.decode(await request.body(), type=_Wanted)
        except ValueError:
            wanted = None
        if wanted is None or not _ORDER_ID.fullmatch(request.path_params["order_id"]):
            return problem(HTTPStatus.BAD_REQUEST, "An order's id, the order and an amount.")
        key = _order_key(request, self._names.customer_of(wanted.order.channel))
        if key is None:
            return problem(HTTPStatus.UNAUTHORIZED, "Whose order it is, is in no token.")
        if key not in self._payments:
            refusal = await self._refusal(key.order_id, wanted, request)
            if refusal is not None:
                return refusal
            # Another request for the same payment may have come first meanwhile.
            self._payments.setdefault(key, self._payment(key, wanted))
            if len(self._payments) > _PAYMENTS_MAX:
                self._payments.popitem(last=False)
        taken = self._payments[key]
        if (taken["amount"], taken["currency"]) != (wanted.amount, wanted.order.currency):
            return problem(HTTPStatus.CONFLICT, "Something else was paid for this order.")
        return JSONResponse(taken)

    async def _refusal(self, order_id: str, wanted: _Wanted, request: Request) -> Response | None:
        """Why nothing is taken, if so."""
        if wanted.method == _DECLINED:
            return problem(HTTPStatus.PAYMENT_REQUIRED, "The card was declined.")
        try:
            answer = await self._api.post(
                "/quotes",
                content=msgspec.json.encode(wanted.order.quote_request(order_id)),
                headers={"authorization": request.headers.get("authorization", "")},
            )
        except httpx.HTTPError:
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, "The store's prices cannot be had now.")
        if answer.status_code == HTTPStatus.NOT_FOUND and _NO_BOOK in answer.text:
            return None  # This store's pricing engine or its page says what things cost.
        # The store's own no: asked again, it says the same.
        final = answer.status_code in _FINAL and '"violations"' in answer.text
        if answer.status_code != HTTPStatus.OK and not final:
            return problem(HTTPStatus(answer.status_code), "The store gives no quote for this.")
        quote = answer.json()
        if quote["violations"] or quote["total"] != wanted.amount:
            return JSONResponse(quote, HTTPStatus.UNPROCESSABLE_ENTITY)
        return None

    async def refund(self, request: Request) -> Response:
        named = {self._names.retail_customer, self._names.wholesale_customer, PERSON}
        theirs = [key for claim in named if (key := _order_key(request, claim))]
        if not theirs:
            return problem(HTTPStatus.UNAUTHORIZED, "Whose order it is, is in no token.")
        try:
            proofs = msgspec.json.decode(await request.body(), type=_Refund).proofs
        except ValueError:
            proofs = []
        keys = {self._key.key_id: self._key.key}
        void = [key for key in theirs if any(is_proven(proof, key, keys) for proof in proofs)]
        if not void:
            return problem(HTTPStatus.FORBIDDEN, "Nothing proves that this order's id is void.")
        # Nothing to refund counts as refunded: the storefront asks until it is answered.
        for key in void:
            self._payments.pop(key, None)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    def _payment(self, key: OrderKey, wanted: _Wanted) -> dict[str, Any]:
        paid: dict[str, Any] = {
            "reference": f"pay_{secrets.token_hex(8)}",
            "amount": wanted.amount,
            "currency": wanted.order.currency,
        }
        receipt = sign(self._key.key, self._key.key_id, order_key=key, **paid)
        return {**paid, "receipt": receipt}


def _order_key(request: Request, claim: str) -> OrderKey | None:
    """The order's id, with the customer of the token that came with it; None without one."""
    try:
        said = claims(request.headers.get("authorization", ""))
        return OrderKey(CustomerId(str(said[claim])), OrderId(request.path_params["order_id"]))
    except (ValueError, LookupError, TypeError):
        return None
