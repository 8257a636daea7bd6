"""The JSON of an order, or of a request for a quote, with every shape fault named.

The shape is read off the domain's own dataclasses, so that a field is declared once. msgspec's own
typed decoding takes a twentieth of the time, but stops at the first fault, and a client that must
mend its order deserves to hear of all of them: so it goes first, and the readers below have the
orders that it refuses.
"""

from __future__ import annotations

import hashlib
import types
import typing
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any, Generic, Literal, TypeVar

import msgspec

from orders.domain.order import Order
from orders.domain.quote import QuoteRequest
from orders.domain.refusals import Refusal, Rule

DIGEST_BYTES = 16

T = TypeVar("T")
_Reader = Callable[[Any, str, list[Refusal]], Any]
_Check = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Content:
    """An order as it was sent, and what identifies it."""

    order: Order
    digest: bytes
    price_signature: str | None = None


def content_of(body: bytes) -> Content | list[Refusal]:
    """The order in a request's body, or every fault in its shape."""
    raw = _decoded(body)
    if isinstance(raw, Refusal):
        return [raw]
    found: list[Refusal] = []
    price_signature = _read_price_signature(raw, found)
    order = _ORDER.read(raw, body, found)
    return found or Content(order, _digest(raw), price_signature)


def quote_request_of(body: bytes) -> QuoteRequest | list[Refusal]:
    """The same for what a quote is asked for."""
    raw = _decoded(body)
    if isinstance(raw, Refusal):
        return [raw]
    found: list[Refusal] = []
    request = _QUOTE_REQUEST.read(raw, body, found)
    return found or request


_VERDICTS: tuple[Literal["released"], Literal["refused"]] = ("released", "refused")


def verdict_of(body: bytes) -> Literal["released", "refused"] | Refusal:
    """What an approver has decided: `{"verdict": "released"}`."""
    raw = _decoded(body)
    if isinstance(raw, Refusal):
        return raw
    for verdict in _VERDICTS:
        if raw == {"verdict": verdict}:
            return verdict
    return Refusal(Rule.FIELD_WRONG_TYPE, "/verdict", 'Must be "released" or "refused", alone.')


