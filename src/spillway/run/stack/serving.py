"""An ASGI application on a thread of its own."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from spillway.errors import SpillwayError

_START_TIMEOUT_SECONDS = 60.0
_STOP_TIMEOUT_SECONDS = 5.0


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
