"""A stage's setting says who prices its orders."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orders import wiring
from orders.wiring import Clients
from tests.orders.test_settings import ENVIRONMENT

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
    # No parameter is read before an order needs it.
    assert asked == []
    assert intake.receipt_keys.in_force() == {"k1": b"\xab" * 32}
    keys = intake.prices.signing_keys
    assert keys is None or keys.in_force() == {"k1": b"\xab" * 32}
    assert asked == (["/keys", "/price-keys"] if by_signature else ["/keys"])


def clients(asked: list[str]) -> Clients:
    class Ssm:
        def get_parameter(self, **request: Any) -> Any:
            asked.append(request["Name"])
            return {"Parameter": {"Value": f'{{"k1":"{"ab" * 32}"}}'}}

    return lambda _service, _timeout_seconds=0.0, /: Ssm()
