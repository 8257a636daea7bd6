"""The `Gateway` port on settlement files: what any gateway can export, as CSV.

    reference,kind,amount,currency,at,customer_id,order_id
    pay_4f1c2b,payment,31.95,GBP,2026-11-23T10:00:00Z,7d0f3c5e,01a0ac2b-8e00-7000-8000-000000000001
    pay_4f1c2b,refund,31.95,GBP,2026-11-24T12:00:00Z,,

A refund names the payment that it is of. Its amount may have a minus, if that of each refund of the
payment has one: else one may take another back. Amounts have the decimals of their currency and are
never rounded. Of a payment without customer or order id nobody can tell what it bought. A file
takes no requests, so money is given back by hand.

Files that overlap have some lines in common. A line that is in two files is one; a refund that is
twice in one file is two of the same amount.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from orders.domain.payments import Paid, order_key
from orders.domain.units import Millis
from spillway.currencies import DECIMALS
from spillway.errors import UsageError, why_not

NEEDED = ("reference", "kind", "amount", "currency", "at", "customer_id", "order_id")
_TAKEN = frozenset({"payment", "charge", "capture", "sale"})
_GONE_BACK = frozenset({"refund", "chargeback"})
#: What is between the gateway and the store, not the store and its customer.
_ASIDE = frozenset({"fee", "payout", "transfer", "adjustment", "reserve"})
_PAGE = 100


class SettlementFiles:
    """Several files count as one: a refund may be in a later one than its payment."""

    def __init__(self, payments: Mapping[str, Paid]) -> None:
        self._payments = payments

    @classmethod
    def read(cls, paths: Sequence[Path], columns: Mapping[str, str]) -> SettlementFiles:
        """`columns`: the files' own names of columns, by ours. UsageError: a line means nothing."""
        payments: dict[str, Paid] = {}
        back: Counter[_Back] = Counter()
        for path in paths:
            taken, in_this = _read(path, columns)
            for where, payment in taken.values():
                if payments.setdefault(payment.reference, payment) != payment:
                    raise UsageError(f"{where}: {payment.reference} was another payment before.")
            back |= in_this
        _check_signs(back)
        for one, count in back.items():
            if one.reference in payments:
                payments[one.reference] = _with_refunds(payments[one.reference], one, count)
        return cls(payments)

    def __len__(self) -> int:
        return len(self._payments)

    def taken(self, since: Millis, until: Millis) -> Iterator[Sequence[Paid]]:
        found = [one for one in self._payments.values() if since <= one.at < until]
        for start in range(0, len(found), _PAGE):
            yield found[start : start + _PAGE]

    def find(self, reference: str) -> Paid | None:
        return self._payments.get(reference)

    def give_back(self, payment: Paid) -> bool:  # noqa: ARG002
        return False


@dataclass(frozen=True, slots=True)
class _Back:
    """A line that says what has gone back of a payment. `amount`: with its sign."""

    reference: str
    kind: str
    amount: int
    currency: str
    at: str


def _read(
    path: Path, columns: Mapping[str, str]
) -> tuple[Mapping[str, tuple[str, Paid]], Counter[_Back]]:
    """A file's payments by reference, each with its place, and how often each refund is in it."""
    taken: dict[str, tuple[str, Paid]] = {}
    back: Counter[_Back] = Counter()
    for where, row in _rows(path, columns):
        kind = row["kind"].lower()
        if kind in _TAKEN:
            payment = _payment(where, row)
            if payment.reference in taken:
                raise UsageError(
                    f"{where}: {payment.reference} was taken before in this file: a payment is one"
                    " line."
                )
            taken[payment.reference] = where, payment
        elif kind in _GONE_BACK:
            back[_gone_back(where, row)] += 1
        elif kind not in _ASIDE:
            kinds = ", ".join(sorted(_TAKEN | _GONE_BACK | _ASIDE))
            raise UsageError(f"{where}: the kind {row['kind']!r} is none of {kinds}.")
    return taken, back


