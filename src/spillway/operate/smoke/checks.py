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
from functools import partial
from typing import Any

import httpx

from orders.domain.refusals import PRICE_RULES, Rule
from orders.domain.units import Millis
from spillway.ids import order_id
from spillway.operate.example import example_order
from spillway.operate.smoke import storefront
from spillway.target.unreachable import why_silent

#: No gateway signs with a key of this name.
UNKNOWN_KEY_RECEIPT = "smoke." + "0" * 64
#: A token without a signature algorithm: what a forger tries first.
UNSIGNED_TOKEN = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJub2JvZHkifQ."  # noqa: S105

NO_ARTICLE = "no-such-article-smoke"
NOT_THE_SERVICE = "something else answers there: check the address, it ends with /api"

#: Names the fault in an answer that has the right status.
Inspect = Callable[[httpx.Response], str | None]


@dataclass(frozen=True)
class Finding:
    """One request and its answer. `fault` is None where the answer was right."""

    name: str
    proves: str
    fault: str | None


def run(
    api: httpx.Client, *, token: str | None, now: int, store: str | None = None
) -> Iterator[Finding]:
    """Make every request, and judge each answer.

    `api` has the API's address as its base; `store` is the storefront's, None where it is not to be
    checked. Without a `token` only the gateway is checked. `now` is Unix milliseconds.
    """
    ask = partial(_finding, api, token)
    yield _finding(api, None, "no_token", "the gateway asks for a token", "GET /orders", 401)
    yield _finding(
        api, UNSIGNED_TOKEN, "unsigned_token", "it checks signatures", "GET /orders", 401
    )
    if store is not None:
        # A distribution keeps an API's address that is long gone: see `infra.constructs.reference`.
        reached = "the storefront's pages reach the API"
        yield _finding(api, None, "store_reaches_api", reached, f"GET {store}/api/orders", 401)
    if token is None:
        return
    order = f"/orders/{order_id(now, random.SystemRandom())}"
    reads = "the reads function reads the table"
    yield ask("history", reads, "GET /orders?limit=1", 200, inspect=_is_a_page)
    found_nothing = "it finds nothing under a new id"
    yield ask("unknown_order", found_nothing, f"GET {order}", 404, inspect=_is_not_found)
    yield ask(
        "refused_order",
        "intake has its settings and keys, and refuses a receipt that no gateway signed",
        f"PUT {order}",
        422,
        body=example_order(lambda _: UNKNOWN_KEY_RECEIPT),
        inspect=_is_refused_for_its_receipt,
    )
    yield ask(
        "refused_price",
        "intake reads a price book, or asks for the pricing engine's signature",
        f"PUT {order}",
        422,
        body=_order_of_nothing_sold(),
        inspect=_is_refused_for_its_price,
    )
    if store is not None:
        yield _storefront(api, store, token, Millis(now))
    cancellation = f"PUT {order}/cancellation"
    reached = "intake reaches the table"
    yield ask("unknown_cancellation", reached, cancellation, 404, inspect=_is_not_found)
    stored = "the checks stored nothing"
    yield ask("nothing_stored", stored, f"GET {order}", 404, inspect=_is_not_found)


def _finding(
    api: httpx.Client,
    token: str | None,
    name: str,
    proves: str,
    request: str,
    status: int,
    *,
    body: dict[str, Any] | None = None,
    inspect: Inspect = lambda _: None,
) -> Finding:
    method, path = request.split(" ")
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    try:
        answer = api.request(method, path, headers=headers, json=body)
    except httpx.TransportError as error:
        return Finding(name, proves, f"no answer ({why_silent(error)})")
    if answer.status_code != status:
        return Finding(name, proves, _wrong_status(answer.status_code, status))
    try:
        return Finding(name, proves, inspect(answer))
    except (ValueError, LookupError, TypeError):
        return Finding(name, proves, NOT_THE_SERVICE)


def _storefront(api: httpx.Client, store: str, token: str, now: Millis) -> Finding:
    try:
        fault = storefront.fault(api, store=store, token=token, now=now)
    except httpx.TransportError as error:
        fault = f"no answer ({why_silent(error)})"
    except (ValueError, LookupError, TypeError):
        fault = "no price list that can be read: run `spillway publish`"
    return Finding(storefront.NAME, storefront.PROVES, fault)


def _wrong_status(answered: int, right: int) -> str:
    fault = f"answered {answered}, not {right}"
    if answered == 401:
        return f"{fault}: get a new access token of a customer of this stage"
    if answered == 403:
        return f"{fault}: the token has no scope of the API, as an ID token has none"
    return fault


def _is_not_found(answer: httpx.Response) -> str | None:
    """A gateway without this route answers 404 too."""
    rules = [violation["rule"] for violation in answer.json()["violations"]]
    return None if rules == [Rule.ORDER_NOT_FOUND] else NOT_THE_SERVICE


def _is_a_page(answer: httpx.Response) -> str | None:
    page = answer.json()
    return None if {"orders", "cursor"} <= set(page) else f"answered no page: {sorted(page)}"


def _is_refused_for_its_receipt(answer: httpx.Response) -> str | None:
    rules = {violation["rule"] for violation in answer.json()["violations"]}
    # The store may not sell this, but it must not know this key.
    may = {"receipt_key_unknown", "currency_not_accepted", *PRICE_RULES}
    if "receipt_key_unknown" in rules and rules <= may:
        return None
    return f"refused for {', '.join(sorted(rules))}"


def _order_of_nothing_sold() -> dict[str, Any]:
    """An order of an article that no store has."""
    body = example_order(lambda _: UNKNOWN_KEY_RECEIPT)
    [first, *others] = body["lines"]
    return {**body, "lines": [{**first, "sku": NO_ARTICLE}, *others]}


def _is_refused_for_its_price(answer: httpx.Response) -> str | None:
    rules = {violation["rule"] for violation in answer.json()["violations"]}
    return None if rules & PRICE_RULES else "anyone may name a price: see [orders] prices"
