"""A call of the gateway is a place where faults are injected, the same for each payment."""

from __future__ import annotations

from typing import Any

from simulation.gateway.stripe import Answer
from simulation.world.gateway import GatewayConnections

URL = "http://gateway"


class Called:
    """The calls, and the gateway that they come to."""

    def __init__(self) -> None:
        self.made: list[tuple[str, str, bool]] = []

    def make(self, site: Any, do: Any, about: str) -> Any:
        self.made.append((site.call, about, site.writes))
        return do(None)

    def answer(self, *_: object) -> Answer:
        return Answer(200, {})


def test_the_place_of_a_call_names_no_payment() -> None:
    called: Any = Called()
    gateway = GatewayConnections(URL, called, called, 1.0, called)
    for method, path in (
        ("GET", "/v1/payment_intents?limit=1"),
        ("GET", "/v1/payment_intents/pi_1?expand%5B%5D=latest_charge"),
        ("POST", "/v1/refunds"),
    ):
        gateway.request(method, URL + path, headers={}, body=b"", retries=False, redirect=False)
    assert called.made == [
        ("GET /v1/payment_intents", "", False),
        ("GET /v1/payment_intents/{id}", "pi_1", False),
        ("POST /v1/refunds", "", True),
    ]
