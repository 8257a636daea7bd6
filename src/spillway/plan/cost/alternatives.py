"""The same orders on other designs, from the operation counts in `alternatives.toml`."""

from __future__ import annotations

import ast
import operator
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import msgspec

from spillway.plan.prices import Bill, Book, Usage, Use, priced

_FILE = Path(__file__).parent / "alternatives.toml"
MILLION = 1_000_000

Count = tuple[str, str, str]

_OPERATORS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


class Alternative(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One design. `but`: what this service does and the design cannot."""

    name: str
    what: str
    but: str = ""
    based_on: str | None = None
    without: tuple[str, ...] = ()
    per_order: tuple[Count, ...] = ()
    per_month: tuple[Count, ...] = ()

    def usage(self, common: Mapping[str, float], ours: Usage) -> Usage:
        """What one order and a month use. `ours`: the same of our own order."""
        kept = (
            [use for use in ours if not use.name.startswith(self.without or ("\0",))]
            if self.based_on == "ours"
            else []
        )
        own = [
            Use(source, price, value(count, common), per_month=per_month)
            for counts, per_month in ((self.per_order, False), (self.per_month, True))
            for price, count, source in counts
        ]
        return Usage((*kept, *own))


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    common: Mapping[str, float]
    alternative: tuple[Alternative, ...]


class Compared(msgspec.Struct, frozen=True):
    """An alternative's price: for a million orders, and for a month without any.

    `break_even`: from so many orders a month it is cheaper than ours; None where it never is.
    """

    alternative: Alternative
    per_million: float
    per_month: float
    break_even: float | None
    bill: Bill
    confirmed: bool


@cache
def alternatives() -> tuple[Mapping[str, float], tuple[Alternative, ...]]:
    """The common figures and all designs."""
    file = msgspec.convert(tomllib.loads(_FILE.read_text()), _File)
    return file.common, file.alternative


def compare(ours: Usage, ours_per_month: float, book: Book) -> list[Compared]:
    """All designs at list price. `ours`: one order's use, `ours_per_month`: our idle month."""
    common, designs = alternatives()
    per_order = priced(ours.scaled(MILLION), book).for_orders / MILLION
    return [
        _compared(design, design.usage(common, ours), per_order, ours_per_month, book)
        for design in designs
    ]


def _compared(
    design: Alternative, usage: Usage, our_order: float, our_month: float, book: Book
) -> Compared:
    bill = priced(usage.scaled(MILLION), book)
    order, month = bill.for_orders / MILLION, bill.for_the_month
    if design.based_on == "ours":
        month += our_month
    return Compared(
        alternative=design,
        per_million=bill.for_orders,
        per_month=month,
        break_even=break_even(our_order, our_month, order, month),
        bill=bill,
        confirmed=all(item.confirmed for item in bill.items),
    )


def break_even(our_order: float, our_month: float, order: float, month: float) -> float | None:
    """Orders a month from which a design with these prices is cheaper than ours.

    0: it always is. None: it never is.
    """
    if order < our_order:
        return max(0.0, (month - our_month) / (our_order - order))
    return None if month >= our_month else 0.0 if order == our_order else None


def value(formula: str, names: Mapping[str, float]) -> float:
    """The value of a sum or product of numbers and `names`. Raises ValueError for anything else."""
    return _value(ast.parse(formula, mode="eval").body, names)


def _value(node: ast.expr, names: Mapping[str, float]) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(left, names), _value(right, names))
    raise ValueError(f"not a formula of known figures: {ast.unparse(node)}")
