"""The old table, read for verification: one streamed query, and its own understanding of a row."""

from __future__ import annotations

import hashlib
import json
import random
import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property, partial
from itertools import groupby
from operator import itemgetter
from typing import Any
from zoneinfo import ZoneInfo

from pymysql.cursors import SSDictCursor

from spillway.migrate.config import Config, Field, StatusMeaning
from spillway.migrate.old.connection import Account, connected
from spillway.migrate.verifying.canonical import Canonical, State

Row = dict[str, Any]
#: An order's number as the table spells it, and the order; None for what can't be read as one.
Read = tuple[str, Canonical | None]
#: The number of all rows that have none.
NONE = ""

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 -- all times that are compared with it are UTC too
_NO_PLACES = frozenset({"CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF", "XPF"})
_THREE_PLACES = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
_NUMBER = re.compile(r"([-+]?)(\d*)(?:\.(\d*))?(?:e([-+]?\d\d?))?", re.ASCII | re.IGNORECASE)
#: ISO 8601: a day, perhaps a time of it, perhaps that time's offset.
_TIME = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)(?:\D(\d\d)(?::?(\d\d)(?::?(\d\d)(?:[.,](\d+))?)?)?)?"
    r"(?:(Z)|([-+])(\d\d)(?::?(\d\d))?)?",
    re.ASCII,
)
_TEXT_MAX = 200
#: What embeds, overrides or isolates a direction.
_BIDI = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})


@dataclass(frozen=True)
class Columns:
    timestamps: frozenset[str]
    primary: tuple[str, ...]
    key_is_text: bool


