"""What a downstream's answer means, by the rules that its description declares.

The first rule that fits counts. What fits none is for `orders.downstream.undeclared`.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from orders.downstream.transport import Answer

#: What fulfilment tells of a parcel, and of all of the order at once (orders.domain.parcels).
OfParcel = Literal["shipped", "delivered", "returned"]
OfOrder = Literal["order_returned"]
_OF_ONE: tuple[str, ...] = get_args(OfParcel)
OF_PARCELS: tuple[str, ...] = (*_OF_ONE, *get_args(OfOrder))
Meaning = Literal[
    "done", "refused", "unknown", "misconfigured", "wrong", "later", "nothing", OfParcel, OfOrder
]
#: Those that decide nothing about an order.
_UNDECIDED = frozenset({"unknown", "misconfigured"})
Pointer = Annotated[str, Meta(pattern=r"^(/[^/]*)+$")]
Scalar = str | int | bool
StatusRange = Literal["2xx", "3xx", "4xx", "5xx"]

_HEADER = "header:"
_POINTER = "(?:/[^/]*)+"
_ASK = re.compile(rf"{_POINTER}|{_HEADER}[A-Za-z0-9-]+")
_GOES_WITH: dict[str, tuple[str, ...]] = {
    "reference": ("done",),
    "code": ("refused",),
    "ask": ("later",),
    "parcel": _OF_ONE,
    "carrier": ("shipped",),
    "tracking_number": ("shipped",),
    "parcels": OF_PARCELS,
}
#: A longer reference does not go into an order's facts. A step that needs it is for a person then.
REFERENCE_MAX = 1_000
#: What goes into the order's facts: `orders.downstream.http.named_code`.
_CODE = re.compile(rf"{_POINTER}|[A-Za-z0-9_.-]{{1,100}}")


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`status`: of the answer, any where there is none. `where`: by pointer into the body, the
    values that fit. A rule with a `code` fits an answer that has one; a lookup that means `done`
    one that has the reference, for an empty list is no proof that anything was done."""

    means: Meaning
    status: tuple[Annotated[int, Meta(ge=100, le=599)] | StatusRange, ...] = ()
    where: dict[Pointer, tuple[Scalar, ...]] = {}
    #: The downstream's own name for what it did.
    reference: Pointer | None = None
    #: Why it will not: a pointer, or a code of our own.
    code: str | None = None
    #: Where to ask what became of it: a pointer, or `header:` and a header's name.
    ask: str | None = None
    #: The downstream's own number of the parcel that it tells of.
    parcel: Pointer | None = None
    carrier: Pointer | None = None
    tracking_number: Pointer | None = None
    #: How many parcels the order has.
    parcels: Pointer | None = None

    def __post_init__(self) -> None:
        for name, goes_with in _GOES_WITH.items():
            if getattr(self, name) is not None and self.means not in goes_with:
                raise ValueError(
                    f'{name} goes with means = "{" or ".join(goes_with)}", not "{self.means}"'
                )
        if self.means in _OF_ONE and self.parcel is None:
            raise ValueError(f'means = "{self.means}" goes with a parcel, which says of which')
        if self.means == "refused" and self.code is None:
            raise ValueError('means = "refused" goes with a code, which says why')
        if self.code is not None and not _CODE.fullmatch(self.code):
            raise ValueError(
                f"code is a pointer, or up to 100 letters, digits, _ . and -: {self.code!r} is not"
            )
        if self.ask is not None and not _ASK.fullmatch(self.ask):
            raise ValueError(f"ask is a pointer, or header: and a header's name: {self.ask!r}")
        for pointer, values in self.where.items():
            if not values:
                raise ValueError(f"where has no value for {pointer}, so it would never fit")

    @property
    def is_sweeping(self) -> bool:
        """It decides about orders by answers that say nothing of them, as a 401 does."""
        if self.where or self.means in _UNDECIDED:
            return False
        return not self.status or not {"3xx", "4xx", "5xx"}.isdisjoint(self.status)

    def is_told_from(self, other: Rule) -> bool:
        """Whether what it asks for rules the other out, so that no message fits both."""
        return any(
            pointer in other.where and not any(_in(other.where[pointer], value) for value in values)
            for pointer, values in self.where.items()
        )

    def fits(self, answer: Answer, document: Any, *, lookup: bool) -> bool:
        if self.means == "nothing" and not lookup:
            return False
        if self.status and not any(_is(answer.status, one) for one in self.status):
            return False
        if not all(
            _in(values, pointed_at(document, pointer)) for pointer, values in self.where.items()
        ):
            return False
        if self.means == "refused":
            return bool(self.refusal(document))
        return self.means != "done" or self._names(document, lookup=lookup)

    def named(self, document: Any) -> str | None:
        """The reference in an answer, whole: cut, it would be another's. A number is as good a name
        as a text."""
        found = None if self.reference is None else pointed_at(document, self.reference)
        return str(found) if is_name(found) and 0 < len(str(found)) <= REFERENCE_MAX else None

    def _names(self, document: Any, *, lookup: bool) -> bool:
        """Whether what is in the reference's place is one, or nothing where none is needed."""
        if self.reference is None:
            return not lookup
        found = pointed_at(document, self.reference)
        if found in (None, ""):
            return isinstance(document, dict) and not lookup
        return is_name(found)

    def refusal(self, document: Any) -> str:
        """The code in an answer, empty where it has none."""
        if self.code is None or not self.code.startswith("/"):
            return self.code or ""
        found = pointed_at(document, self.code)
        return found if isinstance(found, str) else ""

    def ask_at(self, answer: Answer, document: Any) -> str | None:
        if self.ask is None:
            return None
        if self.ask.startswith(_HEADER):
            return answer.headers.get(self.ask.removeprefix(_HEADER).lower())
        found = pointed_at(document, self.ask)
        return found if isinstance(found, str) else None


def decoded(body: bytes) -> Any:
    """The document in an answer's body, an empty one for no body. Raises ValueError where it has
    none. Some write a byte order mark, which a reader may ignore (RFC 8259, 8.1)."""
    try:
        return msgspec.json.decode(body.removeprefix(codecs.BOM_UTF8).strip() or b"{}")
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def first_that_fits(
    rules: Sequence[Rule], answer: Answer, document: Any, *, lookup: bool
) -> Rule | None:
    return next((rule for rule in rules if rule.fits(answer, document, lookup=lookup)), None)


def is_name(found: Any) -> bool:
    return isinstance(found, str | int) and not isinstance(found, bool)


def _in(values: Sequence[Scalar], found: Any) -> bool:
    # In Python true equals 1, and in JSON it does not.
    return any(type(value) is type(found) and value == found for value in values)


def _is(status: int, declared: int | str) -> bool:
    return f"{status // 100}xx" == declared if isinstance(declared, str) else status == declared


def pointed_at(document: Any, pointer: str) -> Any:
    """What a JSON pointer (RFC 6901) leads to, None where it leads nowhere."""
    for part in pointer[1:].split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, list) and re.fullmatch("[0-9]{1,6}", name):
            index = int(name)
            document = document[index] if index < len(document) else None
        elif isinstance(document, dict):
            document = document.get(name)
        else:
            return None
    return document
