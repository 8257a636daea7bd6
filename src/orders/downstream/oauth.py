"""Tokens for a downstream that asks for OAuth 2 client credentials (RFC 6749, section 4.4).

A process keeps one token and renews it some time before it ends: one thread does that, while the
others go on with the old one. Only where there is none do they wait, each no longer than its call
may take. A token that comes too late for one call is there for the next. While the token endpoint
is down, calls fail at once for a moment instead of each waiting for itself.

    no answer, 408, 425, 429, 5xx    an outage (TransientFailure)
    anything but a token             our client, its secret, scope or address is wrong
                                     (Misconfigured), which waits too, and rings
"""

from __future__ import annotations

import base64
import math
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote_plus, urlencode, urlsplit

import msgspec

from orders.domain.units import Millis
from orders.downstream.proofs import Secret
from orders.downstream.transport import Answer, Call, Pool, deadline, exchange
from orders.failures import Misconfigured, TransientFailure
from orders.ports import Clock

#: A token whose end is not told is used for so long; a 401 has it renewed sooner.
UNTOLD_SECONDS = 300.0
#: No token is used for longer, whatever is told.
SECONDS_MAX = 24 * 60 * 60.0
#: A token is renewed when a fifth of its time is left, but no sooner than this before its end.
RENEW_BEFORE_SECONDS_MAX = 300.0
RENEW_SHARE = 0.2
#: With a token at hand, a renewal that failed is tried again after this.
RENEW_AGAIN_MS = 20_000
#: A downstream that turns away a token so new has another reason: it is not renewed.
TURNED_AWAY_AGAIN_MS = 20_000
#: After a try in vain, calls fail at once for so long.
FAILS_FOR_MS = 1_000
_UNKNOWN = frozenset({408, 425, 429})
#: What a header can hold: RFC 6750, section 2.1.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_CODE = re.compile(r"[a-z_]{1,40}")


class _Token(msgspec.Struct):
    access_token: str
    token_type: str = ""
    #: In seconds. Some send a text.
    expires_in: float | None = None


class _Error(msgspec.Struct):
    error: str = ""


@dataclass(frozen=True, slots=True)
class _Held:
    token: str
    #: When it was asked for: its time runs from there at the latest.
    fetched_at: Millis
    ends_at: Millis


