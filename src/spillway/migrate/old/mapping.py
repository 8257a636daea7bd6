"""From the old database's rows to an order with its facts, or to the reasons why not. Pure.

All rows of one old order come together: one row, or its lines. Only what the configuration names is
repaired. An order that cannot be mapped is `Unmapped` with every reason found, and is quarantined.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, ParamSpec, Protocol, TypeVar

from orders.aws import items
from orders.domain.order import Address, Channel, Discount, Line, Order, OrderKey, Payment
from orders.domain.refusals import CUSTOMER_ID_MAX, Rule, Terms, broken_rules
from orders.domain.saga import Cancellation, Facts, Outcome, Step
from orders.domain.text import TEXT_MAX
from orders.domain.units import CustomerId, Millis, OrderId
from spillway.migrate.config import RULES_OF_THE_MOMENT, Config, Field, StatusMeaning
from spillway.migrate.old import values
from spillway.migrate.old.keys import NO_NUMBER
from spillway.migrate.old.values import Clock, Unusable, identifier, written

#: Columns as MySQL's text protocol gives them: every value a text, None for NULL.
Row = Mapping[str, str | None]
#: The values of `line_columns`.
OldLine = tuple[str | None, ...]
#: All spellings of one order number: mostly one.
Spellings = tuple[str | None, ...]
#: Old customer id to subject, None where there is none.
Subjects = Callable[[str], str | None]

DIGEST_BYTES = 16
#: Begins the customer of an order that has none; its number follows.
GUEST = "guest-"
#: Instead of the gateway's receipt: the old shop's payments had none.
RECEIPT = "imported"
#: How many prices and quantities are kept: a shop has few of them, and millions of lines.
KNOWN_MAX = 65_536
#: DynamoDB's own limit is 400 KB; key and the smaller attributes take less than 2.
CONTENT_BYTES_MAX = 398_000
#: Beside a row's columns: "0" where its number, as it is shown, does not find it.
EXACTNESS_COLUMN = "spillway_exactness"
#: From another table, beside a row's columns: its customer's subject, and how many there are.
SUBJECT_COLUMN = "spillway_subject"
SUBJECTS_COLUMN = "spillway_subjects"
#: Beside a row's columns: the places in `status_words` of the first and of the last word that the
#: database holds equal to its status, counted from 1: "2 2", and "0 0" for none.
STATUS_COLUMN = "spillway_status"

_T = TypeVar("_T")
_P = ParamSpec("_P")


class Tidy(Protocol):
    """`values.identifier` or `values.written`."""

    def __call__(self, text: str, *, repair: bool) -> str: ...


@dataclass(frozen=True, slots=True)
class OldOrder:
    """All rows whose order number is spelled alike, in their order of insertion where the table
    has one.

    `own` is what they say of the order itself, once where they agree as they should, and `lines`
    what each says of its line. `last` is its place in the index, to continue after.
    `spellings` are all that the database holds to be this number.
    """

    key: str
    last: str | None
    own: Sequence[Row]
    lines: Sequence[OldLine]
    spellings: Spellings


@dataclass(frozen=True, slots=True)
class Reason:
    """`rule` is a stable name: of orders.domain.refusals.Rule or of this package."""

    rule: str
    detail: str


@dataclass(frozen=True, slots=True)
class Mapped:
    """An old order as the table will store it, with its content and digest.

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
class Said:
    """What an old order's rows say, before the rules of today are asked."""

    customer: str
    created_at: int
    meaning: StatusMeaning
    order: Order


@dataclass(frozen=True, slots=True)
class Unmapped:
    key: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Gone:
    key: str


Reading = Mapped | Unmapped | Gone


