"""Whatever a client lies about, it pays what the store asks for what is shipped.

Each field of an order, found by walking the contract's schema, is forged in turn by a customer who
is otherwise honest: the sums add up, and the payment gateway really took the forged total. Every
forgery is refused with the rule at the place where the lie is, and nothing is stored. Fields that
are the customer's own to choose are declared so, with the reason; a field that is not declared here
fails.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orders.domain import pricing
from orders.domain.book import Article, Book, DeliveryRate, Tax
from orders.domain.order import Order
from orders.domain.pricing import Basket
from orders.domain.receipt import sign
from orders.domain.refusals import PRICE_RULES, Rule
from orders.domain.units import Millis
from orders.flow.changes import OrderPlaced
from orders.flow.prices import Prices
from orders.handlers import intake
from simulation.world.runtime import (
    FixedPriceBooks,
    FixedSigningKeys,
    MemoryLog,
    MemoryOverflow,
)
from simulation.world.table import MemoryOrders
from tests.builders import (
    CUSTOMER,
    KEY,
    KEY_ID,
    NOW,
    OTHER_CUSTOMER,
    PRICE_KEY,
    PRICE_KEY_ID,
    a_book,
    a_coupon,
    an_intake,
    order_body,
    order_id,
    order_key,
    signed_price,
)
from tests.orders.handlers.api_events import request

Body = dict[str, Any]
Change = Callable[[Body], object]
Broken = tuple[Rule, str]

CONTRACT = Path(__file__).parents[2] / "docs" / "contracts" / "orders.yaml"
SCHEMAS: Mapping[str, Any] = msgspec.yaml.decode(CONTRACT.read_text())["components"]["schemas"]
DAY = 24 * 60 * 60 * 1000

BOOK: Book = a_book(
    # In pounds and dollars to shoppers, in pounds to shops that resell.
    Article("MUG", (1_400, 1_800, (1, 900, 60, 800)), weight_grams=400, case=6),
    Article("NOTEBOOK", (600, 700, 300), weight_grams=100),
    Article("PENNY-SWEET", (1, 1, None)),
    Article("LAMP-SPRING", (5_000, 6_000, None), available_from=Millis(NOW + DAY)),
    Article("LAMP-XMAS", (5_000, 6_000, None), available_until=Millis(NOW - DAY)),
    price_lists=("retail GBP", "retail USD", "wholesale GBP"),
    delivery={
        "retail GB GBP": DeliveryRate("weight", ((0, 395), (1_000, 795))),
        "retail GB USD": DeliveryRate("subtotal", ((0, 500),), free_from=5_000),
        "retail US USD": DeliveryRate("subtotal", ((0, 1_500),), free_from=20_000),
        "wholesale GB GBP": DeliveryRate("subtotal", ((0, 1_500),)),
    },
    taxes={
        "retail GB": Tax(included=True, rates=(200_000,), delivery_rate=200_000),
        "retail US-CA": Tax(included=False, rates=(72_500,), delivery_rate=0),
        "retail US-OR": Tax(included=False, rates=(0,), delivery_rate=0),
        "wholesale GB": Tax(included=False, rates=(200_000,), delivery_rate=200_000),
    },
    coupons={
        coupon.code: coupon
        for coupon in (
            a_coupon("SPRING"),
            a_coupon("HALF", rate=500_000),
            a_coupon("LAMPS", goods=("LAMP-*",), rate=500_000),
            a_coupon("TRADE", channels=("wholesale",)),
            a_coupon("LATER", begins=Millis(NOW + DAY)),
            a_coupon("EARLIER", ends=Millis(NOW - DAY)),
            a_coupon("BIG", minimum={"USD": 100_000, "GBP": 100_000}),
        )
    },
)


def an_honest_order(
    channel: Any = "retail",
    currency: str = "USD",
    lines: tuple[tuple[str, int], ...] = (("MUG", 2), ("NOTEBOOK", 1)),
    coupons: tuple[str, ...] = ("SPRING",),
    **address: str,
) -> Body:
    """At the book's prices, without a payment: `paid` adds it."""
    address = address or {"country": "US", "state": "CA", "postal_code": "94105"}
    goods = [Bought(*line) for line in lines]
    basket = Basket(channel, currency, goods, coupons, address["country"], address.get("state"))
    asked = pricing.price(basket, BOOK, NOW)
    assert asked.refusals == []
    return {
        **order_body(order_id()),
        "channel": channel,
        "currency": currency,
        "lines": [
            {"sku": line.sku, "quantity": line.quantity, "unit_price": unit_price}
            for line, unit_price in zip(goods, asked.unit_prices, strict=True)
        ],
        "discounts": [{"coupon": one.coupon, "amount": one.amount} for one in asked.discounts],
        "shipping": asked.shipping,
        "tax": asked.tax,
        "address": {
            "name": "Ada Fletcher",
            "lines": ["1 High Street"],
            "city": "San Francisco",
            "phone": "+1 415 555 0100",
            "email": "ada@example.com",
            **address,
        },
        "purchase_order": "PO-1" if channel == "wholesale" else None,
    }