@dataclass(slots=True)
class ClientCredentials:
    """A `Proof`. `timeout_seconds`: for the token endpoint's answer. `client_auth`: whether the
    client proves itself there by HTTP Basic, as each such endpoint must understand, or in the form,
    which is what some understand."""

    token_url: str
    client_id: str
    secret: Secret
    pool: Pool
    clock: Clock
    timeout_seconds: float
    scope: str | None = None
    audience: str | None = None
    client_auth: Literal["basic", "form"] = "basic"
    _held: _Held | None = field(default=None, init=False)
    _renew_at: int = field(default=0, init=False)
    _fails_until: int = field(default=0, init=False)
    _failure: TransientFailure | None = field(default=None, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def headers(self, call: Call, until: Millis) -> Mapping[str, str]:
        return {**call.headers, "authorization": _bearer(self._token(until))}

    def renew(self, shown: Mapping[str, str], until: Millis) -> bool:
        held = self._held
        if held is None or shown["authorization"] != _bearer(held):
            return held is not None
        if self.clock.now() - held.fetched_at < TURNED_AWAY_AGAIN_MS:
            return False
        with self._locked(until):
            if self._held is held:
                self._held = None
                self._fetch(until)
        return True

    def _token(self, until: Millis) -> _Held:
        """Raises TransientFailure, also where it would come later than `until`."""
        held, now = self._held, self.clock.now()
        if held is None or now >= held.ends_at:
            with self._locked(until):
                held, now = self._held, self.clock.now()
                if held is None or now >= held.ends_at:
                    held = self._fetch_unless_it_failed(now)
        elif now >= self._renew_at and self._lock.acquire(blocking=False):
            try:
                # The call must have time left after it.
                held = self._renewed(held, Millis(now + (until - now) // 2))
            finally:
                self._lock.release()
        return held

    def _renewed(self, held: _Held, until: Millis) -> _Held:
        """The lock is held. While the endpoint is down, the old token still opens what it opens."""
        if self._held is not held:
            return self._held or held
        try:
            return self._fetch(until)
        except TransientFailure:
            self._renew_at = self.clock.now() + RENEW_AGAIN_MS
            return held

    def _fetch_unless_it_failed(self, now: Millis) -> _Held:
        if self._failure is not None and now < self._fails_until:
            raise type(self._failure)(str(self._failure))
        try:
            # Not until the call's own end: one that is to take the express path has little time.
            return self._fetch(deadline(self.clock, self.timeout_seconds, None))
        except TransientFailure as failure:
            self._failure, self._fails_until = failure, self.clock.now() + FAILS_FOR_MS
            raise

    def _fetch(self, until: Millis) -> _Held:
        asked_at = self.clock.now()
        answer = self._ask(until)
        if answer.status in (400, 401) and self.secret.renew():
            answer = self._ask(until)
        token = _token_in(answer, self._asked)
        seconds = _seconds(token)
        early = min(RENEW_SHARE * seconds, RENEW_BEFORE_SECONDS_MAX)
        ends_at = Millis(asked_at + round(seconds * 1000))
        self._held = held = _Held(token.access_token, asked_at, ends_at)
        self._renew_at = ends_at - round(early * 1000)
        return held

    def _ask(self, until: Millis) -> Answer:
        form = {"grant_type": "client_credentials"}
        headers = {
            "accept": "application/json",
            "content-type": "application/x-www-form-urlencoded",
        }
        secret = self.secret.text()
        if self.client_auth == "basic":
            # Both are encoded as in a form: RFC 6749, section 2.3.1.
            pair = f"{quote_plus(self.client_id)}:{quote_plus(secret)}"
            headers["authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            form |= {"client_id": self.client_id, "client_secret": secret}
        form |= {"scope": self.scope} if self.scope else {}
        form |= {"audience": self.audience} if self.audience else {}
        body = urlencode(form).encode()
        call = Call(self._asked, "POST", self.token_url, headers, body)
        return exchange(self.pool, call, self.clock, until)

    @property
    def _asked(self) -> str:
        # Without a name and a password, if somebody has written them there.
        return f"token of {urlsplit(self.token_url).netloc.rpartition('@')[2]}"

    def _locked(self, until: Millis) -> _Locked:
        left = (until - self.clock.now()) / 1000
        return _Locked(self._lock, max(0.0, left), self._asked)


@dataclass(frozen=True, slots=True)
class _Locked:
    lock: threading.Lock
    seconds_max: float
    asked: str

    def __enter__(self) -> None:
        if not self.seconds_max or not self.lock.acquire(timeout=self.seconds_max):
            raise TransientFailure(f"{self.asked}: not in time")

    def __exit__(self, *_: object) -> None:
        self.lock.release()


def _bearer(held: _Held) -> str:
    return f"Bearer {held.token}"


def _token_in(answer: Answer, asked: str) -> _Token:
    """Raises TransientFailure."""
    if answer.status >= 500 or answer.status in _UNKNOWN:
        raise TransientFailure(f"{asked}: answered {answer.status}")
    if answer.status != 200:
        raise Misconfigured(f"{asked}: answered {answer.status} {_code(answer.body)}".rstrip())
    try:
        token = msgspec.json.decode(answer.body, type=_Token, strict=False)
    except (ValueError, RecursionError) as error:
        raise Misconfigured(f"{asked}: answered 200 without a token") from error
    if token.token_type.lower() not in ("bearer", "") or not _TOKEN.fullmatch(token.access_token):
        raise Misconfigured(f"{asked}: its token is no Bearer token")
    return token


def _seconds(token: _Token) -> float:
    """Until it ends. None, no number and no time at all (`0`, which some mean as "never") tell
    nothing: a token that were over at once would be fetched for every call."""
    told = token.expires_in
    if told is None or not 0 < told < math.inf:
        return UNTOLD_SECONDS
    return min(told, SECONDS_MAX)


def _code(body: bytes) -> str:
    """`invalid_client`, `invalid_scope` and so on, where the endpoint says which."""
    try:
        code = msgspec.json.decode(body, type=_Error).error
    except (ValueError, RecursionError):
        return ""
    return code if _CODE.fullmatch(code) else ""
