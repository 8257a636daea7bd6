"""The API in one process: what the HTTP API does before and after a function, and the functions'
own handlers on a table in memory. Thousands of requests in seconds.

Who is let in is the gateway's affair, and tried on the deployed one (test_tokens.py); here one
token is known, and its customer is one customer.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from orders.domain.book import Article
from orders.flow.prices import Prices
from orders.flow.reads import Reads
from orders.handlers import intake, reads
from simulation.world.runtime import (
    FixedPriceBooks,
    MemoryCouponTries,
    MemoryLog,
    MemoryOverflow,
    SetClock,
)
from simulation.world.table import MemoryOrders
from tests.builders import NOW, a_book, a_coupon, an_intake
from tests.orders.handlers.api_events import request

TOKEN = "the one good token"
#: Longer ones never reach a function.
BODY_BYTES_MAX = 10_000_000
_ROUTES = (
    (re.compile(r"/orders/(?P<order_id>[^/]+)/cancellation"), "/orders/{order_id}/cancellation"),
    (re.compile(r"/orders/(?P<order_id>[^/]+)/approval"), "/orders/{order_id}/approval"),
    (re.compile(r"/orders/(?P<order_id>[^/]+)"), "/orders/{order_id}"),
    (re.compile(r"/orders"), "/orders"),
    (re.compile(r"/quotes"), "/quotes"),
)

StartResponse = Callable[[str, list[tuple[str, str]]], object]


class FrontDoor:
    """A WSGI application."""

    def __init__(self) -> None:
        self.orders, self.overflow, self.log = MemoryOrders(), MemoryOverflow(), MemoryLog()
        taking = an_intake(self.orders, self.overflow), self.log
        book = a_book(Article("0", (100, 50)), coupons={"0": a_coupon("0")})
        quoting = (
            an_intake(
                self.orders,
                prices=Prices(FixedPriceBooks({0: book})),
                coupon_tries=MemoryCouponTries(),
            ),
            self.log,
        )
        showing = Reads(self.orders, SetClock(NOW)), self.log
        self._functions: dict[str, Callable[[Any], Any]] = {
            "PUT /orders/{order_id}": lambda event: intake.handle(event, *taking),
            "PUT /orders/{order_id}/cancellation": lambda event: intake.handle(event, *taking),
            "POST /orders/{order_id}/approval": lambda event: intake.handle(event, *taking),
            "POST /quotes": lambda event: intake.handle(event, *quoting),
            "GET /orders/{order_id}": lambda event: reads.handle(event, *showing),
            "GET /orders": lambda event: reads.handle(event, *showing),
        }

    @property
    def stored(self) -> int:
        """How often anything was written, anywhere."""
        return len(self.orders.stream) + len(self.overflow.buffered)

    def __call__(
        self, environ: Mapping[str, Any], start_response: StartResponse
    ) -> Iterable[bytes]:
        status, headers, body = self._answer(environ)
        line = f"{status} {HTTPStatus(status).phrase}"
        start_response(line, [*headers.items(), ("content-length", str(len(body)))])
        return [body]

    def _answer(self, environ: Mapping[str, Any]) -> tuple[int, dict[str, str], bytes]:
        route, order_id = _route(environ)
        if route not in self._functions:
            return _gateway_says(404, "Not Found")
        if environ.get("HTTP_AUTHORIZATION") != f"Bearer {TOKEN}":
            return _gateway_says(401, "Unauthorized")
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length > BODY_BYTES_MAX:
            return _gateway_says(413, "Request Entity Too Large")
        body = environ["wsgi.input"].read(length)
        event = request(
            route,
            order_id=order_id,
            query=dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)) or None,
            claims={"cognito:groups": "[wholesale]"},
        )
        answer = self._functions[route]({**event, **_body(body)})
        return answer["statusCode"], answer["headers"], answer["body"].encode()


def _route(environ: Mapping[str, Any]) -> tuple[str, str | None]:
    # WSGI has decoded the path, as Latin-1; the gateway hands it over as UTF-8.
    path = environ["PATH_INFO"].encode("latin-1").decode(errors="replace").removeprefix("/api")
    for pattern, route in _ROUTES:
        found = pattern.fullmatch(path)
        if found:
            return f"{environ['REQUEST_METHOD']} {route}", found.groupdict().get("order_id")
    return "", None


def _body(content: bytes) -> dict[str, Any]:
    try:
        return {"body": content.decode(), "isBase64Encoded": False} if content else {}
    except UnicodeDecodeError:
        return {"body": base64.b64encode(content).decode(), "isBase64Encoded": True}


def _gateway_says(status: int, message: str) -> tuple[int, dict[str, str], bytes]:
    content = json.dumps({"message": message}).encode()
    return status, {"content-type": "application/json"}, content
