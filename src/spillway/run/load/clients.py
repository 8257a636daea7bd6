"""One customer's calls to the API, as a well-behaved client makes them.

A request that got no final answer (no connection, 408, 425, 429, 5xx) is sent again as it is, with
backoff and jitter: every call here is idempotent. What is still unanswered after `attempts_max` is
given up with `Unanswered`: the client cannot know whether it was done.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from spillway.run.stack.tokens import claims
from spillway.run.workload import Customer

ATTEMPTS_MAX = 12
BACKOFF_FIRST_SECONDS = 0.2
BACKOFF_MAX_SECONDS = 5.0
#: A token this close to its end is not used any more: requests and clocks take their time.
TOKEN_LEFT_MIN_SECONDS = 120.0

_NO_FINAL_ANSWER = frozenset({408, 425, 429, 500, 502, 503, 504})


class Unanswered(Exception):
    """No final answer to any attempt; `last` says how the last one ended."""

    def __init__(self, request: str, attempts: int, last: str) -> None:
        super().__init__(f"{request} got no answer in {attempts} attempts: {last}.")
        self.last = last


@dataclass(frozen=True, slots=True)
class Reply:
    """A final answer; `body` is empty where it was no JSON object."""

    status: int
    body: dict[str, Any]

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


@dataclass(slots=True)
class Tokens:
    """Each customer's token, renewed before it ends. `issue` gives a new JWT, as at a sign-in."""

    issue: Callable[[Customer], str]
    now: Callable[[], float] = time.time
    _held: dict[Customer, str] = field(default_factory=dict)

    def get(self, customer: Customer) -> str:
        token = self._held.get(customer)
        if token is None or claims(token)["exp"] - self.now() < TOKEN_LEFT_MIN_SECONDS:
            token = self._held[customer] = self.issue(customer)
        return token

    def customer_id(self, customer: Customer) -> str:
        """What the service knows this customer by."""
        return str(claims(self.get(customer))["sub"])


@dataclass(frozen=True, slots=True)
class Client:
    """`http` has the API's base URL. Safe to use from many tasks at once."""

    http: httpx.AsyncClient
    tokens: Tokens
    attempts_max: int = ATTEMPTS_MAX
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random

    async def place(self, customer: Customer, order_id: str, body: bytes) -> Reply:
        return await self._answered(customer, "PUT", f"/orders/{order_id}", body)

    async def cancel(self, customer: Customer, order_id: str) -> Reply:
        return await self._answered(customer, "PUT", f"/orders/{order_id}/cancellation")

    async def order(self, customer: Customer, order_id: str) -> Reply:
        return await self._answered(customer, "GET", f"/orders/{order_id}")

    async def history(self, customer: Customer, limit: int, cursor: str | None) -> Reply:
        query = {"limit": str(limit)} | ({} if cursor is None else {"cursor": cursor})
        return await self._answered(customer, "GET", f"/orders?{httpx.QueryParams(query)}")

    async def _answered(
        self, customer: Customer, method: str, path: str, body: bytes | None = None
    ) -> Reply:
        last = ""
        for attempt in range(self.attempts_max):
            wait = backoff_seconds(attempt, self.jitter())
            try:
                response = await self._send(customer, method, path, body)
            except httpx.TransportError as error:
                last = type(error).__name__
            else:
                if response.status_code not in _NO_FINAL_ANSWER:
                    return Reply(response.status_code, _object(response))
                last = f"status {response.status_code}"
                wait = max(wait, _retry_after_seconds(response))
            await self.sleep(wait)
        raise Unanswered(f"{method} {path}", self.attempts_max, last)

    async def _send(
        self, customer: Customer, method: str, path: str, body: bytes | None
    ) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.tokens.get(customer)}"}
        if body is not None:
            headers["content-type"] = "application/json"
        return await self.http.request(method, path, content=body, headers=headers)


def backoff_seconds(attempt: int, jitter: float) -> float:
    """How long to wait after attempt 0, 1, ...; `jitter` in [0, 1) spreads the upper half."""
    ceiling = min(BACKOFF_MAX_SECONDS, BACKOFF_FIRST_SECONDS * 2.0**attempt)
    return ceiling * (0.5 + 0.5 * jitter)


def _retry_after_seconds(response: httpx.Response) -> float:
    text = response.headers.get("retry-after", "")
    return min(float(text), 10 * BACKOFF_MAX_SECONDS) if text.isdigit() else 0.0


def _object(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