@dataclass(frozen=True)
class OldSide:
    config: Config
    account: Account
    #: Old customer id to subject.
    subject_of: Callable[[str], str | None]

    def all(self) -> Iterator[Read]:
        """Every order, in one statement: the table as it was at one moment."""
        yield from self._without_number()
        yield from self._orders("IS NOT NULL", ())

    def some(self, keys: Sequence[str]) -> Iterator[Read]:
        """Those of these orders that are there, perhaps with others."""
        numbers = [self._typed(key) for key in keys if key != NONE]
        if len(numbers) < len(keys):
            yield from self._without_number()
        if numbers:
            yield from self._orders(f"IN ({', '.join(['%s'] * len(numbers))})", tuple(numbers))

    @property
    def _these(self) -> str:
        """The table with the rows that count; each query adds which of them it wants."""
        source = self.config.source
        return f"{_name(source.table)} o WHERE {_literally(source.condition)}"

    @property
    def _key(self) -> str:
        return f"o.{_name(self.config.order.key)}"

    def present(self, keys: Collection[str]) -> set[str]:
        """Which of these are there, by reading every number instead of asking for these."""
        key = self._key
        rows = self.rows(f"SELECT {key} AS k FROM {self._these} AND {key} IS NOT NULL")  # noqa: S608
        return {row["k"] for row in rows if row["k"] in keys}

    def sample(self, size: int) -> list[str]:
        """So many random keys, by one pass over the key's index: the server sorts nothing."""
        key, these = self._key, self._these
        share = 2 * size / max(1, self._number(f"SELECT COUNT(*) AS n FROM {these}"))  # noqa: S608
        rows = self.rows(
            f"SELECT DISTINCT {key} AS k FROM {these}"  # noqa: S608
            f" AND {key} IS NOT NULL AND RAND() < {share:.9f}"
        )
        keys = list(dict.fromkeys(row["k"] for row in rows if not _is_blank(row["k"])))
        return random.sample(keys, min(size, len(keys)))

    def count(self) -> int:
        """How many orders, each spelling of a number being one."""
        key = self._key
        spelling = f"BINARY {key}" if self.columns.key_is_text else key
        return self._number(
            f"SELECT COUNT(DISTINCT {spelling}) AS n FROM {self._these} AND TRIM({key}) NOT LIKE ''"  # noqa: S608
        )

    def _number(self, query: str) -> int:
        return next(int(row["n"]) for row in self.rows(query))

    @cached_property
    def columns(self) -> Columns:
        rows = list(
            self.rows(
                "SELECT column_name AS n, data_type AS t, column_key AS k, collation_name AS c"
                " FROM information_schema.columns"
                " WHERE table_schema = DATABASE() AND table_name = %s ORDER BY ordinal_position",
                (self.config.source.table,),
            )
        )
        collations = {row["n"]: row["c"] for row in rows}
        return Columns(
            timestamps=frozenset(row["n"] for row in rows if row["t"] == "timestamp"),
            primary=tuple(row["n"] for row in rows if row["k"] == "PRI"),
            key_is_text=collations.get(self.config.order.key) is not None,
        )

    def _without_number(self) -> Iterator[Read]:
        """Once, where there are such rows: nothing can be said of them but that."""
        lacking = f"({self._key} IS NULL OR TRIM({self._key}) LIKE '')"
        found = self.rows(f"SELECT 1 FROM {self._these} AND {lacking} LIMIT 1")  # noqa: S608
        yield from ((NONE, None) for _ in found)

    def _spelled_twice(self, which: str, values: tuple[object, ...]) -> set[str]:
        """Every spelling of the numbers that the database groups together although they are not
        spelled alike: no order has such a number."""
        if not self.columns.key_is_text:
            return set()
        key, these = self._key, self._these
        # `#k`: a column of the condition must not be in both.
        rows = self.rows(
            f"SELECT {key} AS k FROM (SELECT {key} AS `#k` FROM {these} AND {key} {which}"  # noqa: S608
            f" GROUP BY {key} HAVING COUNT(DISTINCT BINARY {key}) > 1) two, {these}"
            f" AND {key} = two.`#k`",
            values,
        )
        return {row["k"] for row in rows}

    def _typed(self, key: str) -> object:
        """A number as a number: the server compares a text with a DECIMAL inexactly."""
        return key if self.columns.key_is_text else Decimal(key)

    def _orders(self, which: str, values: tuple[object, ...]) -> Iterator[Read]:
        key, customers = self.config.order.key, self.config.customers
        columns = dict.fromkeys(column for _, column in self.config.columns)
        # Not all: some may be invisible, others forbidden.
        wanted = ", ".join(f"o.{_name(column)}" for column in columns)
        if customers.table and customers.key and customers.subject:
            subject = f"BINARY CONVERT(c.{_name(customers.subject)} USING utf8mb4)"
            own, other = f"o.{_name(customers.column)}", f"c.{_name(customers.key)}"
            of_them = f"FROM {_name(customers.table)} c WHERE {other} = {own}"
            first, last = (f"(SELECT {end}({subject}) {of_them})" for end in ("MIN", "MAX"))
            wanted = f"{wanted}, {first} AS `#first`, {last} AS `#last`"
        order_by = ", ".join(f"o.{_name(name)}" for name in (key, *self.columns.primary))
        rows = self.rows(
            f"SELECT {wanted} FROM {self._these} AND {self._key} {which} ORDER BY {order_by}",  # noqa: S608
            values,
        )
        ambiguous = self._spelled_twice(which, values)
        for name, group in groupby(rows, key=itemgetter(key)):
            if _is_blank(name):
                continue
            try:
                yield name, None if name in ambiguous else self._canonical(name, list(group))
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
                yield name, None

    def rows(self, query: str, values: tuple[object, ...] = ()) -> Iterator[Row]:
        with (
            connected(self.account) as connection,
            connection.cursor(SSDictCursor) as cursor,
        ):
            # Always formatted, also without values: `_literally` is for that.
            cursor.execute(query, values)
            yield from cursor

    def _canonical(self, name: str, rows: list[Row]) -> Canonical:
        first, fields = rows[0], self.config.order
        accepted_at = min(self._moment(row, fields.created_at) for row in rows)
        currency = self._text(fields.currency, name, first)
        meaning = self.config.statuses[self._text(fields.status, name, first, clean=False)]
        lines, postage = self._lines(rows, currency)
        discount = abs(self._amount(first, fields.discount, currency))
        shipping = self._amount(first, fields.shipping, currency) + postage
        tax = self._amount(first, fields.tax, currency)
        adds_up = sum(quantity * price for _, quantity, price in lines) - discount + shipping + tax
        total = adds_up if fields.total is None else self._amount(first, fields.total, currency)
        return Canonical(
            old_key=name,
            customer=self._customer(name, first),
            order_id=self._order_id(name, accepted_at),
            accepted_at=accepted_at,
            state=self._state(meaning, first, accepted_at),
            channel=self._text(fields.channel, name, first, clean=False),
            currency=currency,
            lines=tuple(lines),
            discount=discount,
            shipping=shipping,
            tax=tax,
            total=total,
            address=tuple(self._address(name, first)),
            payment=self._text(fields.payment_reference, name, first) if total else "",
            purchase_order=self._text(fields.purchase_order, name, first, written=True),
        )

    def _address(self, name: str, row: Row) -> Iterator[tuple[str, str]]:
        fields = self.config.order.address
        text = partial(self._text, name=name, row=row, written=True)
        lines = filter(None, map(text, fields.lines))
        parts = {
            "name": text(fields.name),
            **{f"line {place}": line for place, line in enumerate(lines, start=1)},
            "city": text(fields.city),
            "country": text(fields.country),
            **{part: text(field) for part, field in fields.optional.items()},
        }
        return ((part, text) for part, text in parts.items() if text)

    def _state(self, meaning: StatusMeaning, row: Row, accepted_at: int) -> State:
        """What the saga would have on record, had it done what the old service did."""
        at, column = accepted_at, self.config.order.settled_at
        if meaning.is_ != "open" and column and row[column] is not None:
            at = max(at, self._moment(row, column))
        match meaning.is_:
            case "confirmed":
                refused = (("cancel_shipment", "too_late"),)
                return State(("post", "reserve", "ship"), refused, at=(at,))
            case "rejected":
                return State(("refund",), (("reserve", meaning.reason or ""),), at=(at,))
            case "cancelled":
                return State(("refund", "release", "reserve"), cancelled=True, at=(at,))
            case "open":
                done = tuple(sorted(step.value for step in meaning.done))
                return State(done, at=(at,) if done else ())

    def _order_id(self, name: str, accepted_at: int) -> str:
        """RFC 9562's version 7, its random bits from SHA-256 of table and key."""
        source = f"{self.config.source.table}\x00{name}".encode()
        bits = format(int(hashlib.sha256(source).hexdigest()[:20], 16), "080b")[:74]
        text = f"{accepted_at:012x}7{int(bits[:12], 2):03x}{int('10' + bits[12:], 2):016x}"
        return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))

    def _customer(self, name: str, row: Row) -> str:
        customers = self.config.customers
        old = (row[customers.column] or "").strip()
        if not old:
            return f"guest-{name}"
        if customers.by != "table":
            subject = self.subject_of(old)
        elif row["#first"] == row["#last"]:
            subject = bytes(row["#first"] or b"").decode()
        else:
            subject = None
        if not subject:
            raise ValueError(old)
        return f"{customers.prefix}{subject}"

    def _moment(self, row: Row, column: str) -> int:
        """Unix ms. Of two moments at which a clock shows the same, the configured one."""
        text: str = row[column]
        if text.isdigit():
            return int(text) * (1_000 if self.config.times.numbers_are == "seconds" else 1)
        read = _TIME.fullmatch(text)
        if read is None:
            raise ValueError(text)
        *parts, fraction, utc, sign, hours, minutes = read.groups()
        naive = datetime(*(int(part or 0) for part in parts))  # type: ignore[arg-type] # noqa: DTZ001
        milliseconds = int(f"{fraction or ''}000"[:3])
        if utc or sign:
            offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
            naive -= -offset if sign == "-" else offset
        elif column not in self.columns.timestamps:
            zone = ZoneInfo(self.config.source.time_zone)
            offsets = [naive.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1)]
            # In autumn the first offset is the greater one and the hour comes twice. In spring it
            # is the smaller one and the hour never comes: a clock not put forward counts.
            twice = (offsets[0] or timedelta()) > (offsets[1] or timedelta())
            later = twice and self.config.times.ambiguous == "later"
            naive -= offsets[1 if later else 0] or timedelta()
        return (naive - _EPOCH) // timedelta(milliseconds=1) + milliseconds

    def _lines(self, rows: list[Row], currency: str) -> tuple[list[tuple[str, int, int]], int]:
        spec = self.config.lines
        found: Any = rows
        if spec.column is not None:
            found = json.loads(rows[0][spec.column], parse_int=str, parse_float=str)
            if isinstance(found, dict):
                found = found[spec.list]
        lines, postage = [], 0
        for line in found:
            sku, quantity = line[spec.sku].strip(), _whole(line[spec.quantity])
            price = _minor(line[spec.unit_price], currency, self.config)
            if sku in spec.shipping_skus:
                postage += quantity * price
            else:
                lines.append((sku, quantity, price))
        return lines, postage

    def _amount(self, row: Row, column: str | None, currency: str) -> int:
        if column is None or row[column] is None:
            return 0
        return _minor(row[column], currency, self.config)

    def _text(
        self, field: Field | None, name: str, row: Row, *, clean: bool = True, written: bool = False
    ) -> str:
        if field is None:
            return ""
        text: str = (field.value or "").replace("{key}", name)
        if field.column is not None:
            text = row[field.column] or ""
        if field.map is not None:
            text = field.map.get(text.strip(), text)
        if not clean:
            return text if text.strip() else field.default or ""
        texts = self.config.texts
        if field.column in texts.utf8_in_latin1:
            text = _mended(text)
        if written:
            text = person_text(text, repair=texts.unprintable == "space")
        elif texts.unprintable == "space" and any(not char.isprintable() for char in text):
            text = re.sub(r" +", " ", "".join(c if c.isprintable() else " " for c in text))
        text = text.strip() or field.default or ""
        return text[:_TEXT_MAX].rstrip() if texts.too_long == "cut" else text


