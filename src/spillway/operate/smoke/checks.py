"""The requests that check a new deployment, and the answers that it must give.

No order is placed. In production it would be reserved, shipped and booked; and if orders could be
marked as tests, anyone who knew the mark could avoid paying. Instead the requests go through the
same gateway, authorizer, alias, function, settings, permissions and table, and change nothing: an
order that breaks only the rule that is checked last, the cancellation of an order that does not
exist, and reads.

Only a real order exercises the write, relay and the deliveries. For those there are the alarms.
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
#: A token without a signature algorithm: what a forger tries first.
UNSIGNED_TOKEN = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJub2JvZHkifQ."  # noqa: S105


@dataclass(frozen=True)
class Finding:
    """One request and its answer. `fault` is None where the answer was right."""

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
    #: Names the fault in an answer that has the right status.
    look: Callable[[httpx.Response], str | None] = lambda _: None


def run(api: httpx.Client, *, token: str | None, now: int) -> Iterator[Finding]:
    """Make every request, and judge each answer.

    `api` has the API's address as its base. Without a `token` only the gateway is checked. `now` is
    Unix milliseconds.
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
            "the reads function reads the table",
            "GET",
            "/orders?limit=1",
            200,
            token,
            look=_is_a_page,
        ),
        _Check("unknown_order", "it finds nothing under a new id", "GET", order, 404, token),
        _Check(
            "refused_order",
            "intake has its settings and keys, and refuses a receipt that no gateway signed",
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
        _Check("nothing_stored", "the checks stored nothing", "GET", order, 404, token),
    ]


def _unsigned_order() -> dict[str, Any]:
    """Correct except for its receipt."""
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
    # The store may refuse the currency, but it must not know this key.
    if "receipt_key_unknown" in rules and rules <= {"receipt_key_unknown", "currency_not_accepted"}:
        return None
    return f"refused for {', '.join(sorted(rules))}"
