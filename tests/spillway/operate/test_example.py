"""The order that the console shows as an example is one that the example store takes."""

from __future__ import annotations

import json
import time

from orders.domain import receipt
from orders.flow.intake import Acknowledged
from orders.flow.prices import Prices
from orders.handlers.wire import Content, content_of
from simulation.world.runtime import FixedPriceBooks
from simulation.world.table import MemoryOrders
from spillway.operate.console.stack import examples_of
from spillway.operate.example import example_order
from spillway.price_book import example
from spillway.run.stack import Stack
from tests.builders import CUSTOMER, KEY, KEY_ID, an_intake, order_id, order_key
from tests.e2e.shop import Customer


def test_it_costs_what_the_example_book_says() -> None:
    key = order_key(CUSTOMER, order_id())
    body = example_order(lambda paid: receipt.sign(KEY, KEY_ID, order_key=key, **paid))
    sent = content_of(json.dumps(body).encode())
    assert isinstance(sent, Content)
    intake = an_intake(MemoryOrders(), prices=Prices(FixedPriceBooks({0: example().book("v1")})))
    placed = intake.place(key, sent.order, sent.digest, wholesale_allowed=False)
    assert isinstance(placed, Acknowledged), placed


def test_the_console_s_command_places_it(stack: Stack) -> None:
    id_ = order_id(time.time_ns() // 1_000_000)
    [command] = [text for _, text in examples_of(stack, id_) if " -d '" in text]
    body = command.partition(" -d '")[2].removesuffix("'")
    answer = Customer(stack, "shopper").put(id_, json.loads(body))
    assert answer.status_code == 201, answer.text
