"""Reads one value of a price book. Each function raises ValueError with a sentence that says what
is wrong and how it is written right."""

from __future__ import annotations

import re
import unicodedata
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from orders.domain.book import WHOLE
from orders.domain.countries import COUNTRIES
from orders.domain.coupon_codes import SUFFIX_CHARS
from orders.domain.money import UNIT_PRICE_MAX
from orders.domain.refusals import SKU_MAX
from orders.domain.units import Millis
from spillway.currencies import DECIMALS, in_major_units

#: By how many decimals there are.
_AMOUNT = {
    0: re.compile(r"[0-9]{1,12}"),
    2: re.compile(r"[0-9]{1,12}\.[0-9]{2}"),
    3: re.compile(r"[0-9]{1,12}\.[0-9]{3}"),
}
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_STATE = re.compile(r"([A-Z]{2})-[A-Z0-9]{1,3}")
_ONE_DAY = timedelta(days=1)
WEIGHT_GRAMS_MAX = 10_000_000


def minor_units(written: str | int, currency: str) -> int:
    """An amount as people write it, with exactly its currency's decimals: 14.00 in pounds."""
    decimals = DECIMALS[currency]
    text = str(written)
    if not _AMOUNT[decimals].fullmatch(text):
        raise ValueError(
            f"{text!r} isn't an amount in {currency}: one is written with {_decimals(decimals)},"
            f" like {example(currency)}."
        )
    amount = int(text.replace(".", ""))
    if amount > UNIT_PRICE_MAX:
        raise ValueError(f"{text} {currency} is more than an order may have.")
    return amount


def _decimals(count: int) -> str:
    return f"{count} decimals" if count else "no decimals"


def example(currency: str) -> str:
    return f"{14:.{DECIMALS[currency]}f}" if DECIMALS[currency] else "1400"


def major_units(amount: int, currency: str) -> str:
    """Minor units as they are written in a price book."""
    return f"{in_major_units(amount, currency):f}"


def rate(written: str | int, *, at_least: int = 0) -> int:
    """A percentage of 0 to 100, in parts per million."""
    try:
        parts = Decimal(str(written)) * WHOLE / 100
    except ArithmeticError:
        raise ValueError(f"{written!r} isn't a percentage: one is written like 8.875.") from None
    if not (parts.is_finite() and at_least <= parts <= WHOLE and parts == int(parts)):
        raise ValueError(f"{written} isn't a percentage of 0 to 100 with at most 4 decimals.")
    return int(parts)


def whole(text: str, most: int) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= most):
        raise ValueError(f"{text!r} isn't a whole number of 1 to {most:,}.")
    return int(text)


def sku(text: str) -> str:
    """A sku or a coupon's code: what intake takes, and a person can type again."""
    if not (0 < len(text) <= SKU_MAX and text.isprintable() and text == text.strip()):
        raise ValueError(
            f"{text[: SKU_MAX + 1]!r} isn't a sku or code: one has 1 to {SKU_MAX} printable"
            " characters, and no space at either end."
        )
    return text


def coupon_code(text: str, *, single_use_codes: bool = False) -> str:
    """A customer types a code in any case and on any keyboard, and forms make capitals of it."""
    capitals = unicodedata.normalize("NFC", sku(text).upper())
    if text != capitals:
        raise ValueError(f"{text!r} is written {capitals!r} in a book: nobody could type it.")
    if single_use_codes and len(text) + SUFFIX_CHARS > SKU_MAX:
        raise ValueError(
            f"{text!r} is too long for single-use codes, which have {SUFFIX_CHARS} characters more"
            f" and {SKU_MAX} at most."
        )
    return text


def country(text: str) -> str:
    if text not in COUNTRIES:
        raise ValueError(f"{text!r} isn't a country: one is written as in ISO 3166-1, like GB.")
    return text


def is_state(text: str) -> bool:
    """A part of a country as ISO 3166-2 writes it: US-CA. Which ones there are is not checked."""
    found = _STATE.fullmatch(text)
    return found is not None and found[1] in COUNTRIES


def begin(written: Any, zone: ZoneInfo | None) -> Millis:
    """A moment, or a day's first one."""
    return _moment(written, zone, days=0)


def end(written: Any, zone: ZoneInfo | None) -> Millis:
    """A moment, or the first one after a day: until the 24th is all of the 24th."""
    return _moment(written, zone, days=1)


def _moment(written: Any, zone: ZoneInfo | None, days: int) -> Millis:
    moment = _parsed(written)
    if not 2000 <= moment.year < 3000:
        raise ValueError(f"{written} is not in this millennium.")
    if not isinstance(moment, datetime):
        if zone is None:
            raise ValueError(
                f"{written} is a day, and begins elsewhere at another time: name a `timezone` at"
                " the top of the book, or write the time with its zone."
            )
        moment = datetime.combine(moment + days * _ONE_DAY, time(), zone)
    if moment.tzinfo is None:
        raise ValueError(f"{written} has no time zone: write it like 2026-12-01T08:00:00Z.")
    return Millis(int(moment.timestamp() * 1000))


def _parsed(written: Any) -> date:
    if isinstance(written, date):
        return written
    text = str(written)
    # Python would also read weeks, and times without separators.
    day = _DAY.match(text)
    try:
        if day and day[0] == text:
            return date.fromisoformat(text)
        return datetime.fromisoformat(text if day else "")
    except ValueError:
        raise ValueError(
            f"{text!r} isn't a time: write a day like 2026-12-01, or a time like"
            " 2026-12-01T08:00:00Z."
        ) from None
