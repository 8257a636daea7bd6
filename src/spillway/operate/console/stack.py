"""The page of a stack on this machine: its addresses, its customers, and commands to copy."""

from __future__ import annotations

import json
import random
import secrets
import time
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orders.domain.receipt import sign
from spillway.ids import order_id
from spillway.operate.console.views import Views
from spillway.run.stack import ReceiptKey, Stack
from spillway.run.stack.users import USERS, email

PATH = "/stack"


@dataclass(frozen=True, slots=True)
class StackPage:
    """Each visit shows an order of its own, whose receipt is valid for 24 h."""

    views: Views

    async def page(self, _: Request) -> Response:
        stack = (await self.views.state()).stack
        if stack is None:
            sentence = "This page is about a stack on this machine only: see `spillway up`."
            return await self.views.page("failure", status=404, sentence=sentence)
        new_id = order_id(time.time_ns() // 1_000_000, random.SystemRandom())
        return await self.views.page(
            "stack",
            addresses=_addresses(stack),
            users=[(email(name), group) for name, group in USERS.items()],
            examples=examples_of(stack, new_id),
        )

    def routes(self) -> list[Route]:
        return [Route(PATH, self.page)]


def _addresses(stack: Stack) -> dict[str, str]:
    return {
        "Store": stack.origin,
        "API": f"{stack.api}/orders",
        "AWS emulator": stack.emulator,
        **{name.capitalize(): url for name, url in stack.downstreams.items()},
    }


def examples_of(stack: Stack, new_id: str) -> list[tuple[str, str]]:
    """Titles and commands, in an order that works."""
    orders = f"{stack.api}/orders"
    order = json.dumps(_order(new_id, stack.receipt_key), indent=2)
    authorised = 'curl -sS -H "authorization: Bearer $TOKEN"'
    json_body = f"-H 'content-type: application/json' -d '{order}'"
    return [
        ("Sign in", f"TOKEN=$(.venv/bin/spillway token --as shopper --port {stack.port})"),
        (
            "Place an order (again: the same answer, still one order)",
            f"{authorised} -X PUT {orders}/{new_id} {json_body}",
        ),
        ("See its progress", f"{authorised} {orders}/{new_id}"),
        ("Cancel it", f"{authorised} -X PUT {orders}/{new_id}/cancellation"),
        ("List all orders, newest first", f"{authorised} '{orders}?limit=20'"),
    ]


def _order(new_id: str, receipt_key: ReceiptKey) -> dict[str, Any]:
    """Six lanterns and a coupon, in pence, with a receipt as the payment gateway would sign it."""
    paid: dict[str, Any] = {
        "reference": f"pay_{secrets.token_hex(4)}",
        "amount": 6 * 255 - 150 + 395,
        "currency": "GBP",
    }
    receipt = sign(receipt_key.key, receipt_key.key_id, order_id=new_id, **paid)
    return {
        "channel": "retail",
        "currency": paid["currency"],
        "lines": [{"sku": "85123A", "quantity": 6, "unit_price": 255}],
        "discounts": [{"coupon": "XMAS10", "amount": 150}],
        "shipping": 395,
        "tax": 0,
        "total": paid["amount"],
        "address": {
            "name": "A. Buyer",
            "lines": ["1 High Street"],
            "city": "Leeds",
            "postal_code": "LS1 4AP",
            "country": "GB",
        },
        "payment": {**paid, "receipt": receipt},
    }
