"""Order ids are UUIDs version 7, made by the client."""

from __future__ import annotations

import random

from orders.domain.order import is_order_id, order_id_time
from spillway.ids import order_id

NOW = 1_795_428_000_123


def test_an_id_is_one_that_the_service_takes_and_carries_its_time() -> None:
    rng = random.Random(1)
    made = [order_id(NOW, rng) for _ in range(1000)]

    assert all(is_order_id(id_) for id_ in made)
    assert {order_id_time(id_) for id_ in made} == {NOW}
    assert len(set(made)) == 1000


def test_ids_sort_by_their_time() -> None:
    rng = random.Random(1)
    made = [order_id(NOW + millisecond, rng) for millisecond in range(100)]

    assert made == sorted(made)
