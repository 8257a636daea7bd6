"""The API as a function from request to response, for clients that only need it to answer."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import httpx

from spillway.run.load.clients import Client, Tokens
from spillway.run.workload import Customer

NOW = 1_795_428_000.0
ACCEPTED_AT = "2026-11-23T10:00:00.123Z"


def token(customer: Customer, expires_at: float = NOW + 3600) -> str:
    """A JWT as far as a client looks into it."""
    payload = json.dumps({"sub": f"customer-{customer}", "exp": expires_at}).encode()
    return f"e30.{base64.urlsafe_b64encode(payload).decode().rstrip('=')}.c2ln"


@dataclass
class FakeApi:
    """Accepts every order once and answers each look at the history with the next of `statuses`.

    `before` may answer a request first (return None to let the API answer). `slept` are the
    seconds that its clients waited.
    """

    before: Callable[[httpx.Request], httpx.Response | None] = lambda _: None
    statuses: Sequence[str] = ("confirmed",)
    requests: list[httpx.Request] = field(default_factory=list)
    orders: dict[str, list[str]] = field(default_factory=dict)
    slept: list[float] = field(default_factory=list)
    looks: Counter[str] = field(default_factory=Counter)

    def client(self) -> Client:
        http = httpx.AsyncClient(transport=httpx.MockTransport(self._answer), base_url="http://api")
        tokens = Tokens(token, now=lambda: NOW)
        return Client(http, tokens, sleep=self._sleep, jitter=lambda: 0.0)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.before(request)
        if answer is not None:
            return answer
        sender = request.headers["authorization"]
        if request.method == "GET":
            return self._history(request, sender)
        order_id, _, cancellation = request.url.path.removeprefix("/orders/").partition("/")
        if cancellation:
            return httpx.Response(202, json={"order_id": order_id, "status": "cancelling"})
        own = self.orders.setdefault(sender, [])
        new = order_id not in own
        if new:
            own.append(order_id)
        return httpx.Response(201 if new else 200, json={"accepted_at": ACCEPTED_AT})

    def _history(self, request: httpx.Request, sender: str) -> httpx.Response:
        newest_first = self.orders.get(sender, [])[::-1]
        begin = int(request.url.params.get("cursor", 0))
        end = begin + int(request.url.params["limit"])
        rows = [{"order_id": id_, "status": self._status(id_)} for id_ in newest_first[begin:end]]
        cursor = str(end) if end < len(newest_first) else None
        return httpx.Response(200, json={"orders": rows, "cursor": cursor})

    def _status(self, order_id: str) -> str:
        look = self.looks[order_id]
        self.looks[order_id] += 1
        return self.statuses[min(look, len(self.statuses) - 1)]
