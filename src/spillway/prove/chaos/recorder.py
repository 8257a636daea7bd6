"""What customers are answered: every answer to every order they send, also those they try again
after. The clients' retries hide most of them, and a promise can be broken in any."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import httpx

#: Where no answer came at all: the connection failed, or the customer's patience ended.
NO_ANSWER = "none"

#: The wire must not be what a crowd waits for.
CONNECTIONS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer to an order that was sent. `at` is Unix milliseconds; `status` None: none came."""

    at: int
    status: int | None


@dataclass
class ResponseRecorder(httpx.AsyncBaseTransport):
    """Passes requests on, and notes how each `PUT /orders/{order_id}` was answered."""

    wire: httpx.AsyncBaseTransport = field(
        default_factory=lambda: httpx.AsyncHTTPTransport(
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX), trust_env=False
        )
    )
    answers: list[Answered] = field(default_factory=list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            response = await self.wire.handle_async_request(request)
        except httpx.TransportError:
            self._note(request, None)
            raise
        self._note(request, response.status_code)
        return response

    async def aclose(self) -> None:
        await self.wire.aclose()

    def _note(self, request: httpx.Request, status: int | None) -> None:
        if request.method == "PUT" and not request.url.path.endswith("/cancellation"):
            self.answers.append(Answered(time.time_ns() // 1_000_000, status))


def by_status(answers: Iterable[Answered]) -> dict[str, int]:
    """How many answers there were of each status, `NO_ANSWER` last."""
    counted = Counter(answer.status for answer in answers)
    statuses = {str(status): counted[status] for status in sorted(s for s in counted if s)}
    return statuses | ({NO_ANSWER: counted[None]} if counted[None] else {})
