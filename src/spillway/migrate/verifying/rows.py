"""What an old order's rows say, understood without any code of the copy's. Pure."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import iso4217

from spillway.migrate.config import Config, Field, StatusMeaning
from spillway.migrate.verifying.canonical import Canonical, State

#: Values by column, as texts; None for NULL.
Row = dict[str, Any]

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 -- all times that are compared with it are UTC too
#: Countries that took the euro or another currency, with two places until then.
_FORMER = "DEM FRF NLG ATS FIM IEP SIT CYP MTL SKK EEK LVL LTL HRK BGN ANG CUC SLL VEF ZWL".split()  # noqa: SIM905
#: By currency, the places behind the point: from ISO's own list.
_PLACES = {
    **dict.fromkeys(_FORMER, 2),
    **{one.code: one.exponent for one in iso4217.Currency if one.exponent is not None},
}
_NUMBER = re.compile(r"([-+]?)(\d*)(?:\.(\d*))?(?:e([-+]?\d{1,3}))?", re.ASCII | re.IGNORECASE)
#: ISO 8601: a day, perhaps a time of it, perhaps that time's offset.
_TIME = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)(?:[ T](\d\d):?(\d\d)(?::?(\d\d)(?:\.(\d{1,9}))?)?"
    r"(?: ?(?:(Z)|([-+])(\d\d):?(\d\d)?))?)?",
    re.ASCII,
)
_TEXT_MAX = 200
#: What embeds, overrides or isolates a direction.
_BIDI = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})


@dataclass(frozen=True, slots=True)
class Reader:
    """`timestamps` are the columns that the session reads in UTC."""

    config: Config
    #: Old customer id to subject.
    subject_of: Callable[[str], str | None]
    timestamps: frozenset[str]
    #: The words of the old shop's, among those that have a meaning, that the database holds equal
    #: to a status.
    alike: Callable[[str], list[str]]

    def read(self, name: str, rows: list[Row]) -> Canonical | None:
        """None for what can't be read as an order."""
        try:
            return self.order(name, rows)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            return None

    def order(self, name: str, rows: list[Row]) -> Canonical:
        """KeyError, ValueError and the like where they are no order."""
        first, fields = rows[0], self.config.order
        accepted_at = min(self._moment(row, fields.created_at) for row in rows)
        currency = self._text(fields.currency, name, first)
        meaning = self._meaning(self._text(fields.status, name, first, clean=False))
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
            state=self._state(meaning, rows, accepted_at),
            channel=self._text(fields.channel, name, first, clean=False),
            currency=currency,
            lines=tuple(lines),
            discount=discount,
            coupon=self._coupon(name, first) if discount else "",
            shipping=shipping,
            tax=tax,
            total=total,
            address=tuple(self._address(name, first)),
            payment=self._text(fields.payment_reference, name, first) if total else "",
            purchase_order=self._text(fields.purchase_order, name, first, written=True),
        )

    def _meaning(self, word: str) -> StatusMeaning:
        """Of the word as it is written, else of all that the database holds equal to it."""
        statuses, renamed = self.config.statuses, self.config.order.status.map or {}
        if word in statuses:
            return statuses[word]
        first, *others = (statuses[renamed.get(one, one)] for one in self.alike(word))
        if any(other != first for other in others):
            raise ValueError(word)
        return first

    def _coupon(self, name: str, row: Row) -> str:
        field = self.config.order.coupon
        return "DISCOUNT" if field is None else self._text(field, name, row)

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

    def _state(self, meaning: StatusMeaning, rows: list[Row], accepted_at: int) -> State:
        """What the saga would have on record, had it done what the old service did."""
        at, column = accepted_at, self.config.order.settled_at
        if meaning.is_ != "open" and column:
            settled = (row for row in rows if row[column] is not None)
            at = max([at, *(self._moment(row, column) for row in settled)])
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
        if old in ("", *customers.guest_ids) or (set(old) == {"0"} <= set(customers.guest_ids)):
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
        read = _TIME.fullmatch(text.strip())
        if read is None:
            raise ValueError(text)
        *parts, fraction, utc, sign, hours, minutes = read.groups()
        naive = datetime(*(int(part or 0) for part in parts))  # type: ignore[arg-type] # noqa: DTZ001
        milliseconds = int(f"{fraction or ''}000"[:3])
        if utc or sign:
            offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
            naive -= -offset if sign == "-" else offset
        elif column not in self.timestamps:
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
            found = _parsed(rows[0][spec.column])
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
        texts = self.config.texts
        if field.column in texts.utf8_in_latin1:
            text = _mended(text)
        if field.map is not None:
            text = field.map.get(text.strip(), text)
        if not clean:
            return text if text.strip() else field.default or ""
        if written:
            text = person_text(text, repair=texts.unprintable == "space")
        elif texts.unprintable == "space" and any(not char.isprintable() for char in text):
            text = re.sub(r" +", " ", "".join(c if c.isprintable() else " " for c in text))
        text = text.strip() or field.default or ""
        return text[:_TEXT_MAX].rstrip() if texts.too_long == "cut" else text


def _minor(text: str, currency: str, config: Config) -> int:
    """An amount by its digits: it is never a number with a fraction."""
    sign, whole, digits = _digits(text)
    places = _PLACES[currency] if config.money.unit == "major" else 0
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


def _parsed(text: str | bytes) -> Any:
    """JSON with its numbers as they are written. ValueError: also where an object has one name
    twice."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise ValueError(pairs)
        return dict(pairs)

    # From a BLOB: a byte that is no UTF-8 may be in a name that nobody asks for.
    written = text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else text
    return json.loads(written, parse_int=str, parse_float=str, object_pairs_hook=once)


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
