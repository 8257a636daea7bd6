"""A fake payment gateway: local only, for the browser that orders on this machine.

It takes no money. Like a real one, it takes the order's id as the idempotency key, so that two
requests are one payment; it signs a receipt over what was paid; it can decline; and it refunds the
payment of an order that was refused. A store's own storefront calls its own gateway instead, in
web/storefront/payment.js.
"""

import re
import secrets
from collections import OrderedDict
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from orders.domain.receipt import sign
from spillway.run.stack.keys import SigningKey
from spillway.run.stack.origin import problem

PATH = "/_local/payments/{order_id}"
_ORDER_ID = re.compile(r"[0-9a-f-]{36}")
_DECLINED = "declined"
# Older ones are dropped: such an old id no longer places an order.
_PAYMENTS_MAX = 100_000


class _Wanted(msgspec.Struct):
    amount: Annotated[int, Meta(ge=1, le=10_000_000_000)]
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$", max_length=3)]
    method: Any = None


def gateway(receipt_key: SigningKey) -> list[Route]:
    """The gateway's routes, for the local origin."""
    fake = _Gateway(receipt_key)
    return [
        Route(PATH, fake.pay, methods=["PUT"]),
        Route(PATH, fake.release, methods=["DELETE"]),
    ]


class _Gateway:
    def __init__(self, key: SigningKey) -> None:
        self._key = key
        self._payments: OrderedDict[str, dict[str, Any]] = OrderedDict()

    async def pay(self, request: Request) -> Response:
        order_id = request.path_params["order_id"]
        try:
            wanted = msgspec.json.decode(await request.body(), type=_Wanted)
        except ValueError:
            wanted = None
        if wanted is None or not _ORDER_ID.fullmatch(order_id):
            return problem(HTTPStatus.BAD_REQUEST, "An order's id, an amount and a currency.")
        taken = self._payments.get(order_id)
        if taken is None:
            if wanted.method == _DECLINED:
                return problem(HTTPStatus.PAYMENT_REQUIRED, "The card was declined.")
            taken = self._payments[order_id] = self._payment(order_id, wanted)
            if len(self._payments) > _PAYMENTS_MAX:
                self._payments.popitem(last=False)
        if (taken["amount"], taken["currency"]) != (wanted.amount, wanted.currency):
            return problem(HTTPStatus.CONFLICT, "Something else was paid for this order.")
        return JSONResponse(taken)

    async def release(self, request: Request) -> Response:
        # Nothing to refund counts as refunded: the storefront asks until it is answered.
        self._payments.pop(request.path_params["order_id"], None)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    def _payment(self, order_id: str, wanted: _Wanted) -> dict[str, Any]:
        paid: dict[str, Any] = {
            "reference": f"pay_{secrets.token_hex(8)}",
            "amount": wanted.amount,
            "currency": wanted.currency,
        }
        receipt = sign(self._key.key, self._key.key_id, order_id=order_id, **paid)
        return {**paid, "receipt": receipt}
