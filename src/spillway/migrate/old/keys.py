"""How an old order is named: by its number, spelled exactly as a SELECT shows it.

Copy, binary log, index, quarantine and the way back all use this one name. The index can only find
an order again if all of them make the same name of the same row, so each type of column that may be
the order number has its rule here, and a type without a rule is refused before anything is read.

Which spellings are the same number, the database alone decides, by the column's collation: "a1" is
"A1" in most of them, "Ü" is "Y" in one and "ss" is "ß" in another. Nothing here folds a text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from string import hexdigits
from typing import Literal, NamedTuple

from spillway.errors import SpillwayError

#: The name of all rows without an order number: NULL, empty, or nothing but spaces.
NO_NUMBER = ""

#: The bytes of each.
INTEGERS = {"tinyint": 1, "smallint": 2, "mediumint": 3, "int": 4, "bigint": 8}
#: Bytes, such as UUIDs of 16: their name is their hexadecimal digits.
BYTES = frozenset(("binary", "varbinary"))
_TEXTS = frozenset(("char", "varchar", "tinytext", "text", "mediumtext", "longtext"))
#: Character sets that the log can be read in without asking the server.
_UTF8 = frozenset(("utf8mb4", "utf8mb3", "utf8", "ascii"))
#: Character sets in which a character has two codes, of which the server writes one.
_TWO_CODES = frozenset(
    ("armscii8", "big5", "cp932", "eucjpms", "euckr", "gb18030", "gb2312", "gbk", "sjis", "ujis")
)


_A_NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)


class Encoded(NamedTuple):
    """A text as the log has it. Only the server knows its own character sets: Python's latin1 has
    no euro sign, MySQL's has."""

    charset: str
    content: bytes

    @property
    def literal(self) -> str:
        """In a statement."""
        return f"_{self.charset} x'{self.content.hex()}'"


#: An order number as the log has it: a name, or what the server must read first.
Logged = str | Encoded


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """The column with the order number.

    `zeros`: the width to which ZEROFILL fills a number, and BINARY its bytes. `decimals`: of a
    DECIMAL. `charset` and `ignores_spaces`, of a text: its collation ignores spaces at the end.
    """

    column: str
    kind: Literal["integer", "decimal", "text", "bytes"]
    zeros: int = 0
    decimals: int = 0
    charset: str = ""
    ignores_spaces: bool = False

    def logged(self, value: object, charset: str) -> Logged:
        """What the log says: None, a number, or a text's bytes, in its column's character set at
        the time of the change."""
        if self.kind == "bytes" and value is not None:
            # The log leaves out zeros at the end; and where nothing is left, Python has made a text
            # of it whatever its character set.
            content = value if isinstance(value, bytes) else b""
            return content.ljust(self.zeros, b"\0").hex()
        if isinstance(value, bytes):
            encoded = Encoded(charset or self.charset, value)
            return name(value.decode()) if encoded.charset in _UTF8 else encoded
        if isinstance(value, Decimal):
            return f"{value:.{self.decimals}f}".zfill(self.zeros)
        return NO_NUMBER if value is None else str(value).zfill(self.zeros)

    def shown(self, expression: str) -> str:
        """SQL of a number's name."""
        return f"LOWER(HEX({expression}))" if self.kind == "bytes" else expression

    def value(self, number: str) -> object:
        """As a value in a statement. A number as a number: MySQL would not use its index for a
        text, and compares a text with a DECIMAL as inexact numbers."""
        match self.kind:
            case "integer":
                return int(number)
            case "decimal":
                return Decimal(number)
            case "bytes":
                return bytes.fromhex(number)
        return number

    def may_be(self, number: str) -> bool:
        """The column can have this number. One that was noted or logged before its type was changed
        may be of another kind."""
        match self.kind:
            case "text":
                return True
            case "bytes":
                return len(number) % 2 == 0 and set(number) <= set(hexdigits)
        return _A_NUMBER.fullmatch(number) is not None and (
            self.kind == "decimal" or "." not in number
        )

    def has_characters_of(self, number: str) -> bool:
        """False where only the server knows whether the column's character set has all of them."""
        return self.kind != "text" or self.charset == "utf8mb4" or number.isascii()

    def sameness(self, expression: str) -> str | None:
        """SQL that is equal for rows whose numbers the database holds to be equal. None where the
        number's own text is."""
        if self.kind != "text":
            return None
        return f"WEIGHT_STRING({f'RTRIM({expression})' if self.ignores_spaces else expression})"

    def place(self, expression: str) -> str | None:
        """SQL of a number's bytes, to continue behind it: what is shown may be elsewhere in the
        index, see `exactness`. None where the shown number is the place."""
        if self.kind != "text" or self.charset in _UTF8:
            return None
        return f"CONCAT('0x', HEX({expression}))"

    def literal(self, place: str) -> str:
        """A place in a statement."""
        return Encoded(self.charset, bytes.fromhex(place.removeprefix("0x"))).literal

    def exactness(self, expression: str) -> str | None:
        """SQL that is true where the number can be asked for by its name. Other character sets than
        Unicode's have bytes without a character, shown as "?", and characters with two codes. None
        where each number can."""
        if self.kind != "text" or self.charset in _UTF8:
            return None
        shown = f"CONVERT({expression} USING utf8mb4)"
        return f"BINARY {expression} = BINARY CONVERT({shown} USING {self.charset})"

    def may_show(self, number: str) -> bool:
        """Rows that cannot be asked for by this name may be shown by it, see `exactness`."""
        if self.kind != "text" or self.charset in _UTF8:
            return False
        return self.charset in _TWO_CODES or "?" in number or "\ufffd" in number

    def is_lacking(self, expression: str) -> str:
        """SQL that is true for rows without a number; it can use the index. LIKE compares without
        a collation's weights."""
        if self.kind == "bytes":
            return f"({expression} IS NULL OR {expression} = '')"
        if self.kind != "text":
            return f"{expression} IS NULL"
        blank = f"{expression} LIKE ' %' AND TRIM({expression}) LIKE ''"
        return f"({expression} IS NULL OR {expression} LIKE '' OR ({blank}))"


def name(number: str | None) -> str:
    return NO_NUMBER if number is None or not number.strip(" ") else number


def key_column(
    column: str, data_type: str, column_type: str, charset: str | None, *, ignores_spaces: bool
) -> KeyColumn:
    """Of information_schema's description. SpillwayError: its values cannot name orders."""
    if data_type in INTEGERS:
        width = _numbers_in(column_type)[0] if "zerofill" in column_type else 0
        return KeyColumn(column, "integer", zeros=width)
    if data_type == "decimal":
        digits, decimals = _numbers_in(column_type)
        width = digits + (decimals > 0) if "zerofill" in column_type else 0
        return KeyColumn(column, "decimal", zeros=width, decimals=decimals)
    if data_type in _TEXTS:
        return KeyColumn(column, "text", charset=charset or "", ignores_spaces=ignores_spaces)
    if data_type in BYTES:
        width = _numbers_in(column_type)[0] if data_type == "binary" else 0
        return KeyColumn(column, "bytes", zeros=width)
    raise SpillwayError(
        f"The order number {column} is a {data_type.upper()}, which cannot name an order exactly:"
        f" name another column, such as a generated one with its text."
    )


def _numbers_in(column_type: str) -> list[int]:
    """10 and 2 of "decimal(10,2) unsigned zerofill"."""
    return [int(number) for number in column_type.partition("(")[2].partition(")")[0].split(",")]
