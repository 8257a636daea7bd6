"""Duplicates, crashes and a crowd for a coupon on the deployed service: one order, one effect per
step, nothing lost, and the coupon for exactly those who came first."""

from __future__ import annotations

import random
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import httpx
import pytest

from orders.aws.book_file import encode
from orders.domain.order import OrderKey
from orders.domain.status import SETTLED, Status, status
from spillway.price_book import example
from spillway.prove.chaos.disruptions import KILL_WITHIN_SECONDS, Killer
from spillway.run.load.clients import backoff_seconds
from spillway.run.stack import Stack
from spillway.run.stack.tokens import claims
from spillway.target.service import of_stack
from tests.builders import order_key
from tests.e2e.shelf import Shelf
from tests.e2e.shop import Customer, all_effects, violations
from tests.spillway.prove.audit.test_on_stack import run_audit
from tests.waiting import eventually

#: Those that an order needs first; while these are killed, few others have work.
ON_THE_WAY = {"intake", "relay", "deliver-inventory"}
#: If one of them was never killed by then, that isn't chance.
ORDERS_MAX = 400
#: The queues that a function reads, and soon enough that no test waits for it: as deployed, what
#: dies with its worker comes back after 22 s, a check after 40 s.
QUEUES = ("inventory", "fulfilment", "accounting", "overflow", "watchdog")
SOON = {"VisibilityTimeout": "10"}
MUG = {"sku": "MUG-SAGE", "quantity": 1}


@pytest.fixture
def killer(stack: Stack) -> Iterator[Killer]:
    """What dies with its worker comes back soon."""
    sqs, urls = stack.client("sqs"), [stack.queues[name] for name in QUEUES]
    before = [sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[*SOON]) for url in urls]
    for url in urls:
        sqs.set_queue_attributes(QueueUrl=url, Attributes=SOON)
    yield Killer(stack, random.Random(7))
    for url, found in zip(urls, before, strict=True):
        sqs.set_queue_attributes(QueueUrl=url, Attributes=found["Attributes"])


def test_every_order_sent_three_times_at_once_is_one_order_with_one_effect_a_step(
    stack: Stack, shopper: Customer
) -> None:
    # Copies of an order one after the other, so that they are on their way together.
    orders = [order for order in [shopper.order() for _ in range(20)] for _ in range(3)]
    said: defaultdict[OrderKey, list[httpx.Response]] = defaultdict(list)

    def send(order: tuple[str, object]) -> httpx.Response:
        return send_until_answered(partial(shopper.put, *order))

    with ThreadPoolExecutor(6) as clients:
        for (id_, _), answer in zip(orders, clients.map(send, orders), strict=True):
            said[order_key(shopper.id, id_)].append(answer)
    for answers in said.values():
        check_one_order(answers)
    check_settled_once(stack, said.keys())


@pytest.mark.parametrize("orders", [24, pytest.param(80, marks=pytest.mark.slow)])
def test_killed_workers_lose_nothing_and_double_nothing(
    stack: Stack, shopper: Customer, killer: Killer, orders: int
) -> None:
    """Each answer pays for one kill, somewhere in the work that the order causes. With kills paced
    by the clock, a slow machine would only ever start workers.
    """

    def order_and_kill(order: tuple[str, object]) -> OrderKey:
        answer = send_until_answered(partial(shopper.put, *order))
        assert answer.is_success, answer.text
        kill_soon(killer)
        return order_key(shopper.id, order[0])

    keys: set[OrderKey] = set()
    with ThreadPoolExecutor(8) as clients:
        while len(keys) < orders or not (
            killer.killed.keys() >= ON_THE_WAY or len(keys) >= ORDERS_MAX
        ):
            keys.update(clients.map(order_and_kill, [shopper.order() for _ in range(8)]))
    assert killer.killed.keys() >= ON_THE_WAY, killer.killed
    check_settled_once(stack, keys)
    assert killer.fired() > orders // 2, killer.killed


