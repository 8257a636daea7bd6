"""The three fakes over HTTP, on one port: /inventory, /fulfilment, /accounting.

Serve `application` with `uvicorn_config`: a lost answer needs a connection that can be closed
without one, which ASGI does not offer and uvicorn's stock protocol does not allow (an application
that says nothing is answered 500 on its behalf).
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response as HttpResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.h11_impl import H11Protocol

from simulation.downstreams.exchange import Request, Response, problem
from simulation.downstreams.fake import FakeDownstream
from simulation.downstreams.ledger import Ledger
from simulation.downstreams.parcels import Parcels
from simulation.downstreams.service import Service

#: Longer than any client keeps an idle connection, or a request would now and then meet the
#: server's closing of it and look like an answer lost.
KEEP_ALIVE_SECONDS = 75
_CLOSE = "spillway.connection.close"

Sleep = Callable[[float], Awaitable[None]]


def application(
    ledgers: Mapping[str, Ledger],
    api_keys: Mapping[str, str],
    sleep: Sleep = asyncio.sleep,
    parcels: Parcels | None = None,
) -> Starlette:
    """The fakes of our own contracts, of the downstreams named in `ledgers`.

    Both mappings are by downstream: inventory, fulfilment, accounting. `sleep` waits so many
    seconds of latency. `parcels`: how fulfilment tells of them.
    """
    return served(
        {
            downstream: FakeDownstream(
                downstream,
                **surroundings(ledger, api_keys[downstream]),
                parcels=parcels if downstream == "fulfilment" else None,
            )
            for downstream, ledger in ledgers.items()
        },
        sleep,
    )


def surroundings(ledger: Ledger, api_key: str) -> dict[str, Any]:
    """What a fake that is served gets from outside: the system's clock and dice."""
    return {
        "ledger": ledger,
        "api_key": api_key,
        "now_ms": lambda: time.time_ns() // 1_000_000,
        "random": random.random,
    }


def served(fakes: Mapping[str, Service], sleep: Sleep = asyncio.sleep) -> Starlette:
    """These fakes, by downstream."""
    return Starlette(
        routes=[
            Route(f"/{downstream}{{path:path}}", _Served(fake, sleep))
            for downstream, fake in fakes.items()
        ],
        exception_handlers={404: _no_such_downstream},
    )


def uvicorn_config(app: ASGIApp, port: int) -> uvicorn.Config:
    """How to serve the application, on 127.0.0.1. Port 0 lets the system choose."""
    return uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        http=_ClosableProtocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )


class _Served:
    """One fake as an ASGI application. Its calls wait for storage, so they run in threads."""

    def __init__(self, fake: Service, sleep: Sleep) -> None:
        self._fake = fake
        self._sleep = sleep

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            request = await _read(scope, receive)
        except ClientDisconnect:
            return  # Nothing is done, and the client is gone.
        await self._sleep(self._fake.delay_ms(request) / 1000)
        answer = await run_in_threadpool(self._fake, request)
        if answer is None:
            await _close_without_answer(scope, receive)
        else:
            await _http(answer)(scope, receive, send)


async def _read(scope: Scope, receive: Receive) -> Request:
    request = HttpRequest(scope, receive)
    return Request(
        method=request.method,
        path=request.path_params["path"],
        headers=request.headers,
        body=await request.body(),
        query=request.query_params,
    )


def _http(answer: Response) -> HttpResponse:
    return HttpResponse(
        answer.body, answer.status, headers=answer.headers, media_type=answer.media_type
    )


async def _no_such_downstream(request: HttpRequest, _: Exception) -> HttpResponse:
    return _http(problem(404, "path_unknown", f"There is nothing at {request.url.path}."))


async def _close_without_answer(scope: Scope, receive: Receive) -> None:
    """Returns once the connection is gone: sooner, and uvicorn would still answer 500 on it."""
    close = scope.get("extensions", {}).get(_CLOSE)
    if close is None:
        raise RuntimeError("This server cannot lose an answer: serve with `uvicorn_config`.")
    close["close"]()
    while (await receive())["type"] != "http.disconnect":
        pass


class _ClosableProtocol(H11Protocol):
    """Lends the application, as an ASGI extension, the means to close its connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app = _with_close(self.app, transport)


def _with_close(app: ASGI3Application, transport: asyncio.Transport) -> ASGI3Application:
    async def closable(scope: Any, receive: Any, send: Any) -> None:
        extended: Any = {**scope, "extensions": {_CLOSE: {"close": transport.close}}}
        await app(extended, receive, send)

    return closable
