"""Every rule an order can break, and the check that names all of them at once.

A refusal is an expected answer: a value, never an exception. `Rule` lists the rules in order of
precedence, which is the order in which violations are reported. Each name is stable: clients,
metrics and docs/refusals.md use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from orders.domain.money import AMOUNT_MAX, UNIT_PRICE_MAX
from orders.domain.order import Channel, Order, OrderKey, Payment, is_order_id, order_id_time
from orders.domain.receipt import verify
from orders.domain.text import TEXT_MAX, is_text
from orders.domain.units import Millis

LINES_MAX = 2_000
QUANTITY_MAX = 1_000_000
DISCOUNTS_MAX = 50
ADDRESS_LINES_MAX = 5
SKU_MAX = 64
RECEIPT_MAX = 200
TERMS_MAX = 64
CUSTOMER_ID_MAX = 256

ORDER_ID_AGE_MAX_MS = 24 * 60 * 60 * 1000
ORDER_ID_AHEAD_MAX_MS = 5 * 60 * 1000


class Rule(StrEnum):
    # Who may
    CUSTOMER_UNKNOWN = "customer_unknown"
    WHOLESALE_NOT_ALLOWED = "wholesale_not_allowed"
    CUSTOMER_CLAIM_MISSING = "customer_claim_missing"
    APPROVAL_NOT_ALLOWED = "approval_not_allowed"
    COUPON_TRIES_TOO_MANY = "coupon_tries_too_many"
    COUPON_REASON_WITHHELD = "coupon_reason_withheld"
    # The request
    BODY_NOT_JSON = "body_not_json"
    BODY_TOO_LARGE = "body_too_large"
    FIELD_MISSING = "field_missing"
    FIELD_UNKNOWN = "field_unknown"
    FIELD_WRONG_TYPE = "field_wrong_type"
    # The order id
    ORDER_ID_INVALID = "order_id_invalid"
    ORDER_ID_IN_FUTURE = "order_id_in_future"
    ORDER_ID_TOO_OLD = "order_id_too_old"
    # The content
    TEXT_INVALID = "text_invalid"
    COUNTRY_INVALID = "country_invalid"
    CURRENCY_NOT_ACCEPTED = "currency_not_accepted"
    LINES_COUNT_OUT_OF_RANGE = "lines_count_out_of_range"
    QUANTITY_OUT_OF_RANGE = "quantity_out_of_range"
    UNIT_PRICE_OUT_OF_RANGE = "unit_price_out_of_range"
    SKU_PRICE_CONFLICT = "sku_price_conflict"
    AMOUNT_OUT_OF_RANGE = "amount_out_of_range"
    DISCOUNTS_TOO_MANY = "discounts_too_many"
    DISCOUNT_EXCEEDS_SUBTOTAL = "discount_exceeds_subtotal"
    TOTAL_DOES_NOT_ADD_UP = "total_does_not_add_up"
    PURCHASE_ORDER_MISSING = "purchase_order_missing"
    PURCHASE_ORDER_NOT_FOR_RETAIL = "purchase_order_not_for_retail"
    PURCHASE_ORDER_USED = "purchase_order_used"
    # The price
    ARTICLE_UNKNOWN = "article_unknown"
    ARTICLE_NOT_ON_CHANNEL = "article_not_on_channel"
    ARTICLE_NOT_AVAILABLE = "article_not_available"
    CASE_PACK_BROKEN = "case_pack_broken"
    UNIT_PRICE_DIFFERS = "unit_price_differs"
    COUPON_UNKNOWN = "coupon_unknown"
    COUPON_NOT_BEGUN = "coupon_not_begun"
    COUPON_EXPIRED = "coupon_expired"
    COUPON_NOT_ON_CHANNEL = "coupon_not_on_channel"
    COUPON_BELOW_MINIMUM = "coupon_below_minimum"
    COUPON_NOT_COMBINABLE = "coupon_not_combinable"
    COUPON_NOT_FOR_THESE_GOODS = "coupon_not_for_these_goods"
    COUPON_MISTYPED = "coupon_mistyped"
    COUPON_USED_UP = "coupon_used_up"
    COUPON_USED = "coupon_used"
    DISCOUNT_DIFFERS = "discount_differs"
    DELIVERY_NOT_OFFERED = "delivery_not_offered"
    STATE_UNKNOWN = "state_unknown"
    SHIPPING_DIFFERS = "shipping_differs"
    TAX_DIFFERS = "tax_differs"
    PRICE_SIGNATURE_NOT_USED = "price_signature_not_used"
    PRICE_SIGNATURE_MISSING = "price_signature_missing"
    PRICE_SIGNATURE_KEY_UNKNOWN = "price_signature_key_unknown"
    PRICE_SIGNATURE_INVALID = "price_signature_invalid"
    PRICE_SIGNATURE_EXPIRED = "price_signature_expired"
    # The payment
    PAYMENT_MISSING = "payment_missing"
    PAYMENT_NOT_NEEDED = "payment_not_needed"
    PAYMENT_AMOUNT_DIFFERS = "payment_amount_differs"
    PAYMENT_CURRENCY_DIFFERS = "payment_currency_differs"
    RECEIPT_KEY_UNKNOWN = "receipt_key_unknown"
    RECEIPT_INVALID = "receipt_invalid"
    # What is there already
    ORDER_ID_VOID = "order_id_void"
    ORDER_ID_TAKEN = "order_id_taken"
    ORDER_NOT_FOUND = "order_not_found"
    ORDER_REJECTED = "order_rejected"
    ORDER_NOT_HELD = "order_not_held"
    ORDER_DECIDED = "order_decided"
    # The query
    LIMIT_INVALID = "limit_invalid"
    CURSOR_INVALID = "cursor_invalid"
    VOID_INVALID = "void_invalid"
    # Quotes
    QUOTES_NOT_OFFERED = "quotes_not_offered"


#: Rules that compare an order with what the store asks for it.
PRICE_RULES = frozenset(
    {
        Rule.ARTICLE_UNKNOWN,
        Rule.ARTICLE_NOT_ON_CHANNEL,
        Rule.ARTICLE_NOT_AVAILABLE,
        Rule.CASE_PACK_BROKEN,
        Rule.UNIT_PRICE_DIFFERS,
        Rule.COUPON_UNKNOWN,
        Rule.COUPON_NOT_BEGUN,
        Rule.COUPON_EXPIRED,
        Rule.COUPON_NOT_ON_CHANNEL,
        Rule.COUPON_BELOW_MINIMUM,
        Rule.COUPON_NOT_COMBINABLE,
        Rule.COUPON_NOT_FOR_THESE_GOODS,
        Rule.COUPON_MISTYPED,
        Rule.COUPON_USED_UP,
        Rule.COUPON_USED,
        Rule.DISCOUNT_DIFFERS,
        Rule.DELIVERY_NOT_OFFERED,
        Rule.STATE_UNKNOWN,
        Rule.SHIPPING_DIFFERS,
        Rule.TAX_DIFFERS,
        Rule.PRICE_SIGNATURE_NOT_USED,
        Rule.PRICE_SIGNATURE_MISSING,
        Rule.PRICE_SIGNATURE_KEY_UNKNOWN,
        Rule.PRICE_SIGNATURE_INVALID,
        Rule.PRICE_SIGNATURE_EXPIRED,
    }
)

#: Rules that depend on `Terms` or on what the store asks, so that an order that is stored can come
#: to break them: its id grows old, two machines' clocks differ, a currency is dropped, a key that
#: signs is retired or replaced, the customer leaves the wholesale group, a price changes. A retry
#: of a stored order is still answered as a retry: a refusal would have its payment refunded, and
#: the order ships.
STORED_ORDERS_MAY_BREAK = frozenset(
    {
        Rule.WHOLESALE_NOT_ALLOWED,
        Rule.ORDER_ID_IN_FUTURE,
        Rule.ORDER_ID_TOO_OLD,
        Rule.CURRENCY_NOT_ACCEPTED,
        Rule.RECEIPT_KEY_UNKNOWN,
        Rule.RECEIPT_INVALID,
    }
    | PRICE_RULES
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One broken rule. `pointer` is a JSON Pointer (RFC 6901) into the body, "" for the whole;
    `expected` is the right value at that place, where there is exactly one."""

    rule: Rule
    pointer: str
    detail: str
    expected: int | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What the store accepts, and what is known of the one who sends the order."""

    currencies: frozenset[str]
    receipt_keys: Mapping[str, bytes]
    wholesale_allowed: bool
    now: Millis


def broken_rules(key: OrderKey, order: Order, terms: Terms) -> list[Refusal]:
    """Every rule that this order breaks, by precedence; empty when it can be accepted.

    Its texts are normalised already (`with_normalised_texts`). One pass over the lines: the cost
    grows linearly with them.
    """
    found = [
        *order_id_refusals(key.order_id, terms.now),
        *_channel(order, terms),
        *_texts(order),
        *currency_refusals(order.currency, terms.currencies),
        *_lines(order),
        *_amounts(order),
        *_payment(key, order, terms),
    ]
    return by_precedence(found)


def by_precedence(refusals: Iterable[Refusal]) -> list[Refusal]:
    """Sorted, and a rule once at a place: the stage and the price book may both not take it."""
    once: dict[tuple[Rule, str], Refusal] = {}
    for refusal in refusals:
        once.setdefault((refusal.rule, refusal.pointer), refusal)
    return sorted(once.values(), key=lambda refusal: _PRECEDENCE[refusal.rule])


def wholesale_refusals(channel: Channel, *, wholesale_allowed: bool) -> Iterator[Refusal]:
    if channel == "wholesale" and not wholesale_allowed:
        yield Refusal(
            Rule.WHOLESALE_NOT_ALLOWED, "/channel", "This customer does not buy wholesale."
        )


def currency_refusals(currency: str, accepted: frozenset[str]) -> Iterator[Refusal]:
    if currency not in accepted:
        names = ", ".join(sorted(accepted))
        yield Refusal(Rule.CURRENCY_NOT_ACCEPTED, "/currency", f"The store accepts only {names}.")


def country_refusals(country: str, pointer: str) -> Iterator[Refusal]:
    if not (len(country) == 2 and country.isascii() and country.isalpha() and country.isupper()):
        yield Refusal(Rule.COUNTRY_INVALID, pointer, "Two capital letters (ISO 3166-1), like GB.")


def identifier_refusals(text: str, pointer: str, length_max: int) -> Iterator[Refusal]:
    """Of a text that a program made."""
    if not _is_identifier(text, length_max):
        detail = f"1 to {length_max} printable characters."
        yield Refusal(Rule.TEXT_INVALID, pointer, detail)


def quantity_out_of_range(line: int) -> Refusal:
    """Of the line with this index."""
    return Refusal(
        Rule.QUANTITY_OUT_OF_RANGE,
        f"/lines/{line}/quantity",
        f"A quantity is 1 to {QUANTITY_MAX}.",
    )


def amount_refusals(pointer: str, amount: int, at_least: int = 0) -> Iterator[Refusal]:
    if not at_least <= amount <= AMOUNT_MAX:
        detail = f"This amount is {at_least} to {AMOUNT_MAX} minor units."
        yield Refusal(Rule.AMOUNT_OUT_OF_RANGE, pointer, detail)


def order_id_refusals(order_id: str, now: Millis, pointer: str = "") -> Iterator[Refusal]:
    """Of an id under which no order is stored. In the path of an order it has no pointer."""
    if not is_order_id(order_id):
        detail = "An order id is a UUID version 7 in lower case."
        yield Refusal(Rule.ORDER_ID_INVALID, pointer, detail)
        return
    age = now - order_id_time(order_id)
    if age > ORDER_ID_AGE_MAX_MS:
        detail = "The order id was made more than 24 hours ago: make a new one."
        yield Refusal(Rule.ORDER_ID_TOO_OLD, pointer, detail)
    if age < -ORDER_ID_AHEAD_MAX_MS:
        detail = "The order id's time is more than 5 minutes ahead: check the clock that made it."
        yield Refusal(Rule.ORDER_ID_IN_FUTURE, pointer, detail)


def _channel(order: Order, terms: Terms) -> Iterator[Refusal]:
    if order.channel == "wholesale":
        yield from wholesale_refusals(order.channel, wholesale_allowed=terms.wholesale_allowed)
        if order.purchase_order is None:
            yield Refusal(
                Rule.PURCHASE_ORDER_MISSING,
                "/purchase_order",
                "A wholesale order needs the buyer's purchase order number.",
            )
    elif order.purchase_order is not None:
        yield Refusal(
            Rule.PURCHASE_ORDER_NOT_FOR_RETAIL,
            "/purchase_order",
            "Only wholesale orders have a purchase order number.",
        )


def _texts(order: Order) -> Iterator[Refusal]:
    address = order.address
    for pointer, what, text in _written_by_people(order):
        if not is_text(text):
            detail = f"{what}: up to {TEXT_MAX} characters, no line breaks or other controls."
            yield Refusal(Rule.TEXT_INVALID, pointer, detail if text else f"{what}: required.")
    for index, discount in enumerate(order.discounts[:DISCOUNTS_MAX]):
        yield from identifier_refusals(discount.coupon, f"/discounts/{index}/coupon", SKU_MAX)
    if not 1 <= len(address.lines) <= ADDRESS_LINES_MAX:
        yield Refusal(
            Rule.TEXT_INVALID,
            "/address/lines",
            f"An address has 1 to {ADDRESS_LINES_MAX} lines.",
        )
    yield from country_refusals(address.country, "/address/country")


def _written_by_people(order: Order) -> Iterator[tuple[str, str, str]]:
    """Pointer, name and text of each that must be there, or is.

    Which fields an address needs is for the form to say, country by country. Here it need only be
    an address, so that what the form lets through is never refused after the customer has paid.
    """
    address = order.address
    yield "/address/name", "Name", address.name
    for index, line in enumerate(address.lines[:ADDRESS_LINES_MAX]):
        yield f"/address/lines/{index}", "Address line", line
    yield "/address/city", "City", address.city
    optional = (
        ("/address/postal_code", "Postal code", address.postal_code),
        ("/address/state", "State", address.state),
        ("/address/phone", "Phone", address.phone),
        ("/address/email", "E-mail", address.email),
    )
    yield from (field for field in optional if field[2])
    if order.purchase_order is not None:
        yield "/purchase_order", "Purchase order number", order.purchase_order


def _lines(order: Order) -> Iterator[Refusal]:
    lines = order.lines
    if not 1 <= len(lines) <= LINES_MAX:
        yield Refusal(
            Rule.LINES_COUNT_OUT_OF_RANGE, "/lines", f"An order has 1 to {LINES_MAX} lines."
        )
        return
    price_of: dict[str, int] = {}
    for index, line in enumerate(lines):
        if not _is_identifier(line.sku, SKU_MAX):
            yield from identifier_refusals(line.sku, f"/lines/{index}/sku", SKU_MAX)
        if not 1 <= line.quantity <= QUANTITY_MAX:
            yield quantity_out_of_range(index)
        if not 0 <= line.unit_price <= UNIT_PRICE_MAX:
            yield Refusal(
                Rule.UNIT_PRICE_OUT_OF_RANGE,
                f"/lines/{index}/unit_price",
                f"A unit price is 0 to {UNIT_PRICE_MAX} minor units.",
            )
        if price_of.setdefault(line.sku, line.unit_price) != line.unit_price:
            yield Refusal(
                Rule.SKU_PRICE_CONFLICT,
                f"/lines/{index}/unit_price",
                "An earlier line has the same sku at another unit price.",
            )


def _amounts(order: Order) -> Iterator[Refusal]:
    for pointer, amount in (
        ("shipping", order.shipping),
        ("tax", order.tax),
        ("total", order.total),
    ):
        yield from amount_refusals(f"/{pointer}", amount)
    for index, discount in enumerate(order.discounts[:DISCOUNTS_MAX]):
        yield from amount_refusals(f"/discounts/{index}/amount", discount.amount, at_least=1)
    if len(order.discounts) > DISCOUNTS_MAX:
        yield Refusal(
            Rule.DISCOUNTS_TOO_MANY,
            "/discounts",
            f"An order has at most {DISCOUNTS_MAX} discounts.",
        )
    subtotal = order.subtotal
    if order.discounted > max(subtotal, 0):
        yield Refusal(
            Rule.DISCOUNT_EXCEEDS_SUBTOTAL,
            "/discounts",
            "The discounts are more than the lines add up to.",
        )
    expected = subtotal - order.discounted + order.shipping + order.tax
    if order.total != expected:
        yield Refusal(
            Rule.TOTAL_DOES_NOT_ADD_UP,
            "/total",
            f"Lines less discounts plus shipping and tax make {expected} minor units,"
            f" not {order.total}.",
        )


def _payment(key: OrderKey, order: Order, terms: Terms) -> Iterator[Refusal]:
    payment = order.payment
    if payment is None and order.total > 0:
        yield Refusal(
            Rule.PAYMENT_MISSING, "/payment", "An order with a total above 0 needs its payment."
        )
    if payment is not None and order.total == 0:
        yield Refusal(
            Rule.PAYMENT_NOT_NEEDED,
            "/payment",
            "An order with a total of 0 has no payment: leave it out.",
        )
    elif payment is not None:
        yield from _paid(key, order, payment, terms)


def _paid(key: OrderKey, order: Order, payment: Payment, terms: Terms) -> Iterator[Refusal]:
    yield from identifier_refusals(payment.reference, "/payment/reference", TEXT_MAX)
    yield from identifier_refusals(payment.receipt, "/payment/receipt", RECEIPT_MAX)
    if payment.terms is not None:
        yield from identifier_refusals(payment.terms, "/payment/terms", TERMS_MAX)
    if payment.amount != order.total:
        yield Refusal(
            Rule.PAYMENT_AMOUNT_DIFFERS, "/payment/amount", "The payment differs from the total."
        )
    if payment.currency != order.currency:
        yield Refusal(
            Rule.PAYMENT_CURRENCY_DIFFERS,
            "/payment/currency",
            "The payment's currency differs from the order's.",
        )
    verdict = verify(payment, key, terms.receipt_keys)
    if verdict == "key_unknown":
        yield Refusal(
            Rule.RECEIPT_KEY_UNKNOWN,
            "/payment/receipt",
            "The receipt names no key that is in force.",
        )
    if verdict == "invalid":
        yield Refusal(
            Rule.RECEIPT_INVALID,
            "/payment/receipt",
            "The receipt is not the gateway's for this customer, order id and payment."
            if payment.terms is None
            else "The receipt is no credit decision for this customer, order id, amount and terms.",
        )


def _is_identifier(text: str, length_max: int) -> bool:
    # isprintable() is false for control characters, line breaks and lone surrogates.
    return 0 < len(text) <= length_max and text.isprintable() and not text.isspace()


_PRECEDENCE: Mapping[Rule, int] = {rule: position for position, rule in enumerate(Rule)}
