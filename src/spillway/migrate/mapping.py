"""From the old database's rows to an order with its facts, or to the reasons why not. Pure.

All rows of one old order come together: one row, or its lines. Nothing is repaired beyond what the
configuration allows by name; what cannot be mapped is `Unmapped` with every reason found, and goes
to quarantine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from orders.aws import items
from orders.domain.order import (
    Address,
    Channel,
    Discount,
    Line,
    Order,
    OrderKey,
    Payment,
)
from orders.domain.refusals import CUSTOMER_ID_MAX, TEXT_MAX, Rule, Terms, broken_rules
from orders.domain.saga import Cancellation, Facts, Outcome, Step
from orders.domain.units import CustomerId, Millis, OrderId
from spillway.migrate.config import NEVER_HELD_AGAINST_AN_OLD_ORDER, Config, Field, StatusMeaning
from spillway.migrate.identity import order_id
from spillway.migrate.values import (
    Clock,
    Unusable,
    minor_units,
    printable,
    utf8_from_latin1,
    whole_number,
)

#: Columns as MySQL's text protocol gives them: every value a text, None for NULL.
Row = Mapping[str, str | None]
#: The values of `line_columns`.
OldLine = tuple[str | None, ...]
#: Old customer id to subject, None where there is none.
Subjects = Callable[[str], str | None]

DIGEST_BYTES = 16
#: What stands in the place of the gateway's receipt: the old shop's payments had none.
RECEIPT = "imported"
#: How many prices and quantities are kept.
KNOWN_MAX = 65_536
#: DynamoDB's own limit is 400 KB; key and the smaller attributes take less than 2.
CONTENT_BYTES_MAX = 398_000

_T = TypeVar("_T")
_P = ParamSpec("_P")
_Text = TypeVar("_Text")


@dataclass(frozen=True, slots=True)
class OldOrder:
    """All rows under one key, in their order of insertion where the table has one.

    `own` is what they say of the order itself, once where they agree as they should, and `lines`
    what each says of its line. `last` is the key as the database spells it, to go on after; None
    for rows without a key.
    """

    key: str
    last: str | None
    own: Sequence[Row]
    lines: Sequence[OldLine]


@dataclass(frozen=True, slots=True)
class Reason:
    """`rule` is a stable name: one of orders.domain.refusals.Rule or of this package."""

    rule: str
    detail: str


@dataclass(frozen=True, slots=True)
class Mapped:
    """An old order as it will lie in the table, its content and digest as they are stored.

    `open`: the saga has steps left to do for it.
    """

    key: str
    place: OrderKey
    accepted_at: int
    content: bytes
    digest: bytes
    facts: Facts
    open: bool


@dataclass(frozen=True, slots=True)
class Unmapped:
    key: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Gone:
    """The old table has no row under this key any more."""

    key: str


Reading = Mapped | Unmapped | Gone


class _Reasons(list[Reason]):
    """Every reason found, so that one look at the quarantine shows all that must be mended."""

    def attempt(self, read: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T | None:
        try:
            return read(*args, **kwargs)
        except Unusable as no:
            self.append(Reason(no.rule, no.detail))
            return None


class Known(dict[_Text, int]):
    """Numbers by their texts, read once each: a shop has few prices and quantities, and millions of
    lines. It forgets when there are too many."""

    def __init__(self, read: Callable[[_Text], int]) -> None:
        self._read = read

    def __missing__(self, text: _Text) -> int:
        if len(self) >= KNOWN_MAX:
            self.clear()
        number = self[text] = self._read(text)
        return number


@dataclass(frozen=True, slots=True)
class Mapper:
    """Maps the orders of one configuration.

    `utc_columns` are those of type TIMESTAMP, which the session reads in UTC.
    """

    config: Config
    subjects: Subjects
    clock: Clock
    terms: Terms
    utc_columns: frozenset[str]
    own_columns: tuple[str, ...]
    quantities: Known[str]
    #: In minor units, by text and currency.
    amounts: Known[tuple[str, str]]

    @staticmethod
    def of(config: Config, subjects: Subjects, now_ms: int, utc_columns: frozenset[str]) -> Mapper:
        return Mapper(
            config,
            subjects,
            Clock(config.source.time_zone, config.times, now_ms),
            Terms(frozenset(config.currencies), {}, wholesale_allowed=True, now=Millis(now_ms)),
            utc_columns,
            tuple(own_columns(config)),
            Known(whole_number),
            Known(lambda amount: minor_units(*amount, config.money)),
        )

    def order(self, old: OldOrder) -> Mapped | Unmapped:
        key, row = old.key, old.own[0]
        reasons = _Reasons(self._contradictions(old))
        if reasons:
            return Unmapped(key, tuple(reasons))
        customer = reasons.attempt(self._customer, key, row)
        created_at = reasons.attempt(self._created_at, old.own)
        meaning = reasons.attempt(self._meaning, key, row)
        order = self._order(old, reasons)
        if customer is None or created_at is None or meaning is None or order is None:
            return Unmapped(key, tuple(reasons))
        facts = reasons.attempt(self._facts, row, meaning, created_at)
        id_ = order_id(self.config.source.table, key, created_at)
        reasons += self._broken(id_, order, meaning)
        if reasons or facts is None:
            return Unmapped(key, tuple(reasons))
        content = items.compressed(order)
        if len(content) > CONTENT_BYTES_MAX:
            too_large = Reason("order_too_large", f"{len(content):,} bytes compressed")
            return Unmapped(key, (too_large,))
        digest = hashlib.sha256(content).digest()[:DIGEST_BYTES]
        place = OrderKey(CustomerId(customer), OrderId(id_))
        return Mapped(key, place, created_at, content, digest, facts, meaning.is_ == "open")

    def _contradictions(self, old: OldOrder) -> Iterator[Reason]:
        """Rows under one key must be one order, and say the same of it (but for their times)."""
        if len(old.lines) == 1:
            return
        key = self.config.order.key
        spellings = {row[key] for row in old.own}
        if len(spellings) > 1:
            yield Reason("key_spelled_differently", _two_of(spellings))
        elif self.config.source.shape == "row_per_order":
            yield Reason("key_not_unique", f"{len(old.lines)} rows under {old.own[0][key]!r}")
        if len(old.own) == 1:
            return
        for column in self.own_columns:
            values = {row[column] for row in old.own}
            if len(values) > 1:
                yield Reason("lines_disagree", f"{column}: {_two_of(values)}")

    def _order(self, old: OldOrder, reasons: _Reasons) -> Order | None:
        fields, key, row = self.config.order, old.key, old.own[0]
        currency = reasons.attempt(self._text, fields.currency, key, row, "currency")
        if currency is None:
            return None
        goods = reasons.attempt(self._lines, old.lines, currency)
        shipping = reasons.attempt(self._amount, fields.shipping, row, currency)
        tax = reasons.attempt(self._amount, fields.tax, row, currency)
        discounts = reasons.attempt(self._discounts, key, row, currency)
        channel = reasons.attempt(self._channel, key, row)
        address = self._address(key, row, reasons)
        reference = reasons.attempt(
            self._text, fields.payment_reference, key, row, "payment_reference"
        )
        purchase_order = reasons.attempt(self._purchase_order, key, row)
        if (
            goods is None
            or shipping is None
            or tax is None
            or discounts is None
            or channel is None
            or address is None
            or reference is None
        ):
            return None
        lines, postage = goods
        discounted = sum(discount.amount for discount in discounts)
        subtotal = sum(line.quantity * line.unit_price for line in lines)
        adds_up_to = subtotal - discounted + shipping + postage + tax
        total = reasons.attempt(self._total, row, currency, adds_up_to)
        if total is None:
            return None
        return Order(
            channel=channel,
            currency=currency,
            lines=lines,
            shipping=shipping + postage,
            tax=tax,
            total=total,
            address=address,
            payment=Payment(reference, total, currency, RECEIPT),
            discounts=discounts,
            purchase_order=purchase_order,
        )

    def _broken(self, id_: str, order: Order, meaning: StatusMeaning) -> Iterator[Reason]:
        """The rules of today that this order breaks and that count for it."""
        forgiven: frozenset[Rule] = NEVER_HELD_AGAINST_AN_OLD_ORDER
        if meaning.is_ != "open":
            forgiven |= frozenset(self.config.rules.tolerated)
        for refusal in broken_rules(id_, order, self.terms):
            if refusal.rule not in forgiven:
                yield Reason(refusal.rule.value, f"{refusal.pointer} {refusal.detail}".strip())

    def _customer(self, key: str, row: Row) -> str:
        customers = self.config.customers
        old = (row[customers.column] or "").strip()
        if not old:
            if customers.guests == "quarantine":
                raise Unusable("customer_missing", customers.column)
            return f"guest-{key}"
        subject = self.subjects(old) if customers.by != "table" else row[SUBJECT_COLUMN]
        if not subject:
            raise Unusable("customer_unknown", f"{customers.column} {old!r}")
        if len(subject) > CUSTOMER_ID_MAX or not subject.isprintable():
            raise Unusable("customer_invalid", f"{customers.column} {old[:40]!r}")
        return customers.prefix + subject

    def _created_at(self, own: Sequence[Row]) -> int:
        """The earliest of its lines' times: a line added later does not make the order younger."""
        column = self.config.order.created_at
        # Mostly there is one time, that of the order.
        return min(self._time(column, text) for text in {row[column] for row in own})

    def _time(self, column: str, text: str | None) -> int:
        if text is None:
            raise Unusable("date_missing", column)
        return self.clock.unix_ms(text, utc=column in self.utc_columns)

    def _meaning(self, key: str, row: Row) -> StatusMeaning:
        field = self.config.order.status
        word = _raw(field, key, row)
        meaning = self.config.statuses.get(word or "")
        if meaning is None:
            raise Unusable("status_unknown", repr(word))
        return meaning

    def _facts(self, row: Row, meaning: StatusMeaning, created_at: int) -> Facts:
        column = self.config.order.settled_at
        at = created_at
        if meaning.is_ != "open" and column is not None and row[column] is not None:
            # A clock that ran backwards must not settle an order before it was placed.
            at = max(created_at, self._time(column, row[column]))
        return facts_of(meaning, at)

    def _channel(self, key: str, row: Row) -> Channel:
        channel = _raw(self.config.order.channel, key, row)
        if channel == "retail":
            return "retail"
        if channel == "wholesale":
            return "wholesale"
        raise Unusable("channel_unknown", repr(channel))

    def _lines(self, old: Sequence[OldLine], currency: str) -> tuple[tuple[Line, ...], int]:
        """The goods, and what lines that are postage in truth add up to."""
        lines = self._lines_in_json(old[0][0]) if self.config.lines.column else old
        spec, units_of, minor_of = self.config.lines, self.quantities, self.amounts
        goods: list[Line] = []
        postage = 0
        for sku, quantity, price in lines:
            if sku is None or quantity is None or price is None:
                raise Unusable("line_incomplete", f"{spec.sku} {sku!r}")
            code, units, minor = sku.strip(), units_of[quantity], minor_of[price, currency]
            if code in spec.shipping_skus:
                postage += units * minor
            else:
                goods.append(Line(code, units, minor))
        return tuple(goods), postage

    def _lines_in_json(self, text: str | None) -> list[OldLine]:
        spec = self.config.lines
        try:
            # Numbers stay as they are written: a float would lose pence.
            lines = json.loads(text or "null", parse_float=str, parse_int=str)
        except ValueError as error:
            raise Unusable("lines_not_json", str(spec.column)) from error
        if spec.list is not None and isinstance(lines, dict):
            lines = lines.get(spec.list)
        if not isinstance(lines, list) or not all(isinstance(line, dict) for line in lines):
            raise Unusable("lines_not_a_list", str(spec.column))
        names = (spec.sku, spec.quantity, spec.unit_price)
        return [tuple(_text_or_none(line.get(name)) for name in names) for line in lines]

    def _amount(self, column: str | None, row: Row, currency: str) -> int:
        text = None if column is None else row[column]
        return 0 if text is None else self.amounts[text, currency]

    def _total(self, row: Row, currency: str, adds_up_to: int) -> int:
        column = self.config.order.total
        if column is None:
            return adds_up_to
        text = row[column]
        if text is None:
            raise Unusable("total_missing", column)
        return self.amounts[text, currency]

    def _discounts(self, key: str, row: Row, currency: str) -> tuple[Discount, ...]:
        amount = self._amount(self.config.order.discount, row, currency)
        if amount == 0:
            return ()
        field = self.config.order.coupon
        coupon = "DISCOUNT" if field is None else self._text(field, key, row, "coupon")
        # Some shops store a discount as a negative amount.
        return (Discount(coupon, abs(amount)),)

    def _address(self, key: str, row: Row, reasons: _Reasons) -> Address | None:
        fields = self.config.order.address
        name = reasons.attempt(self._text, fields.name, key, row, "address.name")
        city = reasons.attempt(self._text, fields.city, key, row, "address.city")
        code = reasons.attempt(self._text, fields.postal_code, key, row, "address.postal_code")
        country = reasons.attempt(self._text, fields.country, key, row, "address.country")
        lines = [
            reasons.attempt(self._text, field, key, row, "address.lines", required=place == 0)
            for place, field in enumerate(fields.lines)
        ]
        if name is None or city is None or code is None or country is None or lines[0] is None:
            return None
        return Address(name, tuple(line for line in lines if line), city, code, country)

    def _purchase_order(self, key: str, row: Row) -> str | None:
        field = self.config.order.purchase_order
        if field is None:
            return None
        return self._text(field, key, row, "purchase_order", required=False) or None

    def _text(self, field: Field, key: str, row: Row, name: str, *, required: bool = True) -> str:
        text = _raw(field, key, row)
        texts = self.config.texts
        if text is not None and field.column in texts.utf8_in_latin1:
            text = utf8_from_latin1(text)
        if text and not text.isprintable() and texts.unprintable == "space":
            text = printable(text)
        text = (text or "").strip() or field.default or ""
        if required and not text:
            raise Unusable("text_missing", f"{name} ({field.column})")
        if len(text) > TEXT_MAX and texts.too_long == "cut":
            text = text[:TEXT_MAX].rstrip()
        return text