class _Reasons(list[Reason]):
    """Every reason found, so that one look at the quarantine shows all that must be fixed."""

    def attempt(
        self, fallback: _T, read: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """The fallback only fills the place of a value that could not be read: no order is made
        while there is a reason."""
        try:
            return read(*args, **kwargs)
        except Unusable as no:
            self.append(Reason(*no.args))
            return fallback


class Mapper:
    """`utc_columns` are those of type TIMESTAMP, which the session reads in UTC."""

    def __init__(
        self, config: Config, subjects: Subjects, now_ms: int, utc_columns: frozenset[str]
    ) -> None:
        self.config = config
        self.subjects = subjects
        self.utc_columns = utc_columns
        self.clock = Clock(config.source.time_zone, config.times, now_ms)
        self.terms = Terms(
            frozenset(config.currencies), {}, wholesale_allowed=True, now=Millis(now_ms)
        )
        self.own_columns = own_columns(config)
        self._status_words = status_words(config)
        self.units = lru_cache(KNOWN_MAX)(values.whole_number)
        self.minor = lru_cache(KNOWN_MAX)(partial(values.minor_units, money=config.money))

    def read(self, old: OldOrder) -> Said | Unmapped:
        key, row = old.key, old.own[0]
        reasons = _Reasons(self._contradictions(old))
        if reasons:
            return Unmapped(key, tuple(reasons))
        customer = reasons.attempt("", self._customer, key, row)
        created_at = reasons.attempt(0, self._created_at, old.own)
        meaning = reasons.attempt(None, self._meaning, key, row)
        order = self._order(old, reasons)
        if reasons or meaning is None or order is None:
            return Unmapped(key, tuple(reasons))
        return Said(customer, created_at, meaning, order)

    def order(self, old: OldOrder) -> Mapped | Unmapped:
        said, key = self.read(old), old.key
        if isinstance(said, Unmapped):
            return said
        reasons = _Reasons()
        order, meaning, created_at = said.order, said.meaning, said.created_at
        facts = reasons.attempt(Facts(), self._facts, old.own, meaning, created_at)
        id_ = values.order_id(self.config.source.table, key, created_at)
        place = OrderKey(CustomerId(said.customer), OrderId(id_))
        reasons += self._broken(place, order, meaning)
        content = b"" if reasons else items.compressed(order)
        if len(content) > CONTENT_BYTES_MAX:
            reasons.append(Reason("order_too_large", f"{len(content):,} bytes compressed"))
        if reasons:
            return Unmapped(key, tuple(reasons))
        digest = hashlib.sha256(content).digest()[:DIGEST_BYTES]
        return Mapped(key, place, created_at, content, digest, facts, meaning.is_ == "open")

    def _contradictions(self, old: OldOrder) -> Iterator[Reason]:
        """Rows under one number must be one order, and say the same of it (but for their times)."""
        if old.key == NO_NUMBER:
            yield Reason("key_missing", self.config.order.key)
            return
        if any(row.get(EXACTNESS_COLUMN) == "0" for row in old.own):
            yield Reason("key_unreadable", repr(old.key))
        if len(old.spellings) > 1:
            yield Reason("key_spelled_differently", _two_of(set(old.spellings)))
        if len(old.lines) == 1:
            return
        if self.config.source.shape == "row_per_order":
            yield Reason("key_not_unique", f"{len(old.lines)} rows under {old.key!r}")
        if len(old.own) == 1:
            return
        for column in self.own_columns:
            texts = {row[column] for row in old.own}
            if len(texts) > 1:
                yield Reason("lines_disagree", f"{column}: {_two_of(texts)}")

    def _order(self, old: OldOrder, reasons: _Reasons) -> Order | None:
        """None where not even the currency can be read. Not to be used while there is a reason."""
        fields, key, row = self.config.order, old.key, old.own[0]

        def text(field: Field, name: str, tidy: Tidy, *, required: bool = True) -> str:
            return reasons.attempt("", self._text, field, key, row, name, tidy, required=required)

        currency = text(fields.currency, "currency", identifier)
        if not currency or reasons.attempt(None, values.known_currency, currency) is None:
            return None
        lines, postage = reasons.attempt(((), 0), self._lines, old.lines, currency)
        shipping = reasons.attempt(0, self._amount, fields.shipping, row, currency) + postage
        tax = reasons.attempt(0, self._amount, fields.tax, row, currency)
        discounts = reasons.attempt((), self._discounts, key, row, currency)
        adds_up_to = (
            sum(line.quantity * line.unit_price for line in lines)
            - sum(discount.amount for discount in discounts)
            + shipping
            + tax
        )
        total = reasons.attempt(0, self._total, row, currency, adds_up_to)
        channel: Channel = reasons.attempt("retail", self._channel, key, row)
        number = fields.purchase_order
        return Order(
            channel=channel,
            currency=currency,
            lines=lines,
            shipping=shipping,
            tax=tax,
            total=total,
            address=self._address(partial(text, tidy=written)),
            payment=self._payment(partial(text, tidy=identifier), total, currency),
            discounts=discounts,
            purchase_order=(number and text(number, "purchase_order", written, required=False))
            or None,
        )

    def _payment(self, text: Callable[..., str], total: int, currency: str) -> Payment | None:
        """None where nothing was paid, whatever the old shop put in the place of a reference."""
        if total == 0:
            return None
        reference = text(self.config.order.payment_reference, "payment_reference")
        return Payment(reference, total, currency, RECEIPT)

    def _address(self, text: Callable[..., str]) -> Address:
        fields = self.config.order.address
        lines = [
            text(field, "address.lines", required=place == 0)
            for place, field in enumerate(fields.lines)
        ]
        more = {
            name: text(field, f"address.{name}", required=False)
            for name, field in fields.optional.items()
        }
        return Address(
            name=text(fields.name, "address.name"),
            lines=tuple(filter(None, lines)),
            city=text(fields.city, "address.city"),
            country=text(fields.country, "address.country"),
            **more,
        )

    def _broken(self, key: OrderKey, order: Order, meaning: StatusMeaning) -> Iterator[Reason]:
        """The rules of today that this order breaks and that count for it."""
        forgiven: frozenset[Rule] = RULES_OF_THE_MOMENT
        if meaning.is_ != "open":
            forgiven |= frozenset(self.config.rules.tolerated)
        for refusal in broken_rules(key, order, self.terms):
            if refusal.rule not in forgiven:
                said = f"{_said(order, refusal.pointer)}{refusal.detail}"
                yield Reason(refusal.rule.value, f"{refusal.pointer} {said}".strip())

    def _customer(self, key: str, row: Row) -> str:
        customers = self.config.customers
        old = (row[customers.column] or "").strip()
        # ZEROFILL writes 0 with more of them.
        if (
            not old
            or old in customers.guest_ids
            or ("0" in customers.guest_ids and not old.strip("0"))
        ):
            if customers.guests == "quarantine":
                raise Unusable("customer_missing", customers.column)
            return f"{GUEST}{key}"
        if customers.by == "table" and int(row[SUBJECTS_COLUMN] or 0) > 1:
            several = f"{row[SUBJECTS_COLUMN]} of {customers.subject}"
            raise Unusable("customer_ambiguous", f"{customers.column} {old!r} has {several}")
        subject = self.subjects(old) if customers.by != "table" else row[SUBJECT_COLUMN]
        if not subject:
            raise Unusable("customer_unknown", f"{customers.column} {old!r}")
        subject = customers.prefix + subject
        if len(subject) > CUSTOMER_ID_MAX or not subject.isprintable():
            raise Unusable("customer_invalid", f"{customers.column} {old[:40]!r}")
        return subject

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
        word = _raw(self.config.order.status, key, row)
        meaning = self.config.statuses.get(word or "")
        if meaning is not None:
            return meaning
        # A word as it is written counts first: where "New" and "new" are two, they stay two.
        held_equal = (int(place) for place in (row.get(STATUS_COLUMN) or "").split())
        words = [self._status_words[place - 1] for place in held_equal if place > 0]
        meanings = [
            self.config.statuses.get(_mapped(self.config.order.status, word)) for word in words
        ]
        if not meanings or meanings[0] is None or meanings[0] != meanings[-1]:
            raise Unusable("status_unknown", repr(word))
        return meanings[0]

    def _facts(self, own: Sequence[Row], meaning: StatusMeaning, created_at: int) -> Facts:
        """Settled with the latest of its lines."""
        column = self.config.order.settled_at
        at = created_at
        if meaning.is_ != "open" and column is not None:
            times = {row[column] for row in own}
            # A clock that ran backwards must not settle an order before it was placed.
            at = max(
                [created_at, *(self._time(column, text) for text in times if text is not None)]
            )
        return facts_of(meaning, Millis(at))

    def _channel(self, key: str, row: Row) -> Channel:
        channel = _raw(self.config.order.channel, key, row)
        match channel:
            case "retail" | "wholesale":
                return channel
        raise Unusable("channel_unknown", repr(channel))

    def _lines(self, old: Sequence[OldLine], currency: str) -> tuple[tuple[Line, ...], int]:
        """The goods, and the sum of the lines that are really postage."""
        lines = self._lines_in_json(old[0][0]) if self.config.lines.column else old
        spec, units_of, minor_of = self.config.lines, self.units, self.minor
        goods: list[Line] = []
        postage = 0
        for sku, quantity, price in lines:
            if sku is None or quantity is None or price is None:
                raise Unusable("line_incomplete", f"{spec.sku} {sku!r}")
            if isinstance(sku, _Fraction):
                # 1.10 in JSON is 1.1 to most programs, and MySQL makes 1.2e22 of a long number.
                raise Unusable("sku_not_a_text", f"{spec.sku} {sku}")
            code, units, minor = sku.strip(), units_of(quantity), minor_of(price, currency)
            if code in spec.shipping_skus:
                postage += units * minor
            else:
                goods.append(Line(code, units, minor))
        return tuple(goods), postage

    def _lines_in_json(self, text: str | None) -> list[OldLine]:
        spec = self.config.lines
        try:
            # Numbers stay as they are written: a float would lose pence.
            lines = json.loads(
                text or "null", parse_float=_Fraction, parse_int=str, object_pairs_hook=_object
            )
        except (ValueError, RecursionError) as error:
            raise Unusable("lines_not_json", str(spec.column)) from error
        if spec.list is not None and isinstance(lines, dict):
            lines = lines.get(spec.list)
        if not isinstance(lines, list) or not all(isinstance(line, dict) for line in lines):
            raise Unusable("lines_not_a_list", str(spec.column))
        names = (spec.sku, spec.quantity, spec.unit_price)
        return [tuple(_text_or_none(line.get(name)) for name in names) for line in lines]

    def _amount(self, column: str | None, row: Row, currency: str) -> int:
        text = None if column is None else row[column]
        return 0 if text is None else self.minor(text, currency)

    def _total(self, row: Row, currency: str, adds_up_to: int) -> int:
        column = self.config.order.total
        if column is None:
            return adds_up_to
        if row[column] is None:
            raise Unusable("total_missing", column)
        return self._amount(column, row, currency)

    def _discounts(self, key: str, row: Row, currency: str) -> tuple[Discount, ...]:
        amount = self._amount(self.config.order.discount, row, currency)
        if amount == 0:
            return ()
        field = self.config.order.coupon
        coupon = "DISCOUNT" if field is None else self._text(field, key, row, "coupon", identifier)
        # Some shops store a discount as a negative amount.
        return (Discount(coupon, abs(amount)),)

    def _text(
        self, field: Field, key: str, row: Row, name: str, tidy: Tidy, *, required: bool = True
    ) -> str:
        texts = self.config.texts
        mended = field.column in texts.utf8_in_latin1
        # Before its map: one word there stands for both ways in which it is stored.
        text = _raw(field, key, row, values.utf8_from_latin1 if mended else str)
        text = tidy(text or "", repair=texts.unprintable == "space").strip() or field.default or ""
        if required and not text:
            raise Unusable("text_missing", f"{name} ({field.column})")
        if len(text) > TEXT_MAX and texts.too_long == "cut":
            text = text[:TEXT_MAX].rstrip()
        return text


def own_columns(config: Config) -> tuple[str, ...]:
    """The columns about the order and not about one of its lines, without its times."""
    fields = config.order
    texts = [fields.status, fields.channel, *fields.texts]
    amounts = (fields.total, fields.shipping, fields.tax, fields.discount)
    columns = (config.customers.column, *(field.column for field in texts), *amounts)
    return tuple(dict.fromkeys(column for column in columns if column is not None))


def status_words(config: Config) -> list[str]:
    """The old shop's words for which the configuration has a meaning."""
    return list(dict.fromkeys([*(config.order.status.map or ()), *config.statuses]))


def line_columns(config: Config) -> list[str]:
    """The columns about one line, or the one that has them all as JSON."""
    return [column for place, column in config.columns if place.startswith("lines.")]


def facts_of(meaning: StatusMeaning, at: Millis) -> Facts:
    """The saga's facts for what an old status says was done.

    A settled order also has the fact that its shipment can't be stopped any more. A customer who
    cancels a purchase of two years ago gets that answer, and no command goes to fulfilment, which
    does not know the order.
    """
    done = Outcome(at)
    match meaning.is_:
        case "open":
            return Facts(dict.fromkeys(meaning.done, done))
        case "cancelled":
            undone = dict.fromkeys((Step.RESERVE, Step.RELEASE, Step.REFUND), done)
            return Facts(undone, Cancellation(at, before_reservation=True))
        case "rejected":
            return Facts({Step.RESERVE: Outcome(at, refusal=meaning.reason), Step.REFUND: done})
        case "confirmed":
            confirmed = dict.fromkeys((Step.RESERVE, Step.SHIP, Step.POST), done)
            return Facts({**confirmed, Step.CANCEL_SHIPMENT: Outcome(at, refusal="too_late")})


def _raw(field: Field, key: str, row: Row, mend: Callable[[str], str] = str) -> str | None:
    if field.value is not None:
        return field.value.replace("{key}", key)
    text = row[field.column or ""]
    if text is None or not text.strip():
        return field.default
    return _mapped(field, mend(text))


def _mapped(field: Field, text: str) -> str:
    return text if field.map is None else field.map.get(text.strip(), text)


def _said(order: Order, pointer: str) -> str:
    """What the order has in that place: a number, or the country's word, which is no person's."""
    found: Any = order
    for part in filter(None, pointer.split("/")):
        try:
            found = found[int(part)] if part.isdigit() else getattr(found, part)
        except (AttributeError, IndexError, TypeError):
            return ""
    shown = isinstance(found, int) or pointer == "/address/country"
    return f"is {found!r}. " if shown else ""


class _Fraction(str):
    """A number of JSON that is not written as a whole one."""

    __slots__ = ()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two values with one name, programs differ in which one counts."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise Unusable("json_name_twice", next(name for name in names if names.count(name) > 1))
    return found


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _two_of(texts: set[str | None]) -> str:
    return " and ".join(sorted(map(repr, texts))[:2])
