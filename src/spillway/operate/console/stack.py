"""The page of a stack on this machine: its addresses, its customers, and commands to copy."""

from __future__ import annotations

import json
import time
from typing import Any

from starlette.requests import Request

from infra.stage import load
from orders.domain.units import Millis
from spillway.operate.console.state import AppState
from spillway.operate.console.views import Page, Refused
from spillway.operate.example import example_basket
from spillway.operate.prices.bucket import PriceBucket
from spillway.price_book import shown_book
from spillway.run.stack import Stack
from spillway.run.stack.deployment import STAGE
from spillway.run.stack.users import USERS, email
from spillway.target.service import Service

_NEW_ID = (
    "ID=$(.venv/bin/python -c 'import random, time; from spillway.ids import order_id; "
    "print(order_id(time.time_ns() // 1_000_000, random.SystemRandom()))')"
)


def this_stack(state: AppState, _: Request) -> Page:
    """Its example order is of a good of the book in force."""
    stack = state.stack
    if stack is None:
        raise Refused(404, "This page is about a stack on this machine only: see `spillway up`.")
    downstreams = {name.capitalize(): url for name, url in stack.downstreams.items()}
    ours = {"Store": stack.origin, "API": f"{stack.api}/orders", "AWS emulator": stack.emulator}
    basket = basket_of(state.service)
    values = {
        "sells": basket is not None,
        "addresses": {**ours, **downstreams},
        "users": [(email(name), user, stack.password(name)) for name, user in USERS.items()],
        "examples": examples_of(stack, basket),
    }
    return Page("stack", values)


def basket_of(service: Service) -> dict[str, Any] | None:
    """None where no book is in force, or it sells shoppers nothing."""
    bucket, now = PriceBucket.of(service), Millis(time.time_ns() // 1_000_000)
    publication = bucket.publications()[0].current(now)
    catalogue = None if publication is None else bucket.catalogue(publication.version)
    if publication is None or catalogue is None:
        return None
    book = shown_book(json.loads(catalogue), publication.version)
    return example_basket(book, now, load(STAGE).orders.currencies)


def examples_of(stack: Stack, basket: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Titles and commands, each to be pasted after the ones before."""
    orders = f"{stack.api}/orders"
    curl = 'curl -sS -H "authorization: Bearer $TOKEN"'
    sign_in = f"TOKEN=$(.venv/bin/spillway token --as shopper --port {stack.port})"
    history = ("List all orders, newest first", f"{curl} '{orders}?limit=20'")
    if basket is None:
        return [("Sign in", sign_in), history]
    put = f"{curl} -H 'content-type: application/json' -X PUT"
    payment = f"{stack.origin}/_local/payments/$ID"
    total = basket["total"]
    pay = f'PAYMENT=$({put} {payment} -d "{{\\"order\\": {{$ORDER}}, \\"amount\\": {total}}}")'
    show_payment = 'echo "$PAYMENT"'
    void = f'PROOFS=$({curl} -X PUT "{orders}/$ID/cancellation?void=true")'
    return [
        ("Sign in", sign_in),
        ("Make the order's id: a UUIDv7", f"{_NEW_ID}\necho $ID"),
        ("Ask what it costs", _quote(stack, basket, curl)),
        (
            "Pay for it at the stand-in for a payment gateway, which signs a receipt",
            f"ORDER='{_fields(basket)}'\n{pay}\n{show_payment}",
        ),
        (
            "Place the order (again: the same answer, still one order)",
            f'{put} {orders}/$ID -d "{{$ORDER, \\"payment\\": $PAYMENT}}"',
        ),
        ("See its progress", f"{curl} {orders}/$ID"),
        ("Cancel it", f"{curl} -X PUT {orders}/$ID/cancellation"),
        (
            "Pay for another, and have it refused: it is sent without its payment",
            f'{_NEW_ID}\n{pay}\n{put} {orders}/$ID -d "{{$ORDER}}"',
        ),
        ("Make its id void, so that its receipt buys nothing", f'{void}\necho "$PROOFS"'),
        (
            "Have it refunded, with that proof: 204",
            f"{curl} -w '%{{http_code}}\\n' {payment}/refund -d \"$PROOFS\"",
        ),
        history,
        (
            "Show the key that signs receipts here, to try a gateway of your own",
            _parameter(stack, "receipt-keys"),
        ),
    ]


def _parameter(stack: Stack, name: str) -> str:
    """A secret's value, by the emulator's own API: not everybody has AWS's command line."""
    asked = json.dumps({"Name": f"/spillway/{STAGE}/{name}", "WithDecryption": True})
    headers = (
        "-H 'x-amz-target: AmazonSSM.GetParameter' -H 'content-type: application/x-amz-json-1.1'"
    )
    return f"curl -sS {stack.emulator} {headers} -d '{asked}'"


def _quote(stack: Stack, basket: dict[str, Any], curl: str) -> str:
    address = basket["address"]
    asked = {
        "channel": basket["channel"],
        "currency": basket["currency"],
        "lines": [{name: line[name] for name in ("sku", "quantity")} for line in basket["lines"]],
        "country": address["country"],
        "state": address.get("state", ""),
    }
    body = f"""'{{{_fields(asked)}, "order_id": "'$ID'"}}'"""
    return f"{curl} -H 'content-type: application/json' {stack.api}/quotes -d {body}"


def _fields(content: dict[str, Any]) -> str:
    """An object's fields without its braces: another one can be added to them."""
    return ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in content.items())
