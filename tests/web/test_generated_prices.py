"""A page that has a book's catalogue asks what intake charges, whatever the book says.

The vectors of pricing.test.mjs are three books that people wrote, and the contract for others'
clients; these are made up.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

from orders.domain.pricing import price
from spillway.plan.pricing_vectors import result, shown
from spillway.price_book import catalogue
from tests.spillway.price_book.generated import a_basket, a_price_book, a_time
from tests.web.test_modules import node

SCRIPT = """
import { readFileSync } from "node:fs";
import { price } from "./web/storefront/pricing.js";
const cases = JSON.parse(readFileSync(0)).map(({ catalogue, basket, at }) => {
  const bySku = new Map(catalogue.goods.map((good) => [good.sku, good]));
  return price(basket, { ...catalogue, bySku }, at);
});
console.log(JSON.stringify(cases));
"""


def test_pages_ask_what_intake_charges_by_any_book() -> None:
    random = Random(7)
    asked: list[dict[str, Any]] = []
    charged: list[dict[str, Any]] = []
    while len(asked) < 400:
        book = a_price_book(random)
        document = catalogue(book)
        sold = {good["sku"] for good in document["goods"]}
        for _ in range(4):
            basket, at = a_basket(random, book), a_time(random)
            if all(line.sku in sold for line in basket.lines):
                asked.append({"catalogue": document, "basket": shown(basket), "at": at})
                charged.append(result(price(basket, book.book(""), at)))
    done = node("--input-type=module", "-e", SCRIPT, given=json.dumps(asked))
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    for one in made:
        del one["subtotal"]
    assert made == charged
    # Not all of them are refused.
    assert sum(not one["refusals"] for one in charged) > 20