def _literally(sql: str) -> str:
    return sql.replace("%", "%%")


def _name(name: str) -> str:
    return f"`{_literally(name)}`"


def _is_blank(number: str) -> bool:
    return not number.strip(" ")


def _minor(text: str, currency: str, config: Config) -> int:
    """An amount by its digits: it is never a number with a fraction."""
    sign, whole, digits = _digits(text)
    places = 0 if currency in _NO_PLACES else 3 if currency in _THREE_PLACES else 2
    if config.money.unit == "minor":
        places = 0
    kept, rest = digits[:places].ljust(places, "0"), digits[places:]
    amount = int(f"{whole}{kept}")
    if rest.strip("0") and config.money.fractions == "round":
        half = "5".ljust(len(rest), "0")
        amount += rest > half or (rest == half and amount % 2 == 1)
    return sign * amount


def _whole(text: str) -> int:
    sign, whole, rest = _digits(text)
    if rest.strip("0"):
        raise ValueError(text)
    return sign * int(whole)


def _digits(text: str) -> tuple[int, str, str]:
    """A number's sign, and its digits before and behind the point."""
    written = _NUMBER.fullmatch(text.strip())
    if written is None or not (written[2] or written[3]):
        raise ValueError(text)
    digits, behind = f"{written[2]}{written[3] or ''}", len(written[3] or "")
    behind -= int(written[4] or 0)
    digits = digits.ljust(len(digits) - min(0, behind), "0").rjust(behind + 1, "0")
    point = len(digits) - max(0, behind)
    return -1 if written[1] == "-" else 1, digits[:point], digits[point:]


def person_text(text: str, *, repair: bool) -> str:
    """A person's text, by its characters' categories where the service names code points."""
    if text.isascii() and text.isprintable():
        return text
    if repair and any(map(_is_refused, text)):
        text = " ".join("".join(" " if _is_refused(char) else char for char in text).split())
    text = "".join(" " if unicodedata.category(char) == "Zs" else char for char in text)
    text = "".join(filter(_is_kept, text)).strip(" ")
    return text if any(unicodedata.category(char) not in ("Zs", "Cf") for char in text) else ""


def _is_refused(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") or char in "\ufffe\uffff"


def _is_kept(char: str) -> bool:
    return char not in "\xad\ufeff" and unicodedata.bidirectional(char) not in _BIDI


def _mended(text: str) -> str:
    """UTF-8 stored as MySQL's latin1: cp1252, with the bytes themselves in its five gaps."""
    raw = bytearray()
    for char in text:
        try:
            raw += char.encode("cp1252")
        except UnicodeEncodeError:
            if ord(char) not in (0x81, 0x8D, 0x8F, 0x90, 0x9D):
                return text
            raw.append(ord(char))
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return text