def _rows(path: Path, columns: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Each line's place and fields, but for lines without any."""
    named = {ours: columns.get(ours, ours) for ours in NEEDED}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            _check_header(path, header, named)
            for line in reader:
                if not any(map(str.strip, line)):
                    continue
                where = f"{path}, line {reader.line_num}"
                # An amount with a comma is two fields, and a line that is cut off too few.
                if len(line) < len(header) or any(line[len(header) :]):
                    raise UsageError(
                        f"{where}: it has {len(line)} fields, and the first line {len(header)}."
                    )
                of_line = dict(zip(header, line, strict=False))
                yield where, {ours: of_line[theirs].strip() for ours, theirs in named.items()}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {why_not(error)}.") from None
    except csv.Error as error:
        raise UsageError(f"{path} is no CSV: {error}.") from None


def _check_header(path: Path, header: Sequence[str], named: Mapping[str, str]) -> None:
    missing = {ours: name for ours, name in named.items() if name not in header}
    if len(header) == 1 and ";" in header[0]:
        raise UsageError(f"{path} has semicolons between its columns: write it with commas.")
    if missing:
        raise UsageError(
            f"{path} has no column {', '.join(missing.values())}: name the file's own with"
            f" --column {next(iter(missing))}=THEIRS."
        )
    twice = [name for name in named.values() if header.count(name) > 1]
    if twice:
        raise UsageError(f"{path} has two columns {twice[0]}: rename the one that is not meant.")


def _payment(where: str, row: Mapping[str, str]) -> Paid:
    amount = _amount(where, row)
    if amount <= 0:
        raise UsageError(f"{where}: a {row['kind']} of {row['amount']} is nothing that was taken.")
    return Paid(
        reference=row["reference"],
        amount=amount,
        currency=row["currency"],
        at=_at(where, row["at"]),
        key=order_key(row["customer_id"], row["order_id"]),
    )


def _gone_back(where: str, row: Mapping[str, str]) -> _Back:
    amount = _amount(where, row)
    return _Back(row["reference"], row["kind"].lower(), amount, row["currency"], row["at"])


def _amount(where: str, row: Mapping[str, str]) -> int:
    if not row["reference"]:
        raise UsageError(f"{where}: the {row['kind']} has no reference.")
    return minor_units(where, row["amount"], row["currency"])


def _check_signs(back: Iterable[_Back]) -> None:
    negative = {one.reference for one in back if one.amount < 0}
    for one in back:
        if one.amount > 0 and one.reference in negative:
            raise UsageError(
                f"The refunds of {one.reference} have a minus and have none: if one takes another"
                " back, leave both out."
            )


def _with_refunds(payment: Paid, one: _Back, count: int) -> Paid:
    if one.currency != payment.currency:
        raise UsageError(
            f"{one.currency} has gone back of {payment.reference}, which was taken in"
            f" {payment.currency}: write refunds in the payment's currency."
        )
    given_back = payment.given_back + abs(one.amount) * count
    if given_back > payment.amount:
        raise UsageError(
            f"More has gone back of {payment.reference} than was taken: is one refund in two files,"
            " with another time or kind in each?"
        )
    return replace(payment, given_back=given_back)


#: Bounded, so that decimal's 28 digits hold all of it, and an exponent stands for few.
_AMOUNT = re.compile(r"[+-]?([0-9]{1,15}(\.[0-9]{0,12})?|\.[0-9]{1,12})([eE][+-]?[0-9]{1,2})?")


def minor_units(where: str, text: str, currency: str) -> int:
    """`12.50` pounds are 1250. UsageError: it is no amount of this currency."""
    decimals = DECIMALS.get(currency)
    if decimals is None:
        raise UsageError(f"{where}: {currency!r} is no currency of ISO 4217.")
    if not _AMOUNT.fullmatch(text):
        raise UsageError(f"{where}: {text!r} is no amount: write 12.50.")
    minor = Decimal(text).scaleb(decimals)
    whole = int(minor)
    if whole != minor:
        raise UsageError(
            f"{where}: {text} has more decimals than {currency}, which has {decimals}."
        )
    return whole


def _at(where: str, text: str) -> Millis:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{where}: {text!r} is no time: write 2026-11-23T10:00:00Z.") from None
    return Millis(round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()) * 1000)


def columns_of(options: Iterable[str]) -> dict[str, str]:
    """From `--column reference=Payment`. UsageError: it names no column of ours."""
    named = {}
    for option in options:
        ours, _, theirs = option.partition("=")
        if ours not in NEEDED or not theirs:
            raise UsageError(f"--column {option}: write one of {', '.join(NEEDED)}, =, and theirs.")
        named[ours] = theirs
    return named
