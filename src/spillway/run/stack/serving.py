"""An ASGI application on a thread of its own."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import uvicorn
from starlette.types import ASGIApp

from spillway.errors import SpillwayError

_START_TIMEOUT_SECONDS = 60.0
_STOP_TIMEOUT_SECONDS = 5.0
# For requests in flight. The console's event streams end only when their page closes them.
_GRACE_SECONDS = 1


def uvicorn_config(
    application: ASGIApp, *, lifespan: Literal["auto", "off"] = "auto"
) -> uvicorn.Config:
    """How to serve an application: quietly, and without headers of the server's own."""
    return uvicorn.Config(
        application,
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        lifespan=lifespan,
        ws="none",
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


@contextmanager
def serving(config: uvicorn.Config, listener: socket.socket) -> Iterator[None]:
    """Serve `config`'s application on `listener` until the block ends."""
    server = uvicorn.Server(config)
    # A daemon, so that a server that hangs cannot keep the process from ending.
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        _wait_until_started(server, thread)
        yield
    finally:
        server.should_exit = True
        thread.join(_STOP_TIMEOUT_SECONDS)
        listener.close()


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise SpillwayError("A local web server did not start: see its log.")
        time.sleep(0.005)
