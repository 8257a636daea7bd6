"""What is asked of a service that has just been deployed, and what it must answer.

No order is placed: in production it would be reserved, shipped and booked, and one that is marked
as a test would be a way around all that for anybody who knows the mark. What is asked instead runs
through the same gateway, authorizer, alias, function, settings, permissions and table, and changes
nothing: an order that breaks one rule only, which is found last; the cancellation of an order that
is not there; reads.

That leaves to the alarms what only a real order does: the write itself, relay and the deliveries.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from spillway.ids import order_id

#: No gateway signs with a key of this name.
UNKNOWN_KEY_RECEIPT = "smoke." + "0" * 64
#: A header that names no algorithm, and a customer: what a forger tries first.
UNSIGNED_TOKEN = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJub2JvZHkifQ."  # noqa: S105


@dataclass(frozen=True)
class Finding:
    """One question and its answer. `fault` is None where the answer was right."""

    name: str
    proves: str
    fault: str | None


@dataclass(frozen=True)
class _Check:
    name: str
    proves: str
    method: str
    path: str
    status: int
    token: str | None
    body: dict[str, Any] | None = None
    #: Names a fault in an answer of the right status.
    look: Callable[[httpx.Response], str | None] = lambda _: None


def run(api: httpx.Client, *, token: str | None, now: int) -> Iterator[Finding]:
    """Ask everything, and say of each answer whether it was right.

    `api` has the API's address as its base; without a `token` only the gateway is looked at. `now`
    is Unix milliseconds.
    """
    for check in _checks(token, now):
        yield Finding(check.name, check.proves, _fault(api, check))


def _fault(api: httpx.Client, check: _Check) -> str | None:
    headers = {} if check.token is None else {"authorization": f"Bearer {check.token}"}
    try:
        answer = api.request(check.method, check.path, headers=headers, json=check.body)
    except httpx.TransportError as error:
        return f"no answer ({type(error).__name__})"
    if answer.status_code != check.status:
        return f"answered {answer.status_code}, not {check.status}"
    return check.look(answer)


def _checks(token: str | None, now: int) -> list[_Check]:
    gateway = [
        _Check("no_token", "the gateway asks for a token", "GET", "/orders", 401, None),
        _Check("unsigned_token", "it checks signatures", "GET", "/orders", 401, UNSIGNED_TOKEN),
    ]
    if token is None:
        return gateway
    id_ = order_id(now, random.SystemRandom())
    order = f"/orders/{id_}"
    return [
        *gateway,
        _Check(
            "history",
            "reads reads the table",
            "GET",
            "/orders?limit=1",
            200,
            token,
            look=_is_a_page,
        ),
        _Check("unknown_order", "and finds nothing under a new id", "GET", order, 404, token),
        _Check(
            "refused_order",
            "intake has its settings and the receipt keys, and refuses what no gateway signed",
            "PUT",
            order,
            422,
            token,
            _unsigned_order(),
            _is_refused_for_its_receipt,
        ),
        _Check(
            "unknown_cancellation",
            "intake reaches the table",
            "PUT",
            f"{order}/cancellation",
            404,
            token,
        ),
        _Check("nothing_stored", "all this left nothing behind", "GET", order, 404, token),
    ]


def _unsigned_order() -> dict[str, Any]:
    """Right in everything but its receipt."""
    return {
        "channel": "retail",
        "currency": "EUR",
        "lines": [{"sku": "SMOKE", "quantity": 1, "unit_price": 100}],
        "shipping": 0,
        "tax": 0,
        "total": 100,
        "address": {
            "name": "Nobody",
            "lines": ["Nowhere 1"],
            "city": "Nowhere",
            "postal_code": "00000",
            "country": "DE",
        },
        "payment": {
            "reference": "smoke",
            "amount": 100,
            "currency": "EUR",
            "receipt": UNKNOWN_KEY_RECEIPT,
        },
    }


def _is_a_page(answer: httpx.Response) -> str | None:
    page = answer.json()
    return None if {"orders", "cursor"} <= set(page) else f"answered no page: {sorted(page)}"


def _is_refused_for_its_receipt(answer: httpx.Response) -> str | None:
    rules = {violation["rule"] for violation in answer.json()["violations"]}
    # A store need not take the currency; it must know no such key.
    if "receipt_key_unknown" in rules and rules <= {"receipt_key_unknown", "currency_not_accepted"}:
        return None
    return f"refused for {', '.join(sorted(rules))}"