@dataclass(frozen=True)
class Racer:
    """A customer with one order."""

    key: OrderKey
    token: str
    body: dict[str, Any]


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize(
    ("customers", "limit"), [(21, 7), pytest.param(2_000, 100, marks=pytest.mark.slow)]
)
def test_exactly_the_first_orders_get_the_coupon_whatever_is_killed(
    stack: Stack, shopper: Customer, shelf: Shelf, killer: Killer, customers: int, limit: int
) -> None:
    """Each order is sent twice at once, and again when the coupon is used up. Each that is new pays
    for one kill: what then runs is placing the orders of others.
    """
    racers = list(at_the_start(stack, shopper, offered(shelf, limit), customers))

    def send_and_kill(racer: Racer) -> httpx.Response:
        path = f"/orders/{racer.key.order_id}"
        headers = {"authorization": f"Bearer {racer.token}"}
        put = partial(shopper.http.put, path, json=racer.body, headers=headers)
        answer = send_until_answered(put)
        if answer.status_code == 201:
            kill_soon(killer)
        return answer

    sends = [racer for racer in racers for _ in range(2)] + killer.rng.sample(racers, customers)
    said: defaultdict[OrderKey, list[httpx.Response]] = defaultdict(list)
    with ThreadPoolExecutor(8) as clients:
        for racer, answer in zip(sends, clients.map(send_and_kill, sends), strict=True):
            said[racer.key].append(answer)
    assert killer.fired()
    assert killer.killed["intake"] >= limit // 20, killer.killed

    winners = {key for key, answers in said.items() if answers[0].is_success}
    assert len(winners) == limit
    for key, answers in said.items():
        if key in winners:
            check_one_order(answers)
        else:
            check_used_up(answers)
    assert stored(stack, said.keys()).keys() == winners
    check_settled_once(stack, winners)
    status_, report = run_audit(stack)
    assert status_ == 0, report
    assert report["promises"]["coupon_within_limits"]["judged"]


def offered(shelf: Shelf, limit: int) -> str:
    """A new coupon for the first to order, once each, in the example's price book."""
    book, code = example(), f"RACE{secrets.token_hex(4).upper()}"
    coupon = replace(book.rules.coupons["FIRST100"], code=code, limit=limit)
    rules = replace(book.rules, coupons={**book.rules.coupons, code: coupon})
    shelf.add(encode(rules, book.articles.values()))
    return code


def at_the_start(stack: Stack, shopper: Customer, coupon: str, count: int) -> Iterator[Racer]:
    """Customers who have paid for a mug with the coupon, each at what one of them was quoted."""
    quote = shopper.quote(MUG, coupon)
    assert quote["discounts"], quote
    for number in range(count):
        name = f"{coupon}-{number}".lower()
        token = stack.pool.token(name, stack.pool.create(name))
        customer_id = claims(token)["sub"]
        id_, body = shopper.order_at(quote, customer_id=customer_id)
        yield Racer(order_key(customer_id, id_), token, body)


def send_until_answered(send: Callable[[], httpx.Response]) -> httpx.Response:
    """As docs/client.md says: the same request, with backoff, until it is answered."""
    for attempt in range(60):
        with suppress(httpx.TransportError):
            answer = send()
            if answer.status_code < 500:
                return answer
        time.sleep(backoff_seconds(attempt, random.random()))
    raise AssertionError("it was never answered")


def kill_soon(killer: Killer) -> None:
    time.sleep(killer.rng.uniform(0, KILL_WITHIN_SECONDS))
    killer.kill_one()


def check_one_order(answers: list[httpx.Response]) -> None:
    codes = Counter(answer.status_code for answer in answers)
    assert codes.keys() <= {200, 201}, codes
    # No copy is 201 when the table's answer was lost to intake, which asked it again itself.
    assert codes[201] <= 1
    assert len({answer.json()["accepted_at"] for answer in answers}) == 1


def check_used_up(answers: list[httpx.Response]) -> None:
    for answer in answers:
        assert answer.status_code == 422, answer.text
        assert violations(answer) == [("coupon_used_up", "/discounts/0/coupon", None)]


def check_settled_once(stack: Stack, keys: Set[OrderKey]) -> None:
    """All are confirmed, with one effect a step."""
    # A batch that died with its worker comes back when its visibility timeout is over.
    eventually(lambda: Counter(stored(stack, keys).values()), lambda found: found.keys() <= SETTLED)
    assert Counter(stored(stack, keys).values()) == {Status.CONFIRMED: len(keys)}
    assert done_for(stack, keys) == {
        (key, step): 1 for key in keys for step in ("reserve", "ship", "post")
    }


def stored(stack: Stack, keys: Set[OrderKey]) -> dict[OrderKey, Status]:
    """Those of these orders that are in the table."""
    found = of_stack(stack).orders.orders()
    return {one.key: status(one.facts) for one in found if one.key in keys}


def done_for(stack: Stack, keys: Set[OrderKey]) -> Counter[tuple[OrderKey, str]]:
    return Counter(
        (effect.key, effect.step)
        for effect in all_effects(stack)
        if effect.done and effect.key in keys
    )
