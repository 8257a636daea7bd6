"""A web server that many tests share: each puts an application of its own there. A server takes a
fifth of a second to end, which is most of such a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from spillway.run.loopback import http_client
from spillway.run.stack.ports import listen, port_of
from spillway.run.stack.serving import serving


class Host:
    """What is served at `url` is the `application` of the moment."""

    application: ASGIApp

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.application(scope, receive, send)

    def client(self) -> httpx.Client:
        return http_client(base_url=self.url)


@contextmanager
def hosting(config_of: Callable[[ASGIApp], uvicorn.Config]) -> Iterator[Host]:
    """`config_of`: how the application is served; without a lifespan, for it is another's."""
    listener = listen(0)
    host = Host(port_of(listener))
    with serving(config_of(host), listener):
        yield host
