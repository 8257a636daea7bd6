"""HTTP to servers on this machine: past any proxy of the user's environment, and without TLS."""

from __future__ import annotations

import ssl
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx


def http_client(**options: Any) -> httpx.Client:
    import httpx

    return httpx.Client(trust_env=False, verify=_no_certificates(), **options)


@cache
def _no_certificates() -> ssl.SSLContext:
    """In place of the usual ones, which every client would read anew for 20 ms."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
