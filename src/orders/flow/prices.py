"""Who says what an order costs: a stage's price book, its store's own pricing engine, or nobody but
the client.

Promise: `priced_by_the_store`. Either way the price is that of the moment when the client made the
order's id, which is when the customer saw the sum: by the book that was in force then, or by a
signature that was valid then. The client says when that was, so it counts only within a grace
period: nobody can order at last week's prices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orders.domain import price_signature, pricing
from orders.domain.book import Book
from orders.domain.order import Order, OrderKey, is_order_id, order_id_time
from orders.domain.price_signature import VALID_MAX_SECONDS, Verdict
from orders.domain.pricing import Priced, Unusable
from orders.domain.quote import QuoteRequest
from orders.domain.refusals import Refusal, Rule, amount_refusals
from orders.domain.units import CustomerId, Millis
from orders.failures import TransientFailure
from orders.ports import PriceBooks, SigningKeys


@dataclass(frozen=True, slots=True)
class Quote:
    """`at`: the time whose prices these are."""

    at: Millis
    priced: Priced


@dataclass(frozen=True, slots=True)
class Prices:
    """`books` are None on a stage without price books, `signing_keys` (the pricing engine's) on one
    that takes no signatures. Where both are None the client says what things cost; where neither
    is, an order with a signature is checked by that, every other one by the book."""

    books: PriceBooks | None = None
    signing_keys: SigningKeys | None = None
    grace_ms: int = 0

    def check(
        self,
        key: OrderKey,
        order: Order,
        now: Millis,
        *,
        sent: Order | None = None,
        signature: str | None = None,
    ) -> Priced:
        """What the order costs, with a refusal for each price that is not the store's.

        `sent` is the order before its texts were normalised, which is what the engine signed: it
        need not know how the service writes a state or a postal code.

        Raises TransientFailure when there is no book to look into, or no key, or only a fallback
        that refuses what the right book may accept.
        """
        at = self._priced_at(key.order_id, now)
        if self.signing_keys is not None and signature is not None:
            keys = self.signing_keys.in_force()
            return _by_the_signature(
                signature, sent or order, key.customer_id, keys, priced_at=at, now=now
            )
        if self.signing_keys is not None and self.books is None:
            return Priced(refusals=[_MISSING])
        priced = Priced() if self.books is None else _by_the_book(order, self.books, at)
        if signature is not None:
            priced.refusals.append(_NOT_USED)
        return priced

    def book_of(self, order_id: str, now: Millis) -> Book | None:
        """The book that an order of this id is checked against; None where there are none."""
        return None if self.books is None else self.books.in_force(self._priced_at(order_id, now))

    def quote(self, request: QuoteRequest, book: Book, now: Millis, unusable: Unusable) -> Quote:
        """What this comes to. With an order id: what the order under it will have to cost, so that
        a customer who is shown this sum can order at it.

        Raises TransientFailure where only a fallback refuses it: the order would not be refused
        either, and a page takes a quote's violations for the store's last word.
        """
        at = self._priced_at(request.id, now)
        priced = pricing.price(request.basket, book, at, unusable)
        # An order says so of itself, and would when it is paid.
        priced.refusals += amount_refusals("/total", priced.total)
        for place, discount in zip(priced.coupons, priced.discounts, strict=True):
            priced.refusals += amount_refusals(f"/discounts/{place}/coupon", discount.amount)
        return Quote(at, _certain(priced, book))

    def _priced_at(self, order_id: str, now: Millis) -> Millis:
        made_at = order_id_time(order_id) if is_order_id(order_id) else now
        return Millis(min(max(made_at, now - self.grace_ms), now))


def _by_the_book(order: Order, books: PriceBooks, at: Millis) -> Priced:
    book = books.in_force(at)
    return _certain(pricing.check(order, book, at), book)


def _certain(priced: Priced, book: Book) -> Priced:
    """Raises TransientFailure for what only a fallback refuses."""
    if priced.refusals and book.is_fallback:
        raise TransientFailure("the price book in force cannot be read, and another refuses it")
    return priced


def _by_the_signature(
    signature: str,
    order: Order,
    customer_id: CustomerId,
    keys: Mapping[str, bytes],
    *,
    priced_at: Millis,
    now: Millis,
) -> Priced:
    verdict = price_signature.verify(
        signature, order, customer_id, keys, priced_at=priced_at, now=now
    )
    return Priced(refusals=[] if verdict == "valid" else [_REFUSALS[verdict]])


def _refusal(rule: Rule, detail: str) -> Refusal:
    return Refusal(rule, "/price_signature", detail)


_NOT_USED = _refusal(
    Rule.PRICE_SIGNATURE_NOT_USED, "This stage takes no price signatures: leave it out."
)
_MISSING = _refusal(
    Rule.PRICE_SIGNATURE_MISSING,
    "An order needs the price signature of the store's pricing engine.",
)
_REFUSALS: dict[Verdict, Refusal] = {
    "key_unknown": _refusal(
        Rule.PRICE_SIGNATURE_KEY_UNKNOWN, "The price signature names no key that is in force."
    ),
    "invalid": _refusal(
        Rule.PRICE_SIGNATURE_INVALID,
        "The price signature is not the pricing engine's for this order of this customer.",
    ),
    "expired": _refusal(
        Rule.PRICE_SIGNATURE_EXPIRED, "The price was no longer valid: ask for a new one."
    ),
    "valid_too_long": _refusal(
        Rule.PRICE_SIGNATURE_INVALID,
        f"A price signature is valid for at most {VALID_MAX_SECONDS // 86_400} days.",
    ),
}
