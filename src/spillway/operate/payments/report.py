"""What a run of `spillway payments reconcile` has found, for people, programs and bookkeepers."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

from orders.domain.order import OrderKey, Payment
from orders.domain.payments import FOR_A_PERSON, SURPLUS, Finding
from orders.domain.units import Millis
from orders.flow.reconcile import NONE_ORDERED, Ran, Reconciled, Return
from spillway.currencies import in_major_units
from spillway.errors import SpillwayError, why_not
from spillway.ui.formatting import counted, money, rfc3339

if TYPE_CHECKING:
    from rich.console import Console

#: So many payments are named one by one; the report file has all.
NAMED_MAX = 20

#: In words, for whom the report is.
MEANING = {
    Finding.ORDERED: "its order stands",
    Finding.WAITING: "no order yet: the customer may still send it",
    Finding.NO_ORDER: "no order, and there will be none",
    Finding.PAID_TWICE: "its order was paid with another payment, costs nothing, or was placed on"
    " terms",
    Finding.DIFFERS: "its order says another amount or currency",
    Finding.RETURNED_AND_ORDERED: "it has gone back, and its order stands",
    Finding.UNPAID: "its order names another payment, which the gateway does not have",
    Finding.FUTURE_ID: "its order id is of a time that is still to come",
    Finding.UNNAMED: "it names no customer and order",
}
RETURNED = {
    Return.DUE: "to be given back",
    Return.DONE_BEFORE: "had gone back before",
    Return.GIVEN_BACK: "given back",
    Return.LATER: "to be given back by the next run",
    Return.BY_HAND: "to be given back by hand",
    Return.REFUSED: "the gateway will not give it back",
}
#: Nobody has to do anything about these.
_FINE = frozenset({Return.DONE_BEFORE, Return.GIVEN_BACK})
COLUMNS = (
    "reference",
    "taken_at",
    "amount",
    "currency",
    "customer_id",
    "order_id",
    "finding",
    "meaning",
    "returned",
    "returned_amount",
    "detail",
)


@dataclass(frozen=True, slots=True)
class UnpaidOrder:
    """An order whose payment the gateway does not have, or has for another one."""

    key: OrderKey
    payment: Payment
    accepted_at: Millis


@dataclass(slots=True)
class Found:
    """What is told at the end. `named`: the first of those that are not as they should be. `sums`:
    what was taken, and what of it goes or went back, in minor units by currency."""

    ran: Ran = field(default_factory=Ran)
    named: list[Reconciled] = field(default_factory=list)
    taken: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    returned: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    gave_back: bool = False
    #: The time that the payments are of; None before the first.
    begins: Millis | None = None
    ends: Millis | None = None
    unpaid: list[UnpaidOrder] = field(default_factory=list)

    @property
    def held(self) -> bool:
        """Whether each payment is ordered, or has gone back, or may still be ordered."""
        wrong = sum(self.ran.findings[each] for each in FOR_A_PERSON)
        open_ = sum(count for each, count in self.ran.returns.items() if each not in _FINE)
        return wrong + open_ + len(self.unpaid) == 0 and not self.ran.unfinished

    def add(self, one: Reconciled) -> None:
        at = one.payment.at
        self.taken[one.payment.currency] += one.payment.amount
        self.begins = at if self.begins is None else min(self.begins, at)
        self.ends = at if self.ends is None else max(self.ends, at)
        if one.finding in SURPLUS:
            back = one.payment.amount if one.returned in _FINE else one.payment.left
            self.returned[one.payment.currency] += back
        tells = one.finding in FOR_A_PERSON or one.returned not in (None, Return.DONE_BEFORE)
        if tells and len(self.named) < NAMED_MAX:
            self.named.append(one)


class ReportFile:
    """One line for each payment, as a bookkeeper's program reads it: amounts with their currency's
    decimals, times in UTC. SpillwayError: it cannot be written."""

    def __init__(self, path: Path | None) -> None:
        self._path, self._file = path, None
        self._writer: Any = None

    _file: IO[str] | None

    def __enter__(self) -> Self:
        if self._path is not None:
            try:
                self._file = self._path.open("w", encoding="utf-8", newline="")
            except OSError as error:
                raise SpillwayError(
                    f"The report {self._path} cannot be written: {why_not(error)}."
                ) from None
            self._writer = csv.writer(self._file)
            self._writer.writerow(COLUMNS)
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, one: Reconciled | UnpaidOrder) -> None:
        if self._writer is not None:
            fields = row(one) if isinstance(one, Reconciled) else row_of_order(one)
            self._writer.writerow(_unformulated(str(fields[name])) for name in COLUMNS)


def row(one: Reconciled) -> dict[str, Any]:
    payment, key = one.payment, one.payment.key
    back = 0
    if one.returned is not None:
        back = payment.amount if one.returned is Return.DONE_BEFORE else payment.left
    return {
        "reference": payment.reference,
        "taken_at": rfc3339(payment.at),
        "amount": in_major_units(payment.amount, payment.currency),
        "currency": payment.currency,
        "customer_id": "" if key is None else key.customer_id,
        "order_id": "" if key is None else key.order_id,
        "finding": one.finding.value,
        "meaning": MEANING[one.finding],
        "returned": "" if one.returned is None else RETURNED[one.returned],
        "returned_amount": in_major_units(back, payment.currency),
        "detail": one.detail or "",
    }


def row_of_order(order: UnpaidOrder) -> dict[str, Any]:
    paid = order.payment
    return dict.fromkeys(COLUMNS, "") | {
        "reference": paid.reference,
        "taken_at": rfc3339(order.accepted_at),
        "amount": in_major_units(paid.amount, paid.currency),
        "currency": paid.currency,
        "customer_id": order.key.customer_id,
        "order_id": order.key.order_id,
        "finding": "order_without_payment",
        "meaning": "the gateway does not have the order's payment, or has it for another",
        "returned_amount": in_major_units(0, paid.currency),
    }


def document(found: Found) -> dict[str, Any]:
    ran = found.ran
    return {
        "held": found.held,
        "gave_back": found.gave_back,
        "too_many": ran.held,
        "unfinished": ran.unfinished,
        "payments": ran.payments,
        "findings": {each.value: ran.findings[each] for each in Finding},
        "returns": {each.value: ran.returns[each] for each in Return},
        "taken_minor_units": dict(sorted(found.taken.items())),
        "returned_minor_units": dict(sorted(found.returned.items())),
        "orders_without_payment": [one.key.order_id for one in found.unpaid],
        "named": [{name: str(value) for name, value in row(one).items()} for one in found.named],
    }


def show(found: Found, console: Console, *, returns_max: int) -> None:
    for line in _lines(found, returns_max):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _lines(found: Found, returns_max: int) -> Iterator[str]:
    ran = found.ran
    sums = ", ".join(money(amount, currency) for currency, amount in sorted(found.taken.items()))
    yield f"{counted(ran.payments, 'payment')} looked at{f': {sums}' if sums else ''}."
    for finding, count in sorted(ran.findings.items()):
        yield f"  {count:>9,}  {finding.value:<21} {MEANING[finding]}"
    for returned, count in sorted(ran.returns.items()):
        yield f"  {count:>9,}  {RETURNED[returned]}"
    for one in found.named:
        yield f"{_name(one)}: {MEANING[one.finding]}{_what_next(one)}."
    for order in found.unpaid:
        paid = order.payment
        yield (
            f"Order {order.key.order_id} was paid with {paid.reference},"
            f" {money(paid.amount, paid.currency)}, which the gateway does not have for it."
        )
    if ran.held:
        yield (
            f"Nothing was given back, because more than {returns_max:,} payments would be: is this"
            " the right gateway and the right stage? If it is, say how many with --refunds-max."
        )
    elif any(one.detail == NONE_ORDERED for one in found.named):
        yield (
            "Nothing was given back, because no payment has its order: is this the right stage, and"
            " is the customer's id in the payments the one in the receipts? If it is, say how many"
            " with --refunds-max."
        )
    elif ran.returns[Return.DUE] and not found.gave_back:
        yield "Nothing was given back: --refund does it."


def _name(one: Reconciled) -> str:
    payment = one.payment
    order = "" if payment.key is None else f" for order {payment.key.order_id}"
    return f"{payment.reference}, {money(payment.amount, payment.currency)}{order}"


def _what_next(one: Reconciled) -> str:
    if one.returned is None:
        return ""
    return f"; {RETURNED[one.returned]}{f' ({one.detail})' if one.detail else ''}"


def _unformulated(text: str) -> str:
    """A program for tables takes a text for a formula that begins so."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
