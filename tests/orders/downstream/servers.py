"""A server on the loopback that answers as it is told, and remembers what it was asked."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Asked:
    """`headers`: by their names in small letters."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Answering:
    """`answer` gives status, headers and body; it may wait. `tls`: it speaks HTTPS."""

    answer: Callable[[Asked], tuple[int, Mapping[str, str], bytes]]
    tls: ssl.SSLContext | None = None
    url: str = ""
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def answering(
    answer: Callable[[Asked], tuple[int, Mapping[str, str], bytes]],
    tls: ssl.SSLContext | None = None,
) -> Iterator[Answering]:
    told = Answering(answer, tls)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Else a body waits 40 ms until its headers are acknowledged.
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"] or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, body)
            told.asked.append(asked)
            status, more, content = told.answer(asked)
            self.send_response(status)
            for name, value in {**more, "content-length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST  # noqa: N815 - as the library names it

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    class Server(ThreadingHTTPServer):
        # Else of ten connections at once some begin a second later.
        request_queue_size = 32

        def handle_error(self, request: object, client_address: object) -> None:
            """A handshake that fails is what some tests want."""

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        # The handshake is the handler's thread's, not that of the loop.
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    told.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
