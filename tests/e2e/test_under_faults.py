"""Duplicates and crashes on the deployed service: one order, one effect per step, nothing lost."""

from __future__ import annotations

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx

from spillway.prove.chaos.disruptions import Killer
from spillway.run.load.clients import backoff_seconds
from spillway.run.stack import Stack
from tests.e2e.shop import Customer, all_effects

#: Those that an order needs first; while these are killed, few others have work.
ON_THE_WAY = {"intake", "relay", "deliver-inventory"}
#: If one of them was never killed by then, that isn't chance.
ORDERS_MAX = 400


def test_every_order_sent_three_times_at_once_is_one_order_with_one_effect_a_step(
    stack: Stack, shopper: Customer
) -> None:
    orders = [shopper.order() for _ in range(20)]
    with ThreadPoolExecutor(12) as clients:
        answers = list(clients.map(lambda order: (order[0], shopper.put(*order)), orders * 3))
    ids = [id_ for id_, _ in orders]
    said = {id_: [answer.json() for of, answer in answers if of == id_] for id_ in ids}
    # No copy is 201 when the table's answer was lost to intake, which asked it again itself.
    created = Counter(id_ for id_, answer in answers if answer.status_code == 201)
    assert {answer.status_code for _, answer in answers} <= {200, 201}
    assert set(created.values()) <= {1}
    assert all(len({answer["accepted_at"] for answer in said[id_]}) == 1 for id_ in ids)
    assert all(shopper.settled(id_)["status"] == "confirmed" for id_ in ids)
    assert done_for(stack, shopper, ids) == {
        (id_, step): 1 for id_ in ids for step in ("reserve", "ship", "post")
    }


def test_killed_workers_lose_nothing_and_double_nothing(stack: Stack, shopper: Customer) -> None:
    """Each answer pays for one kill, somewhere in the work that the order causes. With kills paced
    by the clock, a slow machine would only ever start workers.
    """
    killer = Killer(stack, random.Random(7))

    def order_and_kill(order: tuple[str, object]) -> str:
        send_until_answered(shopper, *order)
        time.sleep(killer.rng.uniform(0, 0.5))
        killer.kill_one()
        return order[0]

    ids: list[str] = []
    with ThreadPoolExecutor(8) as clients:
        while len(ids) < 40 or not (killer.killed.keys() >= ON_THE_WAY or len(ids) >= ORDERS_MAX):
            ids += clients.map(order_and_kill, [shopper.order() for _ in range(8)])
    assert killer.killed.keys() >= ON_THE_WAY, killer.killed
    # A batch that died with its worker comes back when its visibility timeout is over.
    assert Counter(shopper.settled(id_)["status"] for id_ in ids) == {"confirmed": len(ids)}
    assert done_for(stack, shopper, ids) == {
        (id_, step): 1 for id_ in ids for step in ("reserve", "ship", "post")
    }
    assert killer.fired() > 20, killer.killed


def send_until_answered(customer: Customer, id_: str, body: object) -> None:
    """As docs/client.md says: the same request, with backoff, until it is answered."""
    for attempt in range(60):
        with suppress(httpx.TransportError):
            answer = customer.put(id_, body)
            if answer.status_code in (200, 201):
                return
            assert answer.status_code >= 500, answer.text
        time.sleep(backoff_seconds(attempt, random.random()))
    raise AssertionError(f"{id_} was never answered")


def done_for(stack: Stack, customer: Customer, ids: list[str]) -> Counter[tuple[str, str]]:
    mine = set(ids)
    return Counter(
        (effect.key.order_id, effect.step)
        for effect in all_effects(stack)
        if effect.done and effect.key.customer_id == customer.id and effect.key.order_id in mine
    )
