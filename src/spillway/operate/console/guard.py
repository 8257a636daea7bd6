"""Who may talk to the console, and what its pages may do.

The console has the operator's rights and no sign-in of its own. So no foreign page may use it
through the operator's browser:

- A request must name this machine and port as its host. A foreign name that points here (DNS
  rebinding) is another host.
- A change is a POST from one of our own pages, by Origin and Sec-Fetch-Site, with this process's
  token in it (see `Views.action`).
- A foreign page cannot read either, because each reading costs requests.
- A page runs and loads only the console's own files, cannot be framed, and is not cached.

With the operator's AWS credentials behind it, the address also carries a key, because other users
of the machine can reach the same port. The local emulator takes any credentials, so a key would
protect nothing there.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_READING = frozenset({"GET", "HEAD"})
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self';"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # Not no-referrer: with that, browsers say `Origin: null` on our own forms too.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


@dataclass(frozen=True, slots=True)
class Guard:
    """ASGI middleware. `hosts` are the hosts, with their port, that a request may name. A browser
    must have opened the address with `?key=` once, if there is a `key`."""

    app: ASGIApp
    hosts: Collection[str]
    key: str | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        answer: ASGIApp = self._refusal(scope) or self._entrance(scope) or self.app
        await answer(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if host not in self.hosts:
            return _no(f"This console answers to {' and '.join(sorted(self.hosts))} only.")
        site = headers.get("sec-fetch-site", "none")
        if scope["method"] in _READING:
            is_link = headers.get("sec-fetch-mode") == "navigate"
            if site in ("none", "same-origin") or is_link:
                return None
            return _no("Another site may link to this console, but not read it.")
        if site in ("none", "same-origin") and headers.get("origin") == f"http://{host}":
            return None
        return _no("Only the console's own pages can do this.")

    def _entrance(self, scope: Scope) -> Response | None:
        if self.key is None:
            return None
        request = Request(scope)
        if _same(request.query_params.get("key", ""), self.key):
            inside = RedirectResponse(scope["path"], status_code=303)
            inside.set_cookie(self._cookie(scope), self.key, httponly=True, samesite="strict")
            return inside
        if _same(request.cookies.get(self._cookie(scope), ""), self.key):
            return None
        return _no("Open the address that `spillway console` printed: it carries a key.", 401)

    def _cookie(self, scope: Scope) -> str:
        # A browser keeps cookies by host, for all its ports.
        return "spillway-console-" + Headers(scope=scope)["host"].rpartition(":")[2]


def _same(given: str, key: str) -> bool:
    return hmac.compare_digest(given.encode(), key.encode())


def _no(why: str, status: int = 403) -> Response:
    return PlainTextResponse(f"{why}\n", status)