@dataclass(frozen=True, slots=True)
class Bought:
    sku: str
    quantity: int


def paid(body: Body, id_: str) -> Body:
    """The sums mended, and the payment that the gateway took for them. It takes what it is asked
    to: prices are not its affair."""
    body["total"] = (
        sum(line["quantity"] * line["unit_price"] for line in body["lines"])
        - sum(discount["amount"] for discount in body["discounts"])
        + body["shipping"]
        + body["tax"]
    )
    if not body["total"]:
        return body | {"payment": None}
    body["payment"] = {
        "reference": f"pay_{id_[-12:]}",
        "amount": body["total"],
        "currency": body["currency"],
    }
    body["payment"]["receipt"] = receipt(id_, body)
    return body


def receipt(id_: str, body: Body, payer: str = "") -> str:
    terms = {name: body["payment"][name] for name in ("reference", "amount", "currency")}
    return sign(KEY, KEY_ID, order_key=order_key(payer or PAYER, id_), **terms)


RETAIL = an_honest_order()
TRADE = an_honest_order(
    "wholesale", "GBP", (("MUG", 60), ("NOTEBOOK", 10)), ("TRADE",), country="GB", postal_code="LS1"
)
#: Whom the gateway names.
PAYER: str = CUSTOMER
HONEST: Mapping[str, Body] = {"retail": RETAIL, "wholesale": TRADE}


@dataclass(slots=True)
class Stage:
    """A stage with an empty table. Who orders wholesale is in the wholesale group."""

    prices: Prices
    orders: MemoryOrders = field(default_factory=MemoryOrders)
    overflow: MemoryOverflow = field(default_factory=MemoryOverflow)

    @property
    def signed(self) -> bool:
        return self.prices.signing_keys is not None

    def put(self, id_: str, body: object, *, wholesale: bool = False) -> tuple[int, set[Broken]]:
        """The status, and each violation's rule and pointer."""
        claims = {"cognito:groups": "[wholesale]" if wholesale else "[]"}
        event = request("PUT /orders/{order_id}", order_id=id_, body=body, claims=claims)
        service = an_intake(self.orders, self.overflow, prices=self.prices)
        service = replace(service, currencies=frozenset({"GBP", "USD"}))
        answer = intake.handle(event, service, MemoryLog())
        violations = msgspec.json.decode(answer["body"]).get("violations", [])
        return answer["statusCode"], {(Rule(one["rule"]), one["pointer"]) for one in violations}

    @property
    def accepted(self) -> list[Order]:
        """What was stored, anywhere."""
        placed = [
            change.order.order for change in self.orders.stream if type(change) is OrderPlaced
        ]
        return [*placed, *(buffered.order for buffered in self.overflow.buffered)]


def by_book() -> Stage:
    return Stage(Prices(FixedPriceBooks({NOW: BOOK})))


def by_signature() -> Stage:
    return Stage(Prices(signing_keys=FixedSigningKeys({PRICE_KEY_ID: PRICE_KEY})))


STAGES = {"book": by_book, "signed": by_signature}


@dataclass(frozen=True, slots=True)
class Forgery:
    """A lie about one field, and the rule that it breaks there.

    The liar mends the sums and really pays them, unless the lie comes `after_paying`. A signed
    stage says of every price only that it is not the one that was signed.
    """

    what: str
    change: Change
    rule: Rule
    at: str
    of: str = "retail"
    after_paying: bool = False
    on: tuple[str, ...] = ("book", "signed")

    def refused(self, stage: Stage) -> Broken:
        proof = self.at == "/price_signature"
        if stage.signed and self.rule in PRICE_RULES and not proof:
            return Rule.PRICE_SIGNATURE_INVALID, "/price_signature"
        return self.rule, self.at


