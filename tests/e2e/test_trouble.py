"""Duplicates and crashes on the deployed service: one order, one effect a step, nothing lost."""

from __future__ import annotations

import os
import random
import re
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx

from spillway.local import Stack
from spillway.local.processes import children
from tests.e2e.shop import Customer, all_effects


def test_every_order_sent_three_times_at_once_is_one_order_with_one_effect_a_step(
    stack: Stack, shopper: Customer
) -> None:
    orders = [shopper.order() for _ in range(20)]
    with ThreadPoolExecutor(12) as clients:
        answers = list(clients.map(lambda order: (order[0], shopper.put(*order)), orders * 3))
    statuses = Counter((id_, answer.status_code) for id_, answer in answers)
    ids = [id_ for id_, _ in orders]
    assert statuses == {(id_, code): n for id_ in ids for code, n in ((201, 1), (200, 2))}
    assert all(shopper.settled(id_)["status"] == "confirmed" for id_ in ids)
    assert done_for(stack, shopper, ids) == {
        (id_, step): 1 for id_ in ids for step in ("reserve", "ship", "post")
    }


def test_killed_workers_lose_nothing_and_double_nothing(stack: Stack, shopper: Customer) -> None:
    """Whatever runs a function is killed again and again while orders come in and go through."""
    stop = threading.Event()
    killed: Counter[str] = Counter()

    def kill_at_random() -> None:
        chance = random.Random(7)
        while not stop.wait(chance.uniform(0.05, 0.25)):
            functions = running_functions(stack)
            if functions:
                pid = chance.choice(sorted(functions))
                killed[functions[pid]] += 1
                os.kill(pid, signal.SIGKILL)

    def insist(order: tuple[str, object]) -> str:
        """As a client does: the same request until it is answered. On a slow machine few workers
        live long enough to answer, so it insists for a time and not for a number of tries."""
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            time.sleep(0.2)
            try:
                answer = shopper.put(*order)
            except httpx.TransportError:
                continue
            if answer.status_code in (200, 201):
                return order[0]
            assert answer.status_code >= 500, answer.text
        raise AssertionError(f"{order[0]} was never answered")

    killer = threading.Thread(target=kill_at_random)
    killer.start()
    try:
        with ThreadPoolExecutor(8) as clients:
            ids = list(clients.map(insist, [shopper.order() for _ in range(40)]))
        time.sleep(5)
    finally:
        stop.set()
        killer.join()
    # A batch that died with its worker comes back when its visibility timeout is over.
    assert Counter(shopper.settled(id_)["status"] for id_ in ids) == {"confirmed": 40}
    assert done_for(stack, shopper, ids) == {
        (id_, step): 1 for id_ in ids for step in ("reserve", "ship", "post")
    }
    assert sum(killed.values()) > 20
    assert set(killed) >= {"intake", "relay", "deliver-inventory"}, killed


def done_for(stack: Stack, customer: Customer, ids: list[str]) -> Counter[tuple[str, str]]:
    mine = set(ids)
    return Counter(
        (effect.key.order_id, effect.step)
        for effect in all_effects(stack)
        if effect.done and effect.key.customer_id == customer.id and effect.key.order_id in mine
    )


def running_functions(stack: Stack) -> dict[int, str]:
    """Which function each worker process runs, by the name of its folder."""
    named = re.compile(r"ministack-lambda-spillway-local-(.+?)-[^-/]+/")
    return {
        pid: match[1]
        for pid, command in children(stack.emulator_pid).items()
        if (match := named.search(command))
    }
