"""The TOML file of a price book, field by field, as its merchant writes it.

An amount is a decimal number with exactly its currency's decimals, by currency: { GBP = 3.95 }. A
time is a TOML date or date-time, or the same as text. docs/pricing.md says what each field means.
"""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from orders.domain.order import Channel
from spillway.errors import why_not
from spillway.price_book.faults import Faults
from spillway.price_book.toml_lines import Place, line_of, lines_of

Amounts = dict[str, str | int]


class Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`columns` are those of the articles' files that the store shows, `channels` those whose
    prices everybody may see; `page` is handed on to it as it is."""

    columns: tuple[str, ...] = ()
    channels: tuple[Channel, ...] = ("retail",)
    page: dict[str, Any] = {}


class TopLevel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The keys before the tables."""

    articles: str | tuple[str, ...]
    timezone: str | None = None
    tax_classes: tuple[str, ...] = ("standard",)
    catalogue: Catalogue = Catalogue()


class Band(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The price from a weight or from a subtotal on."""

    price: Amounts
    from_g: int | None = None
    from_: Amounts | None = msgspec.field(name="from", default=None)


class Delivery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    channel: Channel
    countries: tuple[str, ...]
    by: Literal["subtotal", "weight"] = "subtotal"
    price: Amounts | None = None
    bands: tuple[Band, ...] = msgspec.field(name="band", default=())
    free_from: Amounts = {}


class Tax(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    included: bool
    rates: dict[str, str | int]
    delivery: str
    channel: Channel | None = None
    countries: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    per: Literal["order", "line"] = "order"
    rounding: Literal["half_up", "down"] = "half_up"


class Coupon(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    code: str
    channels: tuple[Channel, ...]
    percent: str | int | None = None
    amounts: Amounts = {}
    minimum: Amounts = {}
    goods: tuple[str, ...] = ()
    from_: Any = msgspec.field(name="from", default=None)
    until: Any = None
    combines: bool = False
    once_per_customer: bool = False
    limit: int | None = None
    single_use_codes: bool = False


_Table = TypeVar("_Table", bound=msgspec.Struct)
#: msgspec's sentence about one field: which, and where below the table it is.
_UNKNOWN = re.compile(r"unknown field `(.+?)`")
_PATH = re.compile(r" - at `(?:key in )?\$\.?(.*?)`$")
_LISTS = ("delivery", "tax", "coupon")


class TomlFile:
    """A TOML file that has been read: its top-level keys, and its tables with their places.

    What has the wrong form is a fault, and is left out: `top` then is None. Raises BookFaulty where
    the file is no TOML at all.
    """

    def __init__(self, text: str, file: str, faults: Faults) -> None:
        self.file = file
        self.faults = faults
        self._lines = lines_of(text)
        try:
            # A number is kept as it is written: 14.00 has two decimals, 14.0 has one.
            self._content = tomllib.loads(text, parse_float=str)
        except tomllib.TOMLDecodeError as error:
            sentence, _, where = str(error).partition(" (at line ")
            line = int(where.partition(",")[0]) if where else None
            faults.stop(file, line, f"This is no TOML: {sentence}.")
        except (ValueError, RecursionError):
            # Python reads no number of more than 4,300 digits, and no list in so many others.
            faults.stop(file, None, "A number is too long here, or too much is within one another.")
        keys = {name: value for name, value in self._content.items() if name not in _LISTS}
        self.top = self._read(TopLevel, keys, ())
        self.deliveries = list(self._tables("delivery", Delivery))
        self.taxes = list(self._tables("tax", Tax))
        self.coupons = list(self._tables("coupon", Coupon))

    def _tables(self, name: str, of: type[_Table]) -> Iterator[tuple[Place, _Table]]:
        """Every well-formed `[[name]]`, with its place."""
        entries = self._content.get(name, [])
        if not isinstance(entries, list):
            self.fault((name,), f"Every entry begins with [[{name}]], in double brackets.")
            return
        for number, entry in enumerate(entries):
            table = self._read(of, entry, (name, number))
            if table is not None:
                yield (name, number), table

    def line(self, place: Place) -> int | None:
        return line_of(place, self._lines)

    def fault(self, place: Place, sentence: str) -> None:
        self.faults.add(self.file, self.line(place), sentence)

    def _read(self, of: type[_Table], content: Any, place: Place) -> _Table | None:
        """A table in the form `of`; None when it has another, with a fault for each field."""
        left, faulty = content, False
        while True:
            try:
                table = msgspec.convert(left, of)
            except msgspec.ValidationError as error:
                sentence = str(error)
                field = _field(sentence)
                if field is None or field not in left:
                    # A field that is missing, unless it was taken out below.
                    if not faulty or _missing(sentence) not in content:
                        self.fault(place, _plain(sentence))
                    return None
                self.fault((*place, *_deeper(sentence, field)), _plain(sentence))
                left = {name: value for name, value in left.items() if name != field}
                faulty = True
            else:
                return None if faulty else table


def _field(sentence: str) -> str | None:
    """The table's own field that an error is in."""
    path = _PATH.search(sentence)
    if path and path[1]:
        return re.split(r"[.\[]", path[1])[0]
    unknown = _UNKNOWN.search(sentence)
    return unknown[1] if unknown else None


def _deeper(sentence: str, field: str) -> Place:
    """The field with what is below it, as far as the error says."""
    path = _PATH.search(sentence)
    if not path or not path[1]:
        return (field,)
    parts = re.findall(r"[^.\[\]]+", path[1])
    return tuple(int(part) if part.isdecimal() else part for part in parts)


def _missing(sentence: str) -> str:
    return sentence.partition("missing required field `")[2].partition("`")[0]


def _plain(sentence: str) -> str:
    """An error of msgspec in the words of TOML."""
    message = _PATH.sub("", sentence)
    path = _PATH.search(sentence)
    if unknown := _UNKNOWN.search(message):
        return f"There is no field {unknown[1]!r} here."
    if missing := _missing(message):
        return f"The field {missing!r} is missing."
    where = f"{path[1]}: " if path and path[1] else ""
    for word, plain in (
        ("`str`", "text"),
        ("`int`", "a whole number"),
        ("`bool`", "true or false"),
        ("`array`", "a list"),
        ("`object`", "a table"),
        ("`null`", "nothing"),
    ):
        message = message.replace(word, plain)
    return f"{where}{message[:1].lower() + message[1:] if where else message}."


def read_text(path: Path, name: str, bytes_max: int, faults: Faults) -> str | None:
    """A file's text, with Excel's mark at its beginning and its line ends taken out.

    None, and a fault, where it cannot be read. A file that is too large is not opened, and neither
    is a device, which has no end.
    """
    try:
        found = path.stat()
        if found.st_size > bytes_max:
            faults.add(
                name,
                None,
                f"The file has {found.st_size:,} bytes; at most {bytes_max:,} are allowed.",
            )
            return None
        if not stat.S_ISREG(found.st_mode):
            faults.add(name, None, "This isn't a file.")
            return None
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        # A name with a zero character in it is a ValueError.
        why = why_not(error) if isinstance(error, OSError) else error
        faults.add(name, None, f"The file cannot be read: {why}.")
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        faults.add(
            name, line, f"This is no UTF-8 (byte {content[error.start]:#04x}): save it as UTF-8."
        )
        return None
    return _without_controls(text.replace("\r\n", "\n"), name, faults)


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def _without_controls(text: str, name: str, faults: Faults) -> str | None:
    found = None
    for found in _CONTROL.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        faults.add(name, line, f"There is a control character here (U+{ord(found[0]):04X}).")
        if faults.count > _CONTROLS_MAX:
            break
    return text if found is None else None


_CONTROLS_MAX = 100
