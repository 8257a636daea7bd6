"""Records every answer to every order that customers send, also those that they retry after.

The clients' retries hide most of them, and any of them can break a promise.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import httpx

#: No answer came at all: the connection failed, or the client's time was up.
NO_ANSWER = "none"

#: A crowd must never wait for a free connection.
CONNECTIONS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer to an order that was sent. `at` is Unix milliseconds; `status` None: none came."""

    at: int
    status: int | None


@dataclass
class ResponseRecorder(httpx.AsyncBaseTransport):
    """Forwards requests, and records the answer to each `PUT /orders/{order_id}`.

    `on_acknowledged` is called after each 2xx.
    """

    transport: httpx.AsyncBaseTransport = field(
        default_factory=lambda: httpx.AsyncHTTPTransport(
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX), trust_env=False
        )
    )
    answers: list[Answered] = field(default_factory=list)
    on_acknowledged: Callable[[], None] = lambda: None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            response = await self.transport.handle_async_request(request)
        except httpx.TransportError:
            self._record(request, None)
            raise
        self._record(request, response.status_code)
        return response

    async def aclose(self) -> None:
        await self.transport.aclose()

    def _record(self, request: httpx.Request, status: int | None) -> None:
        if request.method != "PUT" or request.url.path.endswith("/cancellation"):
            return
        self.answers.append(Answered(time.time_ns() // 1_000_000, status))
        if status is not None and 200 <= status < 300:
            self.on_acknowledged()


def by_status(answers: Iterable[Answered]) -> dict[str, int]:
    """How many answers had each status, `NO_ANSWER` last."""
    counted = Counter(answer.status for answer in answers)
    statuses = {str(status): counted[status] for status in sorted(s for s in counted if s)}
    return statuses | ({NO_ANSWER: counted[None]} if counted[None] else {})
