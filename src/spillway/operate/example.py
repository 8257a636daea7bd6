"""Orders as a client sends them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator
from typing import Any

from orders.domain.book import ELSEWHERE, Book, Rules, tax_key
from orders.domain.countries import COUNTRIES
from orders.domain.pricing import Basket, Priced, price
from orders.domain.quote import QuoteLine
from orders.domain.units import Millis


def example_order(receipt_of: Callable[[dict[str, Any]], str]) -> dict[str, Any]:
    """Two mugs and a coupon, in pence, at the prices of the example store's book (web/book).

    `receipt_of` gives the payment gateway's receipt for the payment's reference, amount and
    currency.
    """
    paid: dict[str, Any] = {
        "reference": f"pay_{secrets.token_hex(4)}",
        "amount": 2 * 1_400 - 280 + 395,
        "currency": "GBP",
    }
    return {
        "channel": "retail",
        "currency": paid["currency"],
        "lines": [{"sku": "MUG-SAGE", "quantity": 2, "unit_price": 1_400}],
        "discounts": [{"coupon": "WELCOME10", "amount": 280}],
        "shipping": 395,
        "tax": 0,
        "total": paid["amount"],
        "address": {
            "name": "A. Buyer",
            "lines": ["1 High Street"],
            "city": "Leeds",
            "postal_code": "LS1 4AP",
            "country": "GB",
        },
        "payment": {**paid, "receipt": receipt_of(paid)},
    }


def example_basket(book: Book, at: Millis, currencies: Collection[str]) -> dict[str, Any] | None:
    """An unpaid order of the first good that shoppers can buy in one of these currencies, at what
    the book says that it costs; None where it sells them nothing."""
    for name in book.rules.price_lists:
        channel, _, currency = name.partition(" ")
        if channel == "retail" and currency in currencies:
            found = _in_currency(book, currency, at)
            if found is not None:
                return found
    return None


def _in_currency(book: Book, currency: str, at: Millis) -> dict[str, Any] | None:
    column = book.rules.price_lists.index(f"retail {currency}")
    for article in book.articles.values():
        # The address decides nothing of a good, so only goods with a price try them all.
        for country, state in _places(book.rules, currency) if article.prices[column] else ():
            lines = (QuoteLine(article.sku, 1),)
            priced = price(Basket("retail", currency, lines, (), country, state or None), book, at)
            if not priced.refusals:
                return _unpaid(article.sku, currency, country, state, priced)
    return None


def _places(rules: Rules, currency: str) -> Iterator[tuple[str, str]]:
    """Countries with their states, where a country's taxes go by state."""
    for key in rules.delivery:
        channel, country, priced_in = key.split(" ")
        if (channel, priced_in) == ("retail", currency):
            for place in COUNTRIES if country == ELSEWHERE else (country,):
                yield place, ""
                states = tax_key("retail", f"{place}-")
                yield from (
                    (place, one.removeprefix(states))
                    for one in rules.taxes
                    if one.startswith(states)
                )


def _unpaid(sku: str, currency: str, country: str, state: str, priced: Priced) -> dict[str, Any]:
    return {
        "channel": "retail",
        "currency": currency,
        "lines": [{"sku": sku, "quantity": 1, "unit_price": priced.unit_prices[0]}],
        "discounts": [],
        "shipping": priced.shipping,
        "tax": priced.tax,
        "total": priced.total,
        "address": {
            "name": "A. Buyer",
            "lines": ["1 High Street"],
            "city": "Newtown",
            "postal_code": "12345",
            **({"state": state} if state else {}),
            "country": country,
        },
    }