def _decoded(body: bytes) -> Any:
    """The JSON in a body; a Refusal where there is none."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Refusal(Rule.BODY_NOT_JSON, "", "The body is not JSON.")


def _read_price_signature(raw: Any, found: list[Refusal]) -> str | None:
    """Taken out of the body: it is a proof that comes with an order, not a part of one.

    So it is neither stored nor in the digest, for all that it covers is, and it may be made anew.
    Once its key is retired it says nothing. Stored, it would make an order 63 bytes longer: 1.0079
    write units in place of 1.0058 over 1,388 real sales.
    """
    if type(raw) is not dict:
        return None
    signature = raw.pop("price_signature", None)
    reader = _optional(_scalar(str))
    return typing.cast("str | None", reader(signature, "/price_signature", found))


def _digest(raw: dict[str, Any]) -> bytes:
    """Identifies the content: the same whatever the order of fields or the white space.

    Taken of what was sent, not of what today's code makes of it, so that a retry across a
    deployment is still the same. The receipt is a proof, not content: it may be issued anew.
    """
    content = dict(raw)
    if content.get("payment") is not None:
        content["payment"] = {**content["payment"]}
        del content["payment"]["receipt"]
    canonical = msgspec.json.encode(content, order="sorted")
    return hashlib.sha256(canonical).digest()[:DIGEST_BYTES]


class _Shape(Generic[T]):
    """Reads one dataclass."""

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind
        self.reader = _reader(kind)
        self._has_no_unknown_field = _only_fields_of(kind)

    def read(self, raw: Any, body: bytes, found: list[Refusal]) -> T:
        """The value. Where faults are found it may be anything."""
        value = None if _has_long_number(body) else self._converted(raw)
        if value is None:
            value = self.reader(raw, "", found)
        return typing.cast("T", value)

    def _converted(self, raw: Any) -> T | None:
        """The value if nothing is wrong with its shape, else None."""
        try:
            value = msgspec.convert(raw, self._kind)
        except msgspec.ValidationError:
            return None
        # Into a dataclass msgspec takes what it knows and says nothing of the rest.
        return value if self._has_no_unknown_field(raw) else None


def _has_long_number(body: bytes) -> bool:
    """Whether there may be a number in it that does not fit into 64 bits. msgspec reads one of
    4,300 digits, and the sums of such cannot even be written down.

    What looks so within a text costs the slower way and nothing else. A regular expression would
    take ten times as long.
    """
    return _LONG_NUMBER in body.translate(_MARKED)


# Before a number is one of these. So a payment's reference of 20 digits is none: a quote is before.
_MARKED = bytes.maketrans(b"123456789,[- \t\r\n", b"0" * 9 + b":" * 7)
_LONG_NUMBER = b":" + b"0" * len(str(2**63))
_INT64 = range(-(2**63), 2**63)


def _reader(kind: Any) -> _Reader:
    """The reader for one type annotation of the domain."""
    if is_dataclass(kind):
        return _object(typing.cast("type", kind))
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return _list(_reader(arguments[0]))
    if origin is Literal:
        return _one_of(arguments)
    if origin is types.UnionType:
        return _optional(_reader(arguments[0]))
    return _scalar(kind)


def _object(kind: type) -> _Reader:
    hints = typing.get_type_hints(kind)
    readers = {field.name: _reader(hints[field.name]) for field in fields(kind)}
    required = [field.name for field in fields(kind) if field.default is MISSING]

    def read(raw: Any, pointer: str, found: list[Refusal]) -> Any:
        if type(raw) is not dict:
            return _wrong_type(pointer, "an object", found)
        faults_before = len(found)
        found += [
            Refusal(Rule.FIELD_MISSING, f"{pointer}/{name}", "Required.")
            for name in required
            if name not in raw
        ]
        values = {}
        for name, value in raw.items():
            reader = readers.get(name)
            if reader is None:
                found.append(
                    Refusal(Rule.FIELD_UNKNOWN, f"{pointer}/{_escaped(name)}", "Not a field here.")
                )
            else:
                values[name] = reader(value, f"{pointer}/{name}", found)
        return kind(**values) if len(found) == faults_before else None

    return read


def _no_unknown_field(kind: Any) -> _Check | None:
    """Whether a value of the right shape has no unknown field; None where it cannot have one."""
    if is_dataclass(kind):
        return _only_fields_of(typing.cast("type", kind))
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    within = _no_unknown_field(arguments[0]) if origin in (tuple, types.UnionType) else None
    if within is None:
        return None
    if origin is tuple:
        return lambda raw: all(map(within, raw))
    return lambda raw: raw is None or within(raw)


def _only_fields_of(kind: type) -> _Check:
    hints = typing.get_type_hints(kind)
    nested = [(name, within) for name, hint in hints.items() if (within := _no_unknown_field(hint))]
    if not nested and all(field.default is MISSING for field in fields(kind)):
        # All fields are required and there, so one more would be an unknown one. This check
        # runs for every line.
        return lambda raw: len(raw) == len(hints)

    def check(raw: Any) -> bool:
        return raw.keys() <= hints.keys() and all(
            within(raw[name]) for name, within in nested if name in raw
        )

    return check


def _list(reader: _Reader) -> _Reader:
    def read(raw: Any, pointer: str, found: list[Refusal]) -> Any:
        if type(raw) is not list:
            return _wrong_type(pointer, "a list", found)
        return tuple(reader(value, f"{pointer}/{index}", found) for index, value in enumerate(raw))

    return read


def _one_of(allowed: tuple[str, ...]) -> _Reader:
    def read(raw: Any, pointer: str, found: list[Refusal]) -> Any:
        # A list can't be looked up in a set, and an answer must not depend on what can.
        if type(raw) is str and raw in allowed:
            return raw
        return _wrong_type(pointer, " or ".join(f'"{value}"' for value in allowed), found)

    return read


def _optional(reader: _Reader) -> _Reader:
    def read(raw: Any, pointer: str, found: list[Refusal]) -> Any:
        return None if raw is None else reader(raw, pointer, found)

    return read


def _scalar(kind: type) -> _Reader:
    name = {str: "a text", int: "a whole number of at most 64 bits"}[kind]

    def read(raw: Any, pointer: str, found: list[Refusal]) -> Any:
        # By exact type: to Python, true is a whole number too.
        right = type(raw) is kind and (kind is str or raw in _INT64)
        return raw if right else _wrong_type(pointer, name, found)

    return read


def _wrong_type(pointer: str, expected: str, found: list[Refusal]) -> None:
    found.append(Refusal(Rule.FIELD_WRONG_TYPE, pointer, f"Must be {expected}."))


def _escaped(name: str) -> str:
    """A field's name within a JSON Pointer, cut to what an answer should repeat."""
    return name[:100].replace("~", "~0").replace("/", "~1")


_ORDER = _Shape(Order)
_QUOTE_REQUEST = _Shape(QuoteRequest)
