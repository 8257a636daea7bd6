"""How a request reaches a downstream and its answer comes back. `http` says what both mean.

urllib3 comes with the AWS SDK, so this costs no import of its own; its pool keeps the connection.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import urllib3
from urllib3.exceptions import HTTPError, SSLError

from orders.domain.units import Millis
from orders.failures import Misconfigured, TransientFailure
from orders.ports import Clock

#: More of an answer is not read, for a delivery must not burst of what its downstream says. The
#: contract's answers are a few words; some give back the order besides, of 1,500 lines at most.
BODY_BYTES_MAX = 1_000_000
#: Who calls is not known, or not let in.
TURNED_AWAY = frozenset({401, 403})
CONNECT_TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `asked` names it in failures' texts: without a query, which names the customer.
    `traceparent` is no part of `headers`, because it must not be signed: an intermediary may
    rewrite it, as its specification asks. `until`: nobody waits for the answer any longer; None
    where somebody always does. `order_id`, `key`: the order's id, and what is the same each time
    that this is asked, for a queue that keeps messages in order and drops doubles."""

    asked: str
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    traceparent: str = ""
    until: Millis | None = None
    order_id: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers`: by their names in small letters. `body`: all of it, or at least the first
    `BODY_BYTES_MAX`."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    def __call__(self, call: Call, /) -> Answer:
        """Raises TransientFailure when no answer came, or not in time."""


class Proof(Protocol):
    """What proves who calls."""

    def headers(self, call: Call, until: Millis) -> Mapping[str, str]:
        """Those of the call with the proof added: an API key, a token, a SigV4 signature. Raises
        TransientFailure, also where it would come later than `until`."""

    def renew(self, shown: Mapping[str, str], until: Millis) -> bool:
        """These headers were turned away. Returns whether there are others now. Raises as
        `headers`."""


class Pool(Protocol):
    """urllib3's, as far as it is used here."""

    def request(self, method: str, url: str, **options: Any) -> urllib3.BaseHTTPResponse: ...


@dataclass(frozen=True, slots=True)
class Https:
    """A call takes at most about `timeout_seconds`, whatever proves who calls counted.

    A 401 or 403 says that nothing was done, so the call is made once more if its proof could be
    renewed. AWS's API Gateway answers 403 to a wrong key; a token has the rights of its first hour.
    Nothing else is tried again, neither here nor by the pool: that is the queue's job.
    """

    pool: Pool
    proof: Proof
    clock: Clock
    timeout_seconds: float

    def __call__(self, call: Call) -> Answer:
        until = deadline(self.clock, self.timeout_seconds, call.until)
        headers = self.proof.headers(call, until)
        answer = self._once(call, headers, until)
        if answer.status in TURNED_AWAY and self.proof.renew(headers, until):
            answer = self._once(call, self.proof.headers(call, until), until)
        return answer

    def _once(self, call: Call, headers: Mapping[str, str], until: Millis) -> Answer:
        traced = {**headers, "traceparent": call.traceparent}
        return exchange(self.pool, replace(call, headers=traced), self.clock, until)


def deadline(clock: Clock, timeout_seconds: float, until: Millis | None) -> Millis:
    own = Millis(clock.now() + round(timeout_seconds * 1000))
    return own if until is None else min(own, until)


def exchange(pool: Pool, call: Call, clock: Clock, until: Millis) -> Answer:
    """One request and its answer, read to its end or `BODY_BYTES_MAX`. Raises TransientFailure.

    Python's client takes an interim answer (102, 103) for the answer. The one that follows it would
    be read by the connection's next call, as if it were about that call's order: so the connection
    ends here.
    """
    # A key or a token may have been waited for.
    _still_in_time(call, clock, until)
    # urllib3 takes no time of 0 s.
    left = max(0.001, (until - clock.now()) / 1000)
    try:
        answer = pool.request(
            call.method,
            call.url,
            body=call.body or None,
            headers=call.headers,
            timeout=urllib3.Timeout(total=left, connect=min(CONNECT_TIMEOUT_SECONDS, left)),
            retries=False,
            redirect=False,
            preload_content=False,
        )
        if answer.status < 200:
            answer.close()
            raise Misconfigured(f"{call.asked}: answered {answer.status} ahead of its answer")
        body = _body(answer, call, clock, until)
    except SSLError as error:
        raise _tls_failure(call, error) from error
    except HTTPError as error:
        raise TransientFailure(f"{call.asked}: {type(error).__name__}") from error
    except ValueError:
        # A key with a line break, say. The error quotes it.
        raise Misconfigured(f"{call.asked}: its key fits in no header") from None
    names = {name.lower(): value for name, value in answer.headers.items()}
    return Answer(answer.status, names, body)


def _body(answer: urllib3.BaseHTTPResponse, call: Call, clock: Clock, until: Millis) -> bytes:
    """urllib3 bounds each wait for bytes. An answer that comes a byte at a time ends here."""
    body = b""
    try:
        while len(body) < BODY_BYTES_MAX and (part := answer.read1(BODY_BYTES_MAX)):
            body += part
            _still_in_time(call, clock, until)
    finally:
        # A connection whose answer was read to its end is back in the pool already.
        answer.close()
    return body


def _still_in_time(call: Call, clock: Clock, until: Millis) -> None:
    """Raises TransientFailure."""
    if clock.now() >= until:
        raise TransientFailure(f"{call.asked}: not in time")


def _tls_failure(call: Call, error: SSLError) -> TransientFailure:
    """A certificate that one side does not accept is no outage: somebody must replace it."""
    why = error.args[0] if error.args else None
    if isinstance(why, ssl.SSLCertVerificationError):
        return Misconfigured(f"{call.asked}: its certificate is not valid ({why.verify_message})")
    reason = (why.reason or "") if isinstance(why, ssl.SSLError) else ""
    if "ALERT" in reason:
        return Misconfigured(f"{call.asked}: it ended the TLS handshake ({reason.lower()})")
    return TransientFailure(f"{call.asked}: {type(error).__name__}")
