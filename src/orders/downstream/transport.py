"""How a request reaches a downstream and its answer comes back. `http` says what both mean.

urllib3 comes with the AWS SDK, so this costs no import of its own; its pool keeps the connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import urllib3
from urllib3.exceptions import HTTPError

from orders.domain.units import Millis
from orders.failures import TransientFailure
from orders.ports import Clock

#: More of an answer is not read, for a delivery must not burst of what its downstream says. The
#: contract's answers are a few words; some give back the order besides, of 1,500 lines at most.
BODY_BYTES_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `asked` names it in failures' texts: without a query, which names the customer.
    `traceparent` is no part of `headers`, because it must not be signed: an intermediary may
    rewrite it, as its specification asks. `until`: nobody waits for the answer any longer; None
    where somebody always does."""

    asked: str
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    traceparent: str
    until: Millis | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers`: by their names in small letters. `body`: all of it, or at least the first
    `BODY_BYTES_MAX`."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    def __call__(self, call: Call, /) -> Answer:
        """Make a call, once. Raises TransientFailure when no answer came, or not in time."""


class Authorise(Protocol):
    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, /
    ) -> dict[str, str]:
        """The headers with what proves who calls: an API key, or a SigV4 signature."""


@dataclass(frozen=True, slots=True)
class Https:
    """The pool must not retry: that is the queue's job."""

    pool: urllib3.PoolManager
    authorise: Authorise
    clock: Clock

    def __call__(self, call: Call) -> Answer:
        headers = self.authorise(call.method, call.url, call.headers, call.body)
        # The key may have been waited for.
        self._still_in_time(call)
        try:
            # The pool bounds each wait for bytes, so an answer that hangs ends in time; one that
            # comes a byte at a time ends with its command's time, or with the function, and its
            # batch comes back.
            answer = self.pool.request(
                call.method,
                call.url,
                body=call.body or None,
                headers={**headers, "traceparent": call.traceparent},
                retries=False,
                redirect=False,
                preload_content=False,
            )
            body = self._body(answer, call)
        except HTTPError as error:
            raise TransientFailure(f"{call.asked}: {type(error).__name__}") from error
        names = {name.lower(): value for name, value in answer.headers.items()}
        return Answer(answer.status, names, body)

    def _body(self, answer: urllib3.BaseHTTPResponse, call: Call) -> bytes:
        """At least the first `BODY_BYTES_MAX` of it. Raises TransientFailure."""
        body = b""
        try:
            while len(body) < BODY_BYTES_MAX and (part := answer.read1(BODY_BYTES_MAX)):
                body += part
                self._still_in_time(call)
        finally:
            # A connection whose answer was read to its end is back in the pool already.
            answer.close()
        return body

    def _still_in_time(self, call: Call) -> None:
        """Raises TransientFailure."""
        if call.until is not None and self.clock.now() > call.until:
            raise TransientFailure(f"{call.asked}: not in time")
