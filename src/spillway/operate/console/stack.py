"""The page of a stack on this machine: its addresses, its customers, and commands to copy."""

from __future__ import annotations

import json
import random
import time

from starlette.requests import Request

from orders.domain.order import OrderKey
from orders.domain.receipt import sign
from orders.domain.units import CustomerId, OrderId
from spillway.ids import order_id
from spillway.operate.console.state import AppState
from spillway.operate.console.views import Page, Refused
from spillway.operate.example import example_order
from spillway.run.stack import Stack
from spillway.run.stack.tokens import claims
from spillway.run.stack.users import USERS, email


def this_stack(state: AppState, _: Request) -> Page:
    """Each visit shows an order of its own, with a receipt that is valid for 24 h."""
    stack = state.stack
    if stack is None:
        raise Refused(404, "This page is about a stack on this machine only: see `spillway up`.")
    new_id = order_id(time.time_ns() // 1_000_000, random.SystemRandom())
    downstreams = {name.capitalize(): url for name, url in stack.downstreams.items()}
    ours = {"Store": stack.origin, "API": f"{stack.api}/orders", "AWS emulator": stack.emulator}
    values = {
        "addresses": {**ours, **downstreams},
        "users": [(email(name), group) for name, group in USERS.items()],
        "examples": examples_of(stack, new_id),
    }
    return Page("stack", values)


def examples_of(stack: Stack, new_id: OrderId) -> list[tuple[str, str]]:
    orders = f"{stack.api}/orders"
    key = stack.receipt_key
    buyer = CustomerId(claims(stack.token("shopper"))["sub"])
    order_key = OrderKey(buyer, new_id)
    paid = example_order(lambda paid: sign(key.key, key.key_id, order_key=order_key, **paid))
    order = json.dumps(paid, indent=2)
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
