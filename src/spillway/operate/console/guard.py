"""Who may talk to the console, and what its pages may do.

It has the operator's rights and no sign-in of its own, so a page from elsewhere must not be able to
use it through the operator's browser:

- a request must name this machine and port as its host: a foreign name that was made to point here
  (DNS rebinding) is another host
- what changes something is a POST from one of our own pages, by Origin and Sec-Fetch-Site, with the
  process's own token in it (see `pages.action`)
- what is only read can't be asked for from within a foreign page either: each look costs requests
- a page runs no script and loads nothing but the console's own files, is in nobody's frame, and is
  kept in no cache

Where the operator's credentials for AWS are behind it, the address also carries a key, as other
users of the machine reach the same port. On the local emulator, which takes anybody's credentials,
a key would protect nothing.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
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
    """ASGI middleware. `hosts` are what a request may name as its host, with the port; `key`, where
    there is one, is what the address must have brought once as `?key=`."""

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
            by_itself = headers.get("sec-fetch-mode") == "navigate"
            if site in ("none", "same-origin") or by_itself:
                return None
            return _no("Another page may link here, and not look.")
        if site in ("none", "same-origin") and headers.get("origin") == f"http://{host}":
            return None
        return _no("Only the console's own pages can do this.")

    def _entrance(self, scope: Scope) -> Response | None:
        if self.key is None:
            return None
        brought = parse_qs(scope["query_string"].decode("latin-1")).get("key", [""])[0]
        if hmac.compare_digest(brought.encode(), self.key.encode()):
            inside = RedirectResponse(scope["path"], status_code=303)
            inside.set_cookie(self._cookie(scope), self.key, httponly=True, samesite="strict")
            return inside
        if hmac.compare_digest(self._kept(scope).encode(), self.key.encode()):
            return None
        return _no("Open the address that `spillway console` printed: it carries a key.", 401)

    def _kept(self, scope: Scope) -> str:
        try:
            cookies = SimpleCookie(Headers(scope=scope).get("cookie", ""))
        except CookieError:
            return ""
        kept = cookies.get(self._cookie(scope))
        return "" if kept is None else kept.value

    def _cookie(self, scope: Scope) -> str:
        # A browser keeps cookies by host, for all its ports.
        return "spillway-console-" + Headers(scope=scope)["host"].rpartition(":")[2]


def _no(why: str, status: int = 403) -> Response:
    return PlainTextResponse(f"{why}\n", status)