@dataclass(frozen=True, slots=True)
class Own:
    """A customer may write here what they like, because of `why`."""

    why: str
    change: Change
    of: str = "retail"
    #: What an engine's delivery or tax may depend on is in its signature.
    signed: bool = False


#: What is declared of a field, made of its pointer.
Declared = Callable[[str], Iterator[Forgery]]


def sets(pointer: str, value: Any) -> Change:
    """Puts a value where a JSON Pointer points; a function makes it of what is there."""

    def change(body: Body) -> None:
        parent, name = found(body, pointer)
        parent[name] = value(parent.get(name)) if callable(value) else value

    return change


def drops(pointer: str) -> Change:
    def change(body: Body) -> None:
        parent, name = found(body, pointer)
        del parent[name]

    return change


def found(body: Any, pointer: str) -> tuple[Any, Any]:
    """The object or list in which a JSON Pointer's last part is, and that part."""
    *parents, last = pointer.strip("/").split("/")
    for name in parents:
        body = body[int(name)] if isinstance(body, list) else body[name]
    return body, int(last) if isinstance(body, list) else last


def both(*changes: Change) -> Change:
    def change(body: Body) -> None:
        for each in changes:
            each(body)

    return change


def pays(total: int) -> Change:
    """Another total, paid like this, with the receipt for it. The id is that of the reference."""

    def change(body: Body) -> None:
        body["total"] = body["payment"]["amount"] = total
        body["payment"]["receipt"] = receipt(ID, body)

    return change


def signs(**terms: Any) -> Change:
    return lambda body: body.update(price_signature=signed_price(body, **terms))


def forged(
    *lies: tuple[str, Any, Rule], place: str | None = None, at: str | None = None, **how: Any
) -> Declared:
    """Forgeries of the field, or of another `place` of its kind; refused there, or `at` another."""

    def declared(pointer: str) -> Iterator[Forgery]:
        where = place or pointer
        for what, value, rule in lies:
            yield Forgery(what, sets(where, value), rule, at or where, **how)

    return declared


def missing(pointer: str) -> Iterator[Forgery]:
    yield Forgery("left out", drops(pointer), Rule.FIELD_MISSING, pointer, after_paying=True)


ID = order_id()
_LATE: Any = {"after_paying": True}
_NUMBERS = (
    ("a text", "1", Rule.FIELD_WRONG_TYPE),
    ("a fraction", 0.5, Rule.FIELD_WRONG_TYPE),
    ("true", True, Rule.FIELD_WRONG_TYPE),
    ("null", None, Rule.FIELD_WRONG_TYPE),
)
_SHIPPED_TO = "goods go where their customer wants them, and it costs the same"
_CARRIER = "only the carrier reads it"

