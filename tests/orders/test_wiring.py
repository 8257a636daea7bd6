"""A stage's setting says who prices its orders."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from orders import wiring
from orders.wiring import Clients
from simulation import store
from simulation.world import bucket
from tests.orders.test_settings import ENVIRONMENT

#: What Lambda alone sets.
ON_LAMBDA = {"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"}
PRICE_KEYS = {"PRICE_KEYS_PARAMETER": "/price-keys"}


@pytest.mark.parametrize(
    ("prices", "more", "by_book", "by_signature"),
    [
        ("book", {}, True, False),
        ("signed", PRICE_KEYS, False, True),
        ("book_or_signed", PRICE_KEYS, True, True),
        ("client", {}, False, False),
    ],
)
def test_orders_are_priced_as_the_stage_says(
    prices: str, more: dict[str, str], by_book: bool, by_signature: bool
) -> None:
    environment = {**ENVIRONMENT, "PRICES": prices, **more}
    asked: list[str] = []
    runtime = replace(wiring.SYSTEM, environment=environment, client=clients(asked))
    intake, _ = wiring.wire_intake(runtime)
    assert (intake.prices.books is not None) == by_book
    assert (intake.coupons is not None) == by_book
    assert (intake.coupon_tries is not None) == by_book
    assert (intake.prices.signing_keys is not None) == by_signature
    # Without an init phase, no parameter is read before an order needs it.
    assert asked == []
    assert intake.receipt_keys.in_force() == {"k1": b"\xab" * 32}
    keys = intake.prices.signing_keys
    assert keys is None or keys.in_force() == {"k1": b"\xab" * 32}
    assert asked == (["/keys", "/price-keys"] if by_signature else ["/keys"])


def test_a_store_without_a_book_can_take_a_purchase_order_number_once() -> None:
    environment = {**ENVIRONMENT, "PRICES": "client", "PURCHASE_ORDERS_UNIQUE": "True"}
    runtime = replace(wiring.SYSTEM, environment=environment, client=clients([]))
    intake, _ = wiring.wire_intake(runtime)
    assert intake.coupons is not None
    assert intake.coupon_tries is None


def test_intake_and_the_deliveries_sample_good_news_as_the_stage_says() -> None:
    written: list[str] = []
    runtime = replace(
        wiring.SYSTEM,
        environment={**ENVIRONMENT, "GOOD_NEWS_ONE_IN": "1000"},
        client=clients([]),
        write=written.append,
    )
    _, log = wiring.wire_intake(runtime)
    consumer, _ = wiring.wire_deliver(runtime)
    for number in range(20):
        order = {"customer": "c", "order_id": f"order-{number}"}
        log("intake", "accepted", **order)
        consumer.log("deliver", "done", command="reserve", **order)
    assert written == []


def test_the_init_phase_reads_what_each_order_needs() -> None:
    """So that no customer waits for it, and not the keys of coupons, which few orders need."""
    environment = {**ENVIRONMENT, "PRICES": "book_or_signed", **PRICE_KEYS}
    asked: list[str] = []
    pool: Any = Bucket(asked)
    runtime = replace(
        wiring.SYSTEM,
        environment=environment,
        client=clients(asked),
        pool=lambda _seconds: pool,
        sign_s3=lambda _method, _url, headers, _body: {**headers},
        init_phase=True,
    )
    intake, _ = wiring.wire_intake(runtime)
    ready = ["/keys", "index.json", "books/today", "/price-keys"]
    assert sorted(asked) == sorted(ready)
    assert intake.receipt_keys.in_force() == {"k1": b"\xab" * 32}
    assert intake.prices.book_of("", intake.clock.now()) is not None
    wiring.wire_deliver(runtime)
    assert sorted(asked) == sorted([*ready, "/inventory/api-key"])


class Bucket:
    """A pool whose connections end at a bucket with one price book."""

    def __init__(self, asked: list[str]) -> None:
        self._asked = asked
        self._objects = bucket.Bucket(store.objects({"today": 0}))

    def request(self, _method: str, url: str, **_: Any) -> Any:
        key = urlsplit(url).path.removeprefix("/")
        self._asked.append(key)
        return self._objects.get(key, {})


MADE_AT_IMPORT = """
from orders import wiring
made = []
wiring.prepare = made.append
from orders.handlers import archive, deliver, drain, intake, payments, reads, relay, watchdog
names = ("archive", "deliver", "drain", "intake", "payments", "reads", "relay", "watchdog")
assert made == [getattr(wiring, name) for name in names], made
"""


MADE = """
from orders import wiring
from orders.handlers import reads
print(wiring.reads.cache_info().currsize)
"""


def test_lambda_wires_each_function_when_it_imports_its_handler() -> None:
    subprocess.run([sys.executable, "-c", MADE_AT_IMPORT], check=True)  # noqa: S603


@pytest.mark.parametrize(("kind", "made"), [({}, "0"), (ON_LAMBDA, "1")])
def test_only_lambda_has_an_init_phase(kind: dict[str, str], made: str) -> None:
    """Its first event then finds the clients made. The emulator's functions make them later."""
    done = subprocess.run(  # noqa: S603
        (
            sys.executable,
            "-c",
            MADE,
        ),
        env={**os.environ, **ENVIRONMENT, "AWS_DEFAULT_REGION": "eu-west-1", **kind},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == made


def clients(asked: list[str]) -> Clients:
    class Ssm:
        def get_parameter(self, **request: Any) -> Any:
            asked.append(request["Name"])
            return {"Parameter": {"Value": f'{{"k1":"{"ab" * 32}"}}'}}

    return lambda _service, _timeout_seconds=0.0, /: Ssm()
