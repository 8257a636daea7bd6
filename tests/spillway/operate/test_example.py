"""The orders that the console and the smoke checks show as examples are ones that a store takes."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from orders.domain import receipt
from orders.domain.book import Article, Book, DeliveryRate, Rules, Tax, delivery_key, tax_key
from orders.domain.units import Millis
from orders.flow.intake import Acknowledged
from orders.flow.prices import Prices
from orders.handlers.wire import Content, content_of
from simulation.world.runtime import FixedPriceBooks
from simulation.world.table import MemoryOrders
from spillway.operate.console.stack import basket_of, examples_of
from spillway.operate.example import example_basket, example_order
from spillway.paths import PROJECT
from spillway.price_book import example
from spillway.run.stack import Stack
from spillway.target.service import of_stack
from tests.builders import CUSTOMER, KEY, KEY_ID, an_intake, order_id, order_key


def test_it_costs_what_the_example_book_says() -> None:
    key = order_key(CUSTOMER, order_id())
    body = example_order(lambda paid: receipt.sign(KEY, KEY_ID, order_key=key, **paid))
    sent = content_of(json.dumps(body).encode())
    assert isinstance(sent, Content)
    intake = an_intake(MemoryOrders(), prices=Prices(FixedPriceBooks({0: example().book("v1")})))
    placed = intake.place(key, sent.order, sent.digest, wholesale_allowed=False)
    assert isinstance(placed, Acknowledged), placed


def test_the_console_s_commands_work_when_pasted(stack: Stack) -> None:
    basket = basket_of(of_stack(stack))
    assert basket is not None
    assert basket["lines"][0]["sku"] == "MUG-SAGE", "the first that the book in force shows"
    commands = [command for _, command in examples_of(stack, basket)]
    _, id_, quote, payment, placed, progress, cancelled, refused, void, refunded, listed, key = (
        pasted(commands)
    )
    assert quote["total"] == payment["amount"] == basket["total"]
    assert quote["violations"] == []
    assert placed["order_id"] == progress["order_id"] == cancelled["order_id"] == id_
    assert [one["rule"] for one in refused["violations"]] == ["payment_missing"]
    assert void["proofs"]
    assert refunded == 204
    assert id_ in [order["order_id"] for order in listed["orders"]]
    [(key_id, bytes_)] = json.loads(key["Parameter"]["Value"]).items()
    ours = stack.receipt_key
    assert (key_id, bytes.fromhex(bytes_)) == (ours.key_id, ours.key)


def pasted(commands: list[str]) -> list[Any]:
    """What each prints: JSON, a line of text, or None."""
    script = "\necho '<next>'\n".join(commands)
    done = subprocess.run(
        ["/bin/bash"],
        input=script,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert not done.stderr, done.stderr
    return [_read(said.strip()) for said in done.stdout.split("<next>")]


def _read(said: str) -> Any:
    """Of a command that says an id before its answer, the answer."""
    try:
        return json.loads(said) if said else None
    except ValueError:
        return said


SEED_SHOP = Book(
    "v1",
    Rules(
        price_lists=("wholesale USD", "retail GBP", "retail USD"),
        tax_classes=("standard",),
        delivery={delivery_key("retail", "US", "USD"): DeliveryRate("subtotal", ((0, 500),))},
        taxes={tax_key("retail", "US-CA"): Tax(included=False, rates=(100_000,), delivery_rate=0)},
    ),
    {
        "GIVEN-AWAY": Article("GIVEN-AWAY", (1, 0, 0)),
        "LATER": Article("LATER", (1, None, 900), available_from=Millis(2)),
        "SEEDS": Article("SEEDS", (1, None, 300)),
    },
)


def test_another_book_s_good_goes_where_that_book_delivers() -> None:
    basket = example_basket(SEED_SHOP, Millis(1), ["GBP", "USD"])
    assert basket is not None
    assert basket["lines"] == [{"sku": "SEEDS", "quantity": 1, "unit_price": 300}]
    assert (basket["address"]["country"], basket["address"]["state"]) == ("US", "CA")
    assert (basket["currency"], basket["shipping"]) == ("USD", 500)
    assert (basket["tax"], basket["total"]) == (30, 830)


def test_a_book_that_sells_shoppers_nothing_has_no_example() -> None:
    assert example_basket(SEED_SHOP, Millis(1), ["EUR"]) is None