def own_columns(config: Config) -> list[str]:
    """The columns that speak of the order and not of one of its lines; its times left out."""
    fields, address = config.order, config.order.address
    texts = [
        fields.status,
        fields.channel,
        fields.currency,
        fields.payment_reference,
        fields.coupon,
        fields.purchase_order,
        address.name,
        *address.lines,
        address.city,
        address.postal_code,
        address.country,
    ]
    amounts = [fields.total, fields.shipping, fields.tax, fields.discount]
    columns = [
        config.customers.column,
        *(field.column for field in texts if field is not None),
        *amounts,
    ]
    return list(dict.fromkeys(column for column in columns if column is not None))


def line_columns(config: Config) -> list[str]:
    """The columns that speak of one line; or the one that holds them all, as JSON."""
    lines = config.lines
    return [lines.column] if lines.column else [lines.sku, lines.quantity, lines.unit_price]


#: The subject of the joined customers table, where there is one.
SUBJECT_COLUMN = "spillway_subject"


def facts_of(meaning: StatusMeaning, at: int) -> Facts:
    """What an old status says was done, in the saga's facts.

    A settled order also carries that its shipment can't be stopped any more: a customer who cancels
    a purchase of two years ago is answered by that fact, and no command goes to fulfilment, which
    knows nothing of it.
    """
    done = Outcome(Millis(at))
    if meaning.is_ == "open":
        return Facts(dict.fromkeys(meaning.done, done))
    if meaning.is_ == "cancelled":
        return Facts(
            dict.fromkeys((Step.RESERVE, Step.RELEASE, Step.REFUND), done),
            Cancellation(Millis(at), before_reservation=True),
        )
    if meaning.is_ == "rejected":
        return Facts({Step.RESERVE: Outcome(Millis(at), refusal=meaning.reason), Step.REFUND: done})
    too_late = Outcome(Millis(at), refusal="too_late")
    return Facts(
        {
            **dict.fromkeys((Step.RESERVE, Step.SHIP, Step.POST), done),
            Step.CANCEL_SHIPMENT: too_late,
        }
    )


def _raw(field: Field, key: str, row: Row) -> str | None:
    if field.value is not None:
        return field.value.replace("{key}", key)
    text = row[field.column or ""]
    if text is None or not text.strip():
        return field.default
    return text if field.map is None else field.map.get(text.strip(), text)


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _two_of(values: set[str | None]) -> str:
    return " and ".join(sorted(map(repr, values))[:2])
