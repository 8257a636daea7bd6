"""What an order asks of the three downstreams: the same requests for every peer.

The programs of the peers import this and nothing else of the project, and run in environments of
their own, so it needs only httpx. What each engine makes of a refusal, and of no answer, is in its
own program.
"""

from __future__ import annotations

import os
from typing import Any

import httpx

#: An order as its customer sent it, with `customer_id` and `order_id`.
Order = dict[str, Any]

#: Where each step's command goes.
PATHS = {
    "reserve": "/inventory/reservations",
    "release": "/inventory/releases",
    "ship": "/fulfilment/shipments",
    "recall": "/fulfilment/recalls",
    "post": "/accounting/postings",
    "refund": "/accounting/refunds",
}
#: How long a downstream may take to answer: as long as Spillway's local stage gives it.
TIMEOUT_SECONDS = 2.0
#: A command without an answer is sent again without end: after this wait, which doubles up to the
#: other. Every engine that can is told so; left to their defaults they would differ in nothing as
#: much as in how long after an outage they look again.
RETRY_FIRST_SECONDS = 1.0
RETRY_MAX_SECONDS = 10.0


class Refused(Exception):
    """The downstream's final no, which is on its record."""


def downstreams() -> httpx.AsyncClient:
    """A client of all three, at the address and with the key that the environment names."""
    return httpx.AsyncClient(**_options())


def downstreams_sync() -> httpx.Client:
    """The same for an engine whose steps wait for their answers in a thread."""
    return httpx.Client(**_options())


async def send(client: httpx.AsyncClient, step: str, order: Order) -> str:
    """Have this step done, and return the downstream's reference to it.

    Each step of an order has one idempotency key, so that a repeat is no second effect. Raises
    `Refused`, and `httpx.HTTPError` for whatever else is no answer: the same may be sent again.
    """
    return _reference(step, await client.post(PATHS[step], **_content(step, order)))


def send_sync(client: httpx.Client, step: str, order: Order) -> str:
    return _reference(step, client.post(PATHS[step], **_content(step, order)))


def _options() -> dict[str, Any]:
    return {
        "base_url": os.environ["PEERS_DOWNSTREAMS_URL"],
        "headers": {"x-api-key": os.environ["PEERS_API_KEY"]},
        "timeout": TIMEOUT_SECONDS,
        # httpx gives 100 connections, and a request that waits 2 s for one fails: the program would
        # take its own queue for a downstream's silence. And one that is cancelled while it waits
        # keeps its place for ever (encode/httpcore#1093): Restate cancels all when its server dies.
        "limits": httpx.Limits(max_connections=None),
        "trust_env": False,
    }


def _content(step: str, order: Order) -> dict[str, Any]:
    key = f"{order['order_id']}/{step}"
    return {"json": body(step, order), "headers": {"idempotency-key": key}}


def _reference(step: str, answer: httpx.Response) -> str:
    if answer.status_code == httpx.codes.CONFLICT:
        raise Refused(f"{step}: {answer.json()['code']}")
    reference: str = answer.raise_for_status().json()["reference"]
    return reference


def body(step: str, order: Order) -> dict[str, Any]:
    """The body of the step's command, by docs/contracts."""
    ids = {name: order[name] for name in ("customer_id", "order_id")}
    payment = order.get("payment") or {}
    match step:
        case "reserve":
            return {**ids, "lines": _stock(order)}
        case "ship":
            address = {**order["address"]}
            for name in ("state", "phone", "email"):
                if not address.get(name):
                    address.pop(name, None)  # the contract has no empty ones
            goods = {"channel": order["channel"], "lines": _stock(order)}
            return {**ids, **goods, "address": address}
        case "post":
            names = ("channel", "currency", "lines", "discounts", "shipping", "tax", "total")
            paid = {"payment_reference": payment.get("reference")}
            placed = {"purchase_order": order.get("purchase_order")}
            return {**ids, **{name: order[name] for name in names}, **paid, **placed}
        case "refund":
            return {
                **ids,
                "payment_reference": payment.get("reference"),
                "amount": payment.get("amount", 0),
                "currency": order["currency"],
            }
        case _:
            return ids


def _stock(order: Order) -> list[dict[str, Any]]:
    return [{"sku": line["sku"], "quantity": line["quantity"]} for line in order["lines"]]
