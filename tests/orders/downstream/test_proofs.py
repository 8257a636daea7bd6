"""A key that is replaced works with the next call, and a wrong one is no load for its store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from orders.aws.parameters import RENEW_AGAIN_MS, SecureParameter
from orders.downstream.proofs import ApiKey
from orders.downstream.transport import Call, Https
from simulation.world.runtime import SetClock
from tests.builders import NOW
from tests.orders.downstream.servers import Answering, Asked, answering


class Store:
    """A client of SSM with one parameter."""

    def __init__(self) -> None:
        self.value, self.reads = "old", 0

    def get_parameter(self, **_: Any) -> Any:
        self.reads += 1
        return {"Parameter": {"Value": self.value}}


@pytest.fixture(params=[401, 403])
def downstream(request: pytest.FixtureRequest) -> Iterator[Answering]:
    """It takes the new key only."""

    def answer(asked: Asked) -> tuple[int, dict[str, str], bytes]:
        known = asked.headers["authorization"] == "Bearer new"
        return (201 if known else request.param), {}, b"{}"

    with answering(answer) as told:
        yield told


def test_a_key_that_is_replaced_works_within_seconds(downstream: Answering) -> None:
    clock, store = SetClock(NOW), Store()
    parameter = SecureParameter(lambda: store, "/key", clock, lambda: 0.5, lambda _: None)
    key = ApiKey(parameter, header="authorization", prefix="Bearer ")
    send = Https(urllib3.PoolManager(), key, clock, 5.0)
    call = Call("POST /postings", "POST", f"{downstream.url}/postings", {}, b"{}")
    assert [send(call).status >= 400 for _ in range(3)] == [True] * 3
    # Each call once: the second read brought no other key.
    assert (len(downstream.asked), store.reads) == (3, 2)
    store.value = "new"
    clock.milliseconds += RENEW_AGAIN_MS - 1
    assert send(call).status >= 400
    clock.milliseconds += 1
    assert send(call).status == 201
    assert (len(downstream.asked), store.reads) == (6, 3)