#: By JSON Pointer, with a * for each place in a list.
_DECLARED: Mapping[str, tuple[Forgery | Own | Declared, ...]] = {
    "": (
        Forgery("a field more", sets("/free", True), Rule.FIELD_UNKNOWN, "/free"),
        Forgery("a discount aside", sets("/discount", 100), Rule.FIELD_UNKNOWN, "/discount"),
    ),
    "/channel": (
        forged(
            ("a shopper as a shop", "wholesale", Rule.WHOLESALE_NOT_ALLOWED),
            ("no channel", "mail", Rule.FIELD_WRONG_TYPE),
            ("other spelling", "Retail", Rule.FIELD_WRONG_TYPE),
        ),
        # The shop gets trade prices, and the coupon for shops, only on its own channel.
        Forgery(
            "a shop as a shopper",
            both(sets("/channel", "retail"), sets("/purchase_order", None)),
            Rule.UNIT_PRICE_DIFFERS,
            "/lines/0/unit_price",
            of="wholesale",
        ),
        missing,
    ),
    "/currency": (
        forged(
            ("a weak one", "JPY", Rule.CURRENCY_NOT_ACCEPTED),
            ("other spelling", "usd", Rule.CURRENCY_NOT_ACCEPTED),
        ),
        forged(("pounds", "GBP", Rule.UNIT_PRICE_DIFFERS), at="/lines/0/unit_price"),
        forged(
            ("one that the channel has not", "USD", Rule.CURRENCY_NOT_ACCEPTED),
            of="wholesale",
            on=("book",),
        ),
        forged(
            ("paid in another", "GBP", Rule.PAYMENT_CURRENCY_DIFFERS),
            at="/payment/currency",
            **_LATE,
        ),
        missing,
    ),
    "/lines": (
        forged(("none", [], Rule.LINES_COUNT_OUT_OF_RANGE)),
        forged(
            ("too many", lambda lines: lines * 1_001, Rule.LINES_COUNT_OUT_OF_RANGE),
        ),
        forged(
            ("all twice, at half the discount", lambda lines: lines * 2, Rule.DISCOUNT_DIFFERS),
            ("one less", lambda lines: lines[:1], Rule.DISCOUNT_DIFFERS),
            at="/discounts/0/amount",
        ),
        forged(
            ("all twice for one price", lambda lines: lines * 2, Rule.TOTAL_DOES_NOT_ADD_UP),
            at="/total",
            **_LATE,
        ),
        missing,
    ),
    "/lines/*": (
        Forgery(
            "a field more", sets("/lines/0/discount", 100), Rule.FIELD_UNKNOWN, "/lines/0/discount"
        ),
        Forgery(
            "one sku at two prices",
            sets("/lines", lambda lines: [*lines, {**lines[0], "unit_price": 1}]),
            Rule.SKU_PRICE_CONFLICT,
            "/lines/2/unit_price",
        ),
        # Order decides nothing by the book; a signature is over one order of the lines.
        Own("the same goods", sets("/lines", lambda lines: lines[::-1]), signed=True),
    ),
    "/lines/*/sku": (
        forged(
            ("invented", "GOLD", Rule.ARTICLE_UNKNOWN),
            ("other case", "mug", Rule.ARTICLE_UNKNOWN),
            ("a blank after", "MUG ", Rule.ARTICLE_UNKNOWN),
            ("a blank before", " MUG", Rule.ARTICLE_UNKNOWN),
            ("wide letters", "\uff2d\uff35\uff27", Rule.ARTICLE_UNKNOWN),
            ("an accent", "MU\u0300G", Rule.ARTICLE_UNKNOWN),
            ("a no-break space after", "MUG\u00a0", Rule.TEXT_INVALID),
            ("a zero-width space", "MUG\u200b", Rule.TEXT_INVALID),
            ("nothing", "", Rule.TEXT_INVALID),
            ("not sold yet", "LAMP-SPRING", Rule.ARTICLE_NOT_AVAILABLE),
            ("not sold any more", "LAMP-XMAS", Rule.ARTICLE_NOT_AVAILABLE),
        ),
        forged(
            ("a dearer one", "MUG", Rule.UNIT_PRICE_DIFFERS),
            ("a cheaper one", "PENNY-SWEET", Rule.UNIT_PRICE_DIFFERS),
            at="/lines/1/unit_price",
            place="/lines/1/sku",
        ),
        forged(
            ("not for shops", "PENNY-SWEET", Rule.ARTICLE_NOT_ON_CHANNEL),
            of="wholesale",
        ),
        missing,
    ),
    "/lines/*/quantity": (
        forged(
            ("none", 0, Rule.QUANTITY_OUT_OF_RANGE),
            ("less than none", -2, Rule.QUANTITY_OUT_OF_RANGE),
            ("more than there is", 10**12, Rule.QUANTITY_OUT_OF_RANGE),
            place="/lines/1/quantity",
        ),
        forged(*_NUMBERS, place="/lines/1/quantity", **_LATE),
        forged(
            ("more for the same money", 9, Rule.TOTAL_DOES_NOT_ADD_UP),
            ("less for the same money", 0, Rule.TOTAL_DOES_NOT_ADD_UP),
            at="/total",
            place="/lines/1/quantity",
            **_LATE,
        ),
        forged(
            ("more, but the tax of less", 2, Rule.TAX_DIFFERS), at="/tax", place="/lines/1/quantity"
        ),
        forged(("a broken case", 61, Rule.CASE_PACK_BROKEN), of="wholesale"),
        forged(
            ("fewer at the price of many", 54, Rule.UNIT_PRICE_DIFFERS),
            at="/lines/0/unit_price",
            of="wholesale",
        ),
        missing,
    ),
    "/lines/*/unit_price": (
        forged(
            ("a penny", 1, Rule.UNIT_PRICE_DIFFERS),
            ("nothing", 0, Rule.UNIT_PRICE_DIFFERS),
            ("a penny less", 1_799, Rule.UNIT_PRICE_DIFFERS),
            ("a penny more", 1_801, Rule.UNIT_PRICE_DIFFERS),
            ("that of the shops", 900, Rule.UNIT_PRICE_DIFFERS),
            ("that in pounds", 1_400, Rule.UNIT_PRICE_DIFFERS),
            ("less than nothing", -1, Rule.UNIT_PRICE_OUT_OF_RANGE),
            ("too much", 10**9, Rule.UNIT_PRICE_OUT_OF_RANGE),
        ),
        forged(*_NUMBERS, **_LATE),
        forged(
            ("that of more", 700, Rule.UNIT_PRICE_DIFFERS),
            ("that of fewer", 900, Rule.UNIT_PRICE_DIFFERS),
            of="wholesale",
        ),
        missing,
    ),
    "/shipping": (
        forged(
            ("free", 0, Rule.SHIPPING_DIFFERS),
            ("another country's", 500, Rule.SHIPPING_DIFFERS),
            ("a penny less", 1_499, Rule.SHIPPING_DIFFERS),
            ("a penny more", 1_501, Rule.SHIPPING_DIFFERS),
            ("less than nothing", -1_000, Rule.AMOUNT_OUT_OF_RANGE),
        ),
        forged(*_NUMBERS, **_LATE),
        missing,
    ),
    "/tax": (
        forged(
            ("none", 0, Rule.TAX_DIFFERS),
            ("a penny less", lambda tax: tax - 1, Rule.TAX_DIFFERS),
            ("a penny more", lambda tax: tax + 1, Rule.TAX_DIFFERS),
            ("less than nothing", -1_000, Rule.AMOUNT_OUT_OF_RANGE),
        ),
        forged(*_NUMBERS, **_LATE),
        missing,
    ),
    "/total": (
        forged(
            ("a penny less", lambda total: total - 1, Rule.TOTAL_DOES_NOT_ADD_UP),
            ("a penny more", lambda total: total + 1, Rule.TOTAL_DOES_NOT_ADD_UP),
            ("less than nothing", -1, Rule.AMOUNT_OUT_OF_RANGE),
            *_NUMBERS,
            **_LATE,
        ),
        Forgery(
            "a penny, and paid", pays(1), Rule.TOTAL_DOES_NOT_ADD_UP, "/total", after_paying=True
        ),
        missing,
    ),
    "/address": (
        forged(("none", None, Rule.FIELD_WRONG_TYPE), **_LATE),
        Forgery("a field more", sets("/address/zone", "EU"), Rule.FIELD_UNKNOWN, "/address/zone"),
        missing,
    ),
    "/address/name": (Own(_SHIPPED_TO, sets("/address/name", "Bob Archer")),),
    "/address/lines": (
        Own(_SHIPPED_TO, sets("/address/lines", ["Flat 2", "2 Low Street"])),
        forged(("none", [], Rule.TEXT_INVALID)),
    ),
    "/address/lines/*": (Own(_SHIPPED_TO, sets("/address/lines/0", "2 Low Street")),),
    "/address/city": (Own(_SHIPPED_TO, sets("/address/city", "Oakland")),),
    "/address/country": (
        forged(
            ("where the store does not deliver to", "FR", Rule.DELIVERY_NOT_OFFERED),
            ("none that there is", "XX", Rule.DELIVERY_NOT_OFFERED),
            ("other spelling", "us", Rule.COUNTRY_INVALID),
            ("wide letters", "\uff35\uff33", Rule.COUNTRY_INVALID),
        ),
        forged(
            ("where delivery costs less", "GB", Rule.SHIPPING_DIFFERS),
            at="/shipping",
        ),
        forged(("where tax is another", "GB", Rule.TAX_DIFFERS), at="/tax"),
        missing,
    ),
    "/address/postal_code": (
        Own(
            "the book's delivery is by country", sets("/address/postal_code", "94607"), signed=True
        ),
    ),
    "/address/state": (
        forged(("where there is no tax", "OR", Rule.TAX_DIFFERS), at="/tax"),
        forged(
            ("none", "", Rule.STATE_UNKNOWN),
            ("its name", "California", Rule.STATE_UNKNOWN),
            ("other case", "ca", Rule.STATE_UNKNOWN),
            ("one that there is not", "XX", Rule.STATE_UNKNOWN),
            ("another country's", "*", Rule.STATE_UNKNOWN),
        ),
    ),
    "/address/phone": (Own(_CARRIER, sets("/address/phone", "+44 113 496 0000")),),
    "/address/email": (Own(_CARRIER, sets("/address/email", "bob@example.com")),),
    "/payment": (
        Forgery(
            "a field more",
            sets("/payment/paid", True),
            Rule.FIELD_UNKNOWN,
            "/payment/paid",
            **_LATE,
        ),
        forged(("none", None, Rule.PAYMENT_MISSING), **_LATE),
        Forgery(
            "none, and nothing to pay",
            both(sets("/payment", None), sets("/total", 0)),
            Rule.TOTAL_DOES_NOT_ADD_UP,
            "/total",
            after_paying=True,
        ),
        Forgery(
            "none, all of it taken off",
            both(sets("/discounts/0/amount", 4_300), sets("/shipping", 0), sets("/tax", 0)),
            Rule.DISCOUNT_DIFFERS,
            "/discounts/0/amount",
        ),
    ),
    "/payment/reference": (
        forged(
            ("another payment's", "pay_of_another", Rule.RECEIPT_INVALID),
            at="/payment/receipt",
            **_LATE,
        ),
        forged(("none", "", Rule.TEXT_INVALID), **_LATE),
        missing,
    ),
    "/payment/amount": (
        forged(
            ("a penny", 1, Rule.PAYMENT_AMOUNT_DIFFERS),
            ("nothing", 0, Rule.PAYMENT_AMOUNT_DIFFERS),
            ("more", lambda amount: amount + 1, Rule.PAYMENT_AMOUNT_DIFFERS),
            *_NUMBERS,
            **_LATE,
        ),
        missing,
    ),
    "/payment/currency": (
        forged(("a weak one", "JPY", Rule.PAYMENT_CURRENCY_DIFFERS), **_LATE),
        missing,
    ),
    "/payment/terms": (
        forged(
            ("terms that nobody agreed to", "net30", Rule.RECEIPT_INVALID),
            at="/payment/receipt",
            **_LATE,
        ),
        forged(("none", "", Rule.TEXT_INVALID), **_LATE),
    ),
    "/payment/receipt": (
        forged(
            ("invented", f"{KEY_ID}.{'0' * 64}", Rule.RECEIPT_INVALID),
            (
                "another order's",
                receipt(order_id(), paid(an_honest_order(), ID)),
                Rule.RECEIPT_INVALID,
            ),
            ("a dearer order's", lambda _: receipt(ID, paid(TRADE | {}, ID)), Rule.RECEIPT_INVALID),
            (
                "another customer's, for the same order",
                lambda _: receipt(ID, paid(RETAIL | {}, ID), OTHER_CUSTOMER),
                Rule.RECEIPT_INVALID,
            ),
            ("of another key", f"k9.{'0' * 64}", Rule.RECEIPT_KEY_UNKNOWN),
            **_LATE,
        ),
        missing,
    ),
    "/discounts": (
        forged(
            ("none, but the tax of some", [], Rule.TAX_DIFFERS),
            at="/tax",
        ),
        forged(
            ("the same twice", lambda found: found * 2, Rule.COUPON_NOT_COMBINABLE),
            (
                "another beside it",
                lambda found: [*found, {"coupon": "HALF", "amount": 1}],
                Rule.COUPON_NOT_COMBINABLE,
            ),
            at="/discounts/1/coupon",
        ),
        forged(("too many", lambda found: found * 51, Rule.DISCOUNTS_TOO_MANY)),
    ),
    "/discounts/*": (
        Forgery(
            "a field more",
            sets("/discounts/0/rate", 1_000_000),
            Rule.FIELD_UNKNOWN,
            "/discounts/0/rate",
        ),
    ),
    "/discounts/*/coupon": (
        forged(
            ("invented", "NINETY-NINE", Rule.COUPON_UNKNOWN),
            ("other case", "spring", Rule.COUPON_UNKNOWN),
            ("a blank after", "SPRING ", Rule.COUPON_UNKNOWN),
            ("not begun", "LATER", Rule.COUPON_NOT_BEGUN),
            ("expired", "EARLIER", Rule.COUPON_EXPIRED),
            ("that of shops", "TRADE", Rule.COUPON_NOT_ON_CHANNEL),
            ("for other goods", "LAMPS", Rule.COUPON_NOT_FOR_THESE_GOODS),
            ("for dearer goods", "BIG", Rule.COUPON_BELOW_MINIMUM),
        ),
        forged(
            ("a better one", "HALF", Rule.DISCOUNT_DIFFERS),
            at="/discounts/0/amount",
        ),
        missing,
    ),
    "/discounts/*/amount": (
        forged(
            ("a penny more", lambda amount: amount + 1, Rule.DISCOUNT_DIFFERS),
            ("a penny less", lambda amount: amount - 1, Rule.DISCOUNT_DIFFERS),
            ("everything but a penny", 4_299, Rule.DISCOUNT_DIFFERS),
            ("nothing", 0, Rule.AMOUNT_OUT_OF_RANGE),
            ("less than nothing", -1_000, Rule.AMOUNT_OUT_OF_RANGE),
        ),
        forged(
            ("more than all", 4_301, Rule.DISCOUNT_EXCEEDS_SUBTOTAL),
            at="/discounts",
        ),
        forged(*_NUMBERS, **_LATE),
        missing,
    ),
    "/purchase_order": (
        Own(
            "a shop's own number for its own books",
            sets("/purchase_order", "PO-2"),
            of="wholesale",
        ),
        forged(("none", None, Rule.PURCHASE_ORDER_MISSING), of="wholesale"),
        forged(("a shopper's", "PO-1", Rule.PURCHASE_ORDER_NOT_FOR_RETAIL)),
    ),
    "/price_signature": (
        forged(
            (
                "an engine's",
                signed_price(paid(an_honest_order(), ID)),
                Rule.PRICE_SIGNATURE_NOT_USED,
            ),
            on=("book",),
        ),
        forged(("a number", 1, Rule.FIELD_WRONG_TYPE)),
        forged(
            ("none", None, Rule.PRICE_SIGNATURE_MISSING),
            ("nothing", "", Rule.PRICE_SIGNATURE_KEY_UNKNOWN),
            ("of another key", "p9.1.0", Rule.PRICE_SIGNATURE_KEY_UNKNOWN),
            ("invented", f"p1.{NOW // 1000}.{'0' * 64}", Rule.PRICE_SIGNATURE_INVALID),
            on=("signed",),
        ),
        *(
            Forgery(
                what,
                signs(**terms),
                rule,
                "/price_signature",
                after_paying=True,
                on=("signed",),
            )
            for what, terms, rule in (
                (
                    "another customer's",
                    {"customer_id": OTHER_CUSTOMER},
                    Rule.PRICE_SIGNATURE_INVALID,
                ),
                ("with the gateway's key", {"key": KEY}, Rule.PRICE_SIGNATURE_INVALID),
                ("expired", {"valid_until": NOW // 1000 - 1}, Rule.PRICE_SIGNATURE_EXPIRED),
                (
                    "for a year",
                    {"valid_until": NOW // 1000 + 31_536_000},
                    Rule.PRICE_SIGNATURE_INVALID,
                ),
            )
        ),
    ),
}


def expanded(pointer: str, declared: Iterable[Forgery | Own | Declared]) -> Iterator[Forgery | Own]:
    for one in declared:
        if callable(one):
            yield from one(pointer.replace("/*", "/0"))
        else:
            yield one


FIELDS = {pointer: tuple(expanded(pointer, rows)) for pointer, rows in _DECLARED.items()}


def fields_of(schema: Mapping[str, Any], pointer: str = "") -> Iterator[str]:
    """A pointer for each place of an order that the contract knows."""
    if "$ref" in schema:
        yield from fields_of(SCHEMAS[schema["$ref"].rpartition("/")[2]], pointer)
        return
    yield pointer
    for alternative in (
        *schema.get("oneOf", ()),
        *schema.get("anyOf", ()),
        *schema.get("allOf", ()),
    ):
        yield from (found for found in fields_of(alternative, pointer) if found != pointer)
    for name, below in schema.get("properties", {}).items():
        yield from fields_of(below, f"{pointer}/{name}")
    if "items" in schema:
        yield from fields_of(schema["items"], f"{pointer}/*")


def test_every_field_of_the_contract_is_forged_or_the_customers_own() -> None:
    assert sorted(fields_of(SCHEMAS["Order"])) == sorted(FIELDS)
    assert all(FIELDS.values())


def sent(stage: Stage, of: str) -> Body:
    body = paid(copy.deepcopy(dict(HONEST[of])), ID)
    return body | {"price_signature": signed_price(body)} if stage.signed else body


each_stage = pytest.mark.parametrize("stage", STAGES)


@each_stage
@pytest.mark.parametrize("of", HONEST)
def test_the_honest_order_is_accepted(stage: str, of: str) -> None:
    here = STAGES[stage]()
    assert here.put(ID, sent(here, of), wholesale=of == "wholesale") == (201, set())
    assert len(here.accepted) == 1


@pytest.mark.parametrize(
    ("stage", "forgery"),
    [
        pytest.param(stage, declared, id=f"{stage}{pointer}: {declared.what}")
        for stage in STAGES
        for pointer, all_declared in FIELDS.items()
        for declared in all_declared
        if isinstance(declared, Forgery) and stage in declared.on
    ],
)
def test_a_forgery_is_refused_where_it_lies_and_nothing_is_stored(
    stage: str, forgery: Forgery
) -> None:
    here = STAGES[stage]()
    body = sent(here, forgery.of)
    forgery.change(body)
    if not forgery.after_paying:
        body = paid(body, ID)
    status, broken = here.put(ID, body, wholesale=forgery.of == "wholesale")
    assert 400 <= status < 500
    assert forgery.refused(here) in broken
    assert here.accepted == []


@pytest.mark.parametrize(
    ("stage", "own"),
    [
        pytest.param(stage, declared, id=f"{stage}{pointer}")
        for stage in STAGES
        for pointer, all_declared in FIELDS.items()
        for declared in all_declared
        if isinstance(declared, Own)
    ],
)
def test_what_is_the_customers_own_changes_nothing_that_is_paid(stage: str, own: Own) -> None:
    here = STAGES[stage]()
    honest = sent(here, own.of)
    body = copy.deepcopy(honest)
    own.change(body)
    assert body != honest
    status, broken = here.put(ID, body, wholesale=own.of == "wholesale")
    if own.signed and here.signed:
        assert (status, broken) == (422, {(Rule.PRICE_SIGNATURE_INVALID, "/price_signature")})
        assert here.accepted == []
        return
    assert (status, broken) == (201, set())
    (order,) = here.accepted
    assert goods(order) == goods(msgspec.convert(honest, Order))


def goods(order: Order) -> tuple[Any, ...]:
    """What is shipped, and what is paid for it."""
    lines = sorted((line.sku, line.quantity, line.unit_price) for line in order.lines)
    return lines, order.currency, order.total, order.payment


NUMBERS = (
    "/lines/0/quantity",
    "/lines/0/unit_price",
    "/lines/1/quantity",
    "/lines/1/unit_price",
    "/discounts/0/amount",
    "/shipping",
    "/tax",
    "/total",
    "/payment/amount",
)


@given(
    of=st.sampled_from(sorted(HONEST)),
    numbers=st.dictionaries(
        st.sampled_from(NUMBERS),
        st.integers(-2, 8) | st.integers(-(10**11), 10**11) | st.sampled_from([54, 66, 900, 1_800]),
        max_size=len(NUMBERS),
    ),
    mended=st.booleans(),
)
@settings(max_examples=300)
def test_whatever_numbers_are_accepted_are_the_books(
    of: str, numbers: dict[str, int], mended: bool
) -> None:
    here = by_book()
    body = sent(here, of)
    for pointer, number in numbers.items():
        sets(pointer, number)(body)
    if mended:
        body = paid(body, ID)
    here.put(ID, body, wholesale=of == "wholesale")
    for order in here.accepted:
        asked = pricing.price(pricing.basket_of(order), BOOK, NOW)
        taken = order.payment.amount if order.payment else 0
        assert taken == order.total == asked.total
        assert [line.unit_price for line in order.lines] == asked.unit_prices
        assert [*order.discounts] == asked.discounts
        assert (order.shipping, order.tax) == (asked.shipping, asked.tax)


@given(
    quantities=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    of=st.sampled_from(sorted(HONEST)),
)
@settings(max_examples=100)
def test_what_an_honest_client_counts_by_the_book_is_accepted(
    quantities: tuple[int, int], of: str
) -> None:
    """So that the test above is none of refusals only."""
    here = by_book()
    honest = HONEST[of]
    mugs = quantities[0] * (6 if of == "wholesale" else 1)
    body = an_honest_order(
        of,
        honest["currency"],
        (("MUG", mugs), ("NOTEBOOK", quantities[1])),
        tuple(one["coupon"] for one in honest["discounts"]),
        **{
            name: honest["address"][name]
            for name in ("country", "state")
            if name in honest["address"]
        },
    )
    assert here.put(ID, paid(body, ID), wholesale=of == "wholesale") == (201, set())
