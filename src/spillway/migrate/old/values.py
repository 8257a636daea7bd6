"""From a column's value to an order's; every value comes as MySQL's own text.

A value that cannot be converted raises `Unusable` with a rule: a stable name for reports.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from orders.domain.money import decimals_of
from orders.domain.order import order_id_of
from orders.domain.text import REFUSED, normalised
from orders.domain.units import Millis
from spillway.currencies import DECIMALS, WITHDRAWN
from spillway.migrate.config import Money, Times

#: A longer amount is a typing error, and some would take all memory to become a number.
_AMOUNT_DIGITS_MAX = 15
_DIGITS_MAX = 40
#: As MySQL writes a number of any type. Decimal() also takes other alphabets' digits, underscores,
#: "NaN", and exponents that no memory holds.
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?", re.ASCII)
#: MySQL's own form of a date and time, and ISO 8601's as programs write it. fromisoformat() also
#: takes weeks, any letter between day and time, and, in newer versions of Python, 24:00.
_TIME = re.compile(
    r"(\d{4}-?\d\d-?\d\d)(?:[T ]((?:[01]\d|2[0-3]):?[0-5]\d(?::?[0-5]\d(?:\.\d{1,9})?)?)"
    r"(?: ?(Z|[-+]\d\d(?::?\d\d)?))?)?",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Unusable(Exception):
    """A value that cannot be part of an order: a rule that names why, and details for people."""


def minor_units(text: str, currency: str, money: Money) -> int:
    """An amount in minor units of its currency: "12.34" of GBP is 1234."""
    number = _decimal(text, "amount_not_a_number")
    if money.unit == "major":
        number = number.scaleb(decimals_of(currency))
    whole = number.to_integral_value()
    if whole != number and money.fractions == "quarantine":
        raise Unusable("amount_has_a_fraction", f"{text[:40]!r} isn't whole minor units")
    return int(whole)


def whole_number(text: str) -> int:
    number = _decimal(text, "quantity_not_a_number")
    if number != number.to_integral_value():
        raise Unusable("quantity_not_a_number", f"{text[:40]!r} is not whole")
    return int(number)


def _decimal(text: str, rule: str) -> Decimal:
    plain = text.strip()
    number = Decimal(plain if len(text) <= _DIGITS_MAX and _NUMBER.fullmatch(plain) else "NaN")
    if not number.is_finite() or number.adjusted() > _AMOUNT_DIGITS_MAX:
        raise Unusable(rule, f"{text[:40]!r}")
    return number


def known_currency(code: str) -> str:
    """Any other code would silently count as one with two decimals."""
    if code not in DECIMALS and code not in WITHDRAWN:
        raise Unusable("currency_unknown", f"{code!r} is no currency of ISO 4217")
    return code


class Clock:
    """Reads the old database's times. DATETIMEs are in `zone`, texts with an offset in that, and
    numbers count from 1970."""

    def __init__(self, zone: str, times: Times, now_ms: int) -> None:
        self._zone = ZoneInfo(zone)
        self._times = times
        first = datetime.combine(times.not_before, time.min, UTC)
        self._first_ms = int(first.timestamp() * 1000)
        # A clock may be a day ahead; a year 2099 is a typing error.
        self._last_ms = now_ms + 24 * 60 * 60 * 1000

    def unix_ms(self, text: str, *, utc: bool) -> int:
        """`utc`: a TIMESTAMP column, read in a session in UTC."""
        if text.isascii() and text.isdigit():
            digits = text.lstrip("0")[:_AMOUNT_DIGITS_MAX] or "0"
            at = int(digits) * (1000 if self._times.numbers_are == "seconds" else 1)
        else:
            at = self._date(text, utc=utc)
        if not self._first_ms <= at <= self._last_ms:
            raise Unusable("date_implausible", repr(text))
        return at

    def _date(self, text: str, *, utc: bool) -> int:
        read = _TIME.fullmatch(text.strip())
        if read is None:
            raise Unusable("date_unreadable", f"{text[:40]!r} is not like 2019-07-01 10:00:00")
        day, clock, offset = read.groups()
        try:
            written = datetime.fromisoformat(f"{day} {clock or '00:00'}{offset or ''}")
        except ValueError as error:
            # Outside its strict mode MySQL stores 0000-00-00 and 2010-02-31.
            raise Unusable("date_impossible", repr(text)) from error
        try:
            if written.tzinfo is not None:
                local = written
            else:
                local = written.replace(tzinfo=UTC) if utc else self._local(written, text)
            return (local.astimezone(UTC) - _EPOCH) // timedelta(milliseconds=1)
        except (OverflowError, ValueError) as error:
            raise Unusable("date_implausible", repr(text)) from error

    def _local(self, written: datetime, text: str) -> datetime:
        earlier, later = (written.replace(tzinfo=self._zone, fold=fold) for fold in (0, 1))
        if earlier.utcoffset() == later.utcoffset():
            return earlier
        # An hour that the clock shows twice reads back as it was written; one that it skips does
        # not. For a skipped one fold=0 uses the offset from before, of a clock not put forward.
        if _reads_back(earlier):
            if self._times.ambiguous == "quarantine":
                raise Unusable("date_ambiguous", f"{text!r} came twice in {self._zone.key}")
            return earlier if self._times.ambiguous == "earlier" else later
        if self._times.nonexistent == "quarantine":
            raise Unusable("date_nonexistent", f"{text!r} never came in {self._zone.key}")
        return earlier


def _reads_back(local: datetime) -> bool:
    there_and_back = local.astimezone(UTC).astimezone(local.tzinfo)
    return there_and_back.replace(tzinfo=None) == local.replace(tzinfo=None)


def identifier(text: str, *, repair: bool) -> str:
    """A program's text. To repair it: what cannot be printed becomes a space, spaces collapse."""
    if not repair or text.isprintable():
        return text
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def written(text: str, *, repair: bool) -> str:
    """A person's text, as an order stores it. To repair it: line breaks and whatever else an order
    cannot hold becomes a space, spaces collapse."""
    if repair and REFUSED.search(text):
        text = " ".join(REFUSED.sub(" ", text).split())
    return normalised(text)


def utf8_from_latin1(text: str) -> str:
    """The text that a client wrote as UTF-8 through a connection that said Latin-1.

    MySQL's latin1 is Windows-1252 with the five undefined bytes taken as they are. If the bytes are
    no UTF-8, the text was honest Latin-1 and stays.
    """
    if text.isascii():
        return text
    try:
        return b"".join(map(_latin1_byte, text)).decode()
    except (UnicodeDecodeError, UnicodeEncodeError):
        return text


def _latin1_byte(char: str) -> bytes:
    return char.encode("latin-1") if char in "\x81\x8d\x8f\x90\x9d" else char.encode("cp1252")


def order_id(source: str, key: str, created_at: int) -> str:
    """An imported order's id: a UUIDv7 made of the row's time and key, the same in every run.

    Real UUIDv7s have 74 random bits; these have 74 bits of SHA-256 over the old table's name,
    `source`, and the order's old key. So they meet a client's id as rarely as two clients' ids
    meet, and a customer's history is sorted by time across both kinds.
    """
    bits = int.from_bytes(hashlib.sha256(f"{source}\0{key}".encode()).digest()[:10], "big") >> 6
    return order_id_of(Millis(created_at), bits)
