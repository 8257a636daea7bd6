"""The stack's one origin: the storefront, and the API under `/api/`, as CloudFront has them.

The storefront comes out of the emulated CloudFront and S3, so that the deployed distribution's own
headers, policies and function are at work. The emulator leaves four things to this origin: the way
to the API (it does not emulate a distribution's way to an execute-api address), TLS (a browser
treats 127.0.0.1 as secure without it), compression, and what the API's gateway says when it refuses
a token or a body. What is local only is under `/_local`.

As at an edge of CloudFront's, the emulator is asked once for a file that never changes.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

# API Gateway's own bounds: an HTTP API takes bodies of 10 MB and gives up after 30 s.
_BODY_BYTES_MAX = 10_000_000
_TIMEOUT_SECONDS = 30.0
_CONNECT_TIMEOUT_SECONDS = 2.0
_CONNECTIONS_MAX = 512
# The emulator closes idle connections after 75 s; closing first avoids sending into one.
_KEEP_ALIVE_SECONDS = 30.0
# CloudFront's own bound: it compresses what is larger.
_COMPRESSED_BYTES_MIN = 1_000
# Many more than a storefront has of files that never change.
_KEPT_MAX = 1_000
# An answer to a request with one of these is not the whole file.
_OF_A_PART_OR_NONE = frozenset({"if-match", "if-none-match", "if-unmodified-since", "range"})
_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization te trailer"
    b" transfer-encoding upgrade".split()
)
_METHODS = ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"]


def connections_to(emulator: str) -> httpx.AsyncClient:
    """The connections to the emulator: pooled, and none through a proxy of the user's."""
    return httpx.AsyncClient(
        base_url=emulator,
        trust_env=False,
        timeout=httpx.Timeout(_TIMEOUT_SECONDS, connect=_CONNECT_TIMEOUT_SECONDS),
        limits=httpx.Limits(
            max_connections=_CONNECTIONS_MAX,
            max_keepalive_connections=_CONNECTIONS_MAX,
            keepalive_expiry=_KEEP_ALIVE_SECONDS,
        ),
    )


def origin(
    upstream: httpx.AsyncClient,
    *,
    api_id: str,
    distribution: str,
    console: str,
    local: Sequence[Route] = (),
) -> Starlette:
    """The ASGI application, before the emulator that is `upstream`.

    `api_id` is the HTTP API's, `distribution` the domain name of the storefront's. `/_local` leads
    to the console's page about this stack; `local` are routes that no deployment has.
    """
    # The emulator knows an API and a distribution by their host names, so that paths stay.
    api_host = f"{api_id}.execute-api.{upstream.base_url.host}"
    api = _Api(upstream, {b"host": api_host.encode()})
    storefront = _Storefront(
        upstream, {b"host": distribution.encode(), b"x-forwarded-proto": b"https"}
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with upstream:
            yield

    return Starlette(
        routes=[
            Route("/_local", lambda _: _moved(f"{console}/stack")),
            *local,
            Route("/api/{path:path}", api.forward, methods=_METHODS),
            Route(
                "/{path:path}",
                storefront.forward,
                methods=_METHODS,
                middleware=[Middleware(GZipMiddleware, minimum_size=_COMPRESSED_BYTES_MIN)],
            ),
        ],
        lifespan=lifespan,
    )


def _moved(address: str) -> Response:
    """To be followed, and to be read by whoever asked with a tool that does not follow."""
    return PlainTextResponse(f"This page is at {address}\n", 307, {"location": address})


@dataclass(frozen=True)
class _Proxy:
    """Passes requests on to one host of the emulator's, and its answers back, unchanged.

    `headers` replace those of the same name.
    """

    upstream: httpx.AsyncClient
    headers: dict[bytes, bytes]

    async def forward(self, request: Request) -> Response:
        body = await _body(request)
        if body is None:
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            return JSONResponse({"message": status.phrase}, status)
        try:
            answer = await self.upstream.send(self._passed_on(request, body), stream=True)
            # Raw: what is compressed stays so.
            content = b"".join([chunk async for chunk in answer.aiter_raw()])
        except httpx.ConnectError:
            return problem(HTTPStatus.BAD_GATEWAY, "The AWS emulator is not running any more.")
        except httpx.TimeoutException:
            return problem(HTTPStatus.GATEWAY_TIMEOUT, "The API did not answer in time.")
        except httpx.TransportError:
            return problem(HTTPStatus.BAD_GATEWAY, "The AWS emulator broke off its answer.")
        response = Response(content, status_code=answer.status_code)
        response.raw_headers = _end_to_end(answer.headers.raw)
        # An answer to HEAD has the length of a body that was not sent.
        response.headers.setdefault("content-length", str(len(content)))
        return response

    def _passed_on(self, request: Request, body: bytes) -> httpx.Request:
        path: bytes = request.scope["raw_path"]
        query: bytes = request.scope["query_string"]
        kept = _end_to_end(request.headers.raw, b"content-length", *self.headers)
        return httpx.Request(
            request.method,
            self.upstream.base_url.copy_with(raw_path=path + (b"?" + query if query else b"")),
            headers=[*self.headers.items(), *kept],
            content=body or None,
            extensions={"timeout": self.upstream.timeout.as_dict()},
        )


@dataclass(frozen=True)
class _Storefront(_Proxy):
    """The distribution, whose answers that never change are `kept` by their address."""

    kept: dict[str, Response] = field(default_factory=dict)

    async def forward(self, request: Request) -> Response:
        if request.method != "GET" or not _OF_A_PART_OR_NONE.isdisjoint(request.headers):
            return await super().forward(request)
        address = str(request.url)
        answer = self.kept.get(address)
        if answer is None:
            answer = await super().forward(request)
            never_changes = "immutable" in answer.headers.get("cache-control", "")
            if answer.status_code != HTTPStatus.OK or not never_changes:
                return answer
            if len(self.kept) < _KEPT_MAX:
                self.kept[address] = answer
        # Not itself: what compresses an answer writes into its headers.
        copy = Response(answer.body)
        copy.raw_headers = [*answer.raw_headers]
        return copy


class _Api(_Proxy):
    """The HTTP API, with a header of AWS's that the emulator leaves out."""

    async def forward(self, request: Request) -> Response:
        response = await super().forward(request)
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            # https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-troubleshooting-jwt.html
            named = "authorization" in request.headers
            why = 'Bearer scope="" error="invalid_token"' if named else "Bearer"
            response.headers.setdefault("www-authenticate", why)
        return response


async def _body(request: Request) -> bytes | None:
    """The request's body; None when it is longer than an HTTP API takes."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_BYTES_MAX:
            return None
    return bytes(body)


def _end_to_end(headers: list[tuple[bytes, bytes]], *others: bytes) -> list[tuple[bytes, bytes]]:
    """The headers that a proxy passes on (RFC 9110, 7.6.1) without the `others`, in lower case."""
    lowered = [(name.lower(), value) for name, value in headers]
    named = {
        token.strip().lower()
        for name, value in lowered
        if name == b"connection"
        for token in value.split(b",")
    }
    dropped = _HOP_BY_HOP.union(named, others)
    return [(name, value) for name, value in lowered if name not in dropped]


def problem(status: HTTPStatus, detail: str) -> Response:
    """A problem document (RFC 9457)."""
    content = {"title": status.phrase, "status": status.value, "detail": detail}
    return JSONResponse(content, status.value, media_type="application/problem+json")
