"""The stack's one origin: the API under ``/api/`` and a page, as CloudFront serves them on AWS."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from spillway.local.page import Page

# API Gateway's own bounds: an HTTP API takes bodies of 10 MB and gives up after 30 s.
_BODY_BYTES_MAX = 10_000_000
_TIMEOUT_SECONDS = 30.0
_CONNECT_TIMEOUT_SECONDS = 2.0
_CONNECTIONS_MAX = 512
# The emulator closes idle connections after 75 s; closing first avoids sending into one.
_KEEP_ALIVE_SECONDS = 30.0
# How long requests in flight may take when the stack ends.
_GRACE_SECONDS = 2
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


def origin(upstream: httpx.AsyncClient, *, api_id: str, page: Callable[[], Page]) -> Starlette:
    """The ASGI application; ``api_id`` is the HTTP API's in the emulator that is ``upstream``."""
    proxy = _Proxy(upstream, api_id)

    async def home(_: Request) -> Response:
        shown = page()
        return Response(shown.html, media_type="text/html", headers=shown.headers)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with upstream:
            yield

    return Starlette(
        routes=[
            Route("/", home),
            Route("/api/{path:path}", proxy.forward, methods=_METHODS),
        ],
        exception_handlers={HTTPException: _problem_of},
        lifespan=lifespan,
    )


def uvicorn_config(application: Starlette) -> uvicorn.Config:
    """How to serve the origin: fast, quiet, and without headers of its own."""
    return uvicorn.Config(
        application,
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


class _Proxy:
    """Passes requests on to the emulator's HTTP API unchanged, and its answers back."""

    def __init__(self, upstream: httpx.AsyncClient, api_id: str) -> None:
        self._upstream = upstream
        # The emulator knows an API by its host name, so that the path stays as it came.
        self._host = f"{api_id}.execute-api.{upstream.base_url.host}".encode()

    async def forward(self, request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return _problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "An HTTP API takes 10 MB at most.")
        try:
            answer = await self._upstream.send(self._passed_on(request, body), stream=True)
            # Raw: what is compressed stays so.
            content = b"".join([chunk async for chunk in answer.aiter_raw()])
        except httpx.ConnectError:
            return _problem(HTTPStatus.BAD_GATEWAY, "The AWS emulator is not running any more.")
        except httpx.TimeoutException:
            return _problem(HTTPStatus.GATEWAY_TIMEOUT, "The API did not answer in time.")
        except httpx.TransportError:
            return _problem(HTTPStatus.BAD_GATEWAY, "The AWS emulator broke off its answer.")
        response = Response(content, status_code=answer.status_code)
        response.raw_headers = [
            *_end_to_end(answer.headers.raw),
            (b"content-length", _length_of(answer, content)),
        ]
        return response

    def _passed_on(self, request: Request, body: bytes) -> httpx.Request:
        path: bytes = request.scope["raw_path"]
        query: bytes = request.scope["query_string"]
        return httpx.Request(
            request.method,
            self._upstream.base_url.copy_with(raw_path=path + (b"?" + query if query else b"")),
            headers=[
                (b"host", self._host),
                *(header for header in _end_to_end(request.headers.raw) if header[0] != b"host"),
            ],
            content=body or None,
            extensions={"timeout": self._upstream.timeout.as_dict()},
        )


async def _body(request: Request) -> bytes | None:
    """The request's body; None when it is longer than an HTTP API takes."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_BYTES_MAX:
            return None
    return bytes(body)


def _end_to_end(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers that a proxy passes on (RFC 9110, 7.6.1), names in lower case.

    Without the length, which is known anew once the body is whole.
    """
    lowered = [(name.lower(), value) for name, value in headers]
    named = {
        token.strip().lower()
        for name, value in lowered
        if name == b"connection"
        for token in value.split(b",")
    }
    dropped = _HOP_BY_HOP | named | {b"content-length"}
    return [(name, value) for name, value in lowered if name not in dropped]


def _length_of(answer: httpx.Response, content: bytes) -> bytes:
    """The answer's length: to HEAD it is that of a body which was not sent."""
    if answer.request.method == "HEAD" and "content-length" in answer.headers:
        return answer.headers["content-length"].encode()
    return str(len(content)).encode()


async def _problem_of(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return _problem(HTTPStatus(error.status_code), "Here are / and /api/orders.")


def _problem(status: HTTPStatus, detail: str) -> Response:
    """A problem document (RFC 9457)."""
    content = {"title": status.phrase, "status": status.value, "detail": detail}
    return JSONResponse(content, status.value, media_type="application/problem+json")
