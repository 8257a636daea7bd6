"""Signed messages to an address of whoever commands: HMAC-SHA256 over their time and their body."""

import hashlib
import hmac
import time
from collections.abc import Callable

import httpx

_TIMEOUT_SECONDS = 10.0


class Callback:
    """`signature_header` and `timestamp_header` are the sender's own. `now` gives Unix seconds.
    Safe for threads."""

    def __init__(
        self,
        url: str,
        key: bytes,
        *,
        signature_header: str = "signature",
        timestamp_header: str = "signature-timestamp",
        prefix: str = "",
        transport: httpx.BaseTransport | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._url = url
        self._key = key
        self._signature_header = signature_header
        self._timestamp_header = timestamp_header
        self._prefix = prefix
        self._now = now
        self._http = httpx.Client(transport=transport, timeout=_TIMEOUT_SECONDS, trust_env=False)

    def send(self, body: bytes) -> bool:
        """Whether it was taken: answered 2xx."""
        headers = {"content-type": "application/json", **self._signature(body)}
        try:
            return self._http.post(self._url, content=body, headers=headers).is_success
        except httpx.TransportError:
            return False

    def _signature(self, body: bytes) -> dict[str, str]:
        timestamp = str(int(self._now()))
        digest = hmac.new(self._key, f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
        return {
            self._timestamp_header: timestamp,
            self._signature_header: f"{self._prefix}{digest}",
        }
