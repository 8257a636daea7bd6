"""Tokens of a real endpoint for a real downstream, both on the loopback."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import pytest
import urllib3

from orders.domain.units import Millis
from orders.downstream.oauth import RENEW_AGAIN_MS, TURNED_AWAY_AGAIN_MS, ClientCredentials
from orders.downstream.transport import Call, Https
from orders.failures import Misconfigured, TransientFailure
from simulation.world.runtime import SetClock
from tests.builders import NOW
from tests.orders.downstream.servers import Answering, Asked, answering

Answered = tuple[int, Mapping[str, str], bytes]


@dataclass
class Secret:
    texts: list[str] = field(default_factory=lambda: ["s3cr3t/+"])
    renewals: int = 0

    def text(self) -> str:
        return self.texts[0]

    def renew(self) -> bool:
        self.renewals += 1
        if len(self.texts) == 1:
            return False
        del self.texts[0]
        return True


@dataclass
class Bench:
    """Tokens are numbered; the downstream takes those in `good`, all of them while it is None."""

    lifetime: Any = 3600
    down: Answered | None = None
    good: set[str] | None = None
    secret: Secret = field(default_factory=Secret)
    clock: SetClock = field(default_factory=lambda: SetClock(NOW))
    answering: threading.Event = field(default_factory=threading.Event)
    tokens: Answering = field(init=False)
    downstream: Answering = field(init=False)
    stack: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.answering.set()
        self.tokens = self.stack.enter_context(answering(self.token))
        self.downstream = self.stack.enter_context(answering(self.answer))

    def token(self, _asked: Asked) -> Answered:
        self.answering.wait(5)
        if self.down is not None:
            return self.down
        body: dict[str, Any] = {
            "access_token": f"token-{len(self.tokens.asked)}",
            "token_type": "Bearer",
            "expires_in": self.lifetime,
        }
        return 200, {}, json.dumps({k: v for k, v in body.items() if v is not None}).encode()

    def answer(self, asked: Asked) -> Answered:
        shown = asked.headers["authorization"].removeprefix("Bearer ")
        return (201 if self.good is None or shown in self.good else 401), {}, b"{}"

    def caller(self, timeout_seconds: float = 5.0, **settings: Any) -> Https:
        proof = ClientCredentials(
            token_url=f"{self.tokens.url}/oauth2/token",
            client_id="spill way",
            secret=self.secret,
            pool=urllib3.PoolManager(),
            clock=self.clock,
            timeout_seconds=2.5,
            **settings,
        )
        return Https(urllib3.PoolManager(maxsize=10), proof, self.clock, timeout_seconds)

    def call(self) -> Call:
        return Call("POST /postings", "POST", f"{self.downstream.url}/postings", {}, b"{}")

    def later(self, seconds: float) -> None:
        self.clock.milliseconds += round(seconds * 1000)

    @property
    def shown(self) -> list[str]:
        return [asked.headers["authorization"] for asked in self.downstream.asked]


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    with bench.stack:
        yield bench


def test_a_token_is_asked_for_once_and_shown_with_each_call(bench: Bench) -> None:
    send = bench.caller(scope="postings.write books", audience="https://books")
    for _ in range(3):
        assert send(bench.call()).status == 201
    assert set(bench.shown) == {"Bearer token-1"}
    [asked] = bench.tokens.asked
    assert (asked.method, asked.path) == ("POST", "/oauth2/token")
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qs(asked.body.decode()) == {
        "grant_type": ["client_credentials"],
        "scope": ["postings.write books"],
        "audience": ["https://books"],
    }
    pair = base64.b64decode(asked.headers["authorization"].removeprefix("Basic "))
    assert pair == b"spill+way:s3cr3t%2F%2B"


def test_a_client_may_prove_itself_in_the_form(bench: Bench) -> None:
    bench.caller(client_auth="form")(bench.call())
    [asked] = bench.tokens.asked
    assert "authorization" not in asked.headers
    assert parse_qs(asked.body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["spill way"],
        "client_secret": ["s3cr3t/+"],
    }


@pytest.mark.parametrize(
    ("lifetime", "kept", "renewed"),
    [(3600, 3299, 3301), ("3600", 3299, 3301), (60, 47, 49), (None, 239, 241), (86_400.5, 80, 0)]
    + [(told, 239, 241) for told in (0, -1, "0", "nan", "inf")]
    + [(1e300, 86_099, 86_101)],
)
def test_a_token_is_renewed_before_it_ends(
    bench: Bench, lifetime: Any, kept: float, renewed: float
) -> None:
    bench.lifetime = lifetime
    send = bench.caller()
    send(bench.call())
    bench.later(kept)
    send(bench.call())
    assert len(bench.tokens.asked) == 1
    if renewed:
        bench.later(renewed - kept)
        send(bench.call())
        assert bench.shown[-1] == "Bearer token-2"


def test_ten_threads_ask_for_one_token(bench: Bench) -> None:
    send = bench.caller()
    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda _: send(bench.call()).status, range(10)))
    assert answers == [201] * 10
    assert len(bench.tokens.asked) == 1


def test_while_one_thread_renews_the_others_go_on(bench: Bench) -> None:
    send = bench.caller()
    send(bench.call())
    bench.later(3500)
    bench.answering.clear()
    with ThreadPoolExecutor(2) as threads:
        renewing = threads.submit(send, bench.call())
        while len(bench.tokens.asked) < 2:
            pass
        assert send(bench.call()).status == 201
        assert bench.shown[-1] == "Bearer token-1"
        assert not renewing.done()
        bench.answering.set()
        renewing.result()
    assert bench.shown[-1] == "Bearer token-2"


def test_an_outage_of_the_endpoint_does_not_stop_calls_that_the_old_token_opens(
    bench: Bench,
) -> None:
    send = bench.caller()
    send(bench.call())
    bench.later(3400)
    bench.down = 503, {}, b""
    for _ in range(3):
        assert send(bench.call()).status == 201
    assert len(bench.tokens.asked) == 2
    bench.later(RENEW_AGAIN_MS / 1000)
    bench.down = None
    send(bench.call())
    assert bench.shown[-1] == "Bearer token-3"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_without_a_token_an_outage_of_the_endpoint_is_one_of_the_downstream(
    bench: Bench, status: int
) -> None:
    bench.down = status, {}, b"<html>"
    send = bench.caller()
    for _ in range(3):
        with pytest.raises(TransientFailure, match=rf"token of .*: answered {status}$") as raised:
            send(bench.call())
        assert not isinstance(raised.value, Misconfigured)
    # The next ones did not each wait for themselves.
    assert len(bench.tokens.asked) == 1
    bench.later(1)
    bench.down = None
    assert send(bench.call()).status == 201


def test_nobody_at_the_endpoint_is_an_outage() -> None:
    secret, clock = Secret(), SetClock(NOW)
    pool = urllib3.PoolManager()
    proof = ClientCredentials("http://me:pw@127.0.0.1:1/token", "c", secret, pool, clock, 1.0)
    send = Https(urllib3.PoolManager(), proof, clock, 1.0)
    with pytest.raises(TransientFailure, match=r"token of 127\.0\.0\.1:1: NewConnectionError"):
        send(Call("POST /x", "POST", "http://127.0.0.1:1/x", {}, b""))


@pytest.mark.parametrize(
    ("answered", "says"),
    [
        ((401, {}, b'{"error":"invalid_client"}'), "answered 401 invalid_client"),
        ((400, {}, b'{"error":"invalid_scope","error_description":"Ada"}'), "400 invalid_scope"),
        ((400, {}, b'{"error":"Ada Fletcher is not a client"}'), "answered 400"),
        ((403, {}, b"<html>"), "answered 403"),
        ((404, {}, b""), "answered 404"),
        ((302, {"location": "/sign-in"}, b""), "answered 302"),
        ((200, {}, b"<html>"), "answered 200 without a token"),
        ((200, {}, b'{"id_token":"x"}'), "answered 200 without a token"),
        ((200, {}, b'{"access_token":"x","token_type":"mac"}'), "no Bearer token"),
        ((200, {}, b'{"access_token":"a\\nb","token_type":"Bearer"}'), "no Bearer token"),
    ],
)
def test_a_client_that_the_endpoint_does_not_take_is_a_mistake_of_ours(
    bench: Bench, answered: Answered, says: str
) -> None:
    bench.down = answered
    with pytest.raises(Misconfigured, match=f"{says}$"):
        bench.caller()(bench.call())
    assert bench.downstream.asked == []


def test_a_secret_that_was_replaced_is_read_when_the_endpoint_turns_the_old_one_away(
    bench: Bench,
) -> None:
    bench.secret.texts = ["old", "new"]
    given = bench.tokens.answer

    def only_new(asked: Asked) -> Answered:
        pair = base64.b64decode(asked.headers["authorization"].removeprefix("Basic "))
        return given(asked) if pair.endswith(b":new") else (401, {}, b'{"error":"invalid_client"}')

    bench.tokens.answer = only_new
    assert bench.caller()(bench.call()).status == 201
    assert (len(bench.tokens.asked), bench.secret.renewals) == (2, 1)


def test_a_token_that_the_downstream_turns_away_is_renewed_once(bench: Bench) -> None:
    send = bench.caller()
    send(bench.call())
    bench.later(TURNED_AWAY_AGAIN_MS / 1000)
    bench.good = {"token-2"}
    assert send(bench.call()).status == 201
    assert bench.shown == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]


def test_a_downstream_that_turns_away_a_new_token_too_is_not_asked_with_ever_newer_ones(
    bench: Bench,
) -> None:
    bench.good = set()
    send = bench.caller()
    for _ in range(3):
        assert send(bench.call()).status == 401
    assert (len(bench.tokens.asked), len(bench.downstream.asked)) == (1, 3)


def test_a_token_counts_within_the_time_of_its_call(bench: Bench) -> None:
    """What comes too late for one call is there for the next."""
    given = bench.tokens.answer

    def slowly(asked: Asked) -> Answered:
        bench.later(2)
        return given(asked)

    bench.tokens.answer = slowly
    send = bench.caller(timeout_seconds=1.5)
    with pytest.raises(TransientFailure, match="not in time"):
        send(bench.call())
    assert bench.downstream.asked == []
    assert send(bench.call()).status == 201
    assert len(bench.tokens.asked) == 1


def test_nobody_waits_for_a_token_longer_than_for_its_call(bench: Bench) -> None:
    bench.answering.clear()
    send = bench.caller(timeout_seconds=0.2)
    with ThreadPoolExecutor(3) as threads:
        calls = as_completed([threads.submit(send, bench.call()) for _ in range(3)])
        for _ in range(2):
            with pytest.raises(TransientFailure, match="not in time"):
                next(calls).result()
        # The third is the one that asks for it.
        bench.answering.set()
        assert next(calls).result().status == 201
    assert len(bench.tokens.asked) == 1


def test_a_call_with_less_time_than_others_has_less_for_its_token(bench: Bench) -> None:
    call = Call("POST /x", "POST", bench.downstream.url, {}, b"", until=Millis(NOW - 1))
    with pytest.raises(TransientFailure, match="not in time"):
        bench.caller()(call)
    assert bench.tokens.asked == []
