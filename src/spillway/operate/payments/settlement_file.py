"""The `Gateway` port on settlement files: what any gateway can export, as CSV.

    reference,kind,amount,currency,at,customer_id,order_id
    pay_4f1c2b,payment,31.95,GBP,2026-11-23T10:00:00Z,7d0f3c5e,01a0ac2b-8e00-7000-8000-000000000001
    pay_4f1c2b,refund,31.95,GBP,2026-11-24T12:00:00Z,,

A refund names the payment that it is of; its amount may have a minus. Amounts have the decimals of
their currency and are never rounded. Of a payment without customer or order id nobody can tell what
it bought. A file takes no requests, so money is given back by hand.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
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
        back: dict[str, tuple[int, str]] = {}
        for path in paths:
            for where, row in _rows(path, columns):
                _add(where, row, payments, back)
        for reference, (amount, where) in back.items():
            if reference in payments:
                payments[reference] = _with_refunds(payments[reference], amount, where)
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


def _rows(path: Path, columns: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Each line's place and fields."""
    named = {ours: columns.get(ours, ours) for ours in NEEDED}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            missing = [name for name in named.values() if name not in (reader.fieldnames or ())]
            if missing:
                raise UsageError(
                    f"{path} has no column {', '.join(missing)}: name the file's own with"
                    f" --column {_ours(missing[0], named)}=THEIRS."
                )
            for row in reader:
                fields = {ours: (row[theirs] or "").strip() for ours, theirs in named.items()}
                yield f"{path}, line {reader.line_num}", fields
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {why_not(error)}.") from None
    except csv.Error as error:
        raise UsageError(f"{path} is no CSV: {error}.") from None


def _ours(theirs: str, named: Mapping[str, str]) -> str:
    return next(ours for ours, name in named.items() if name == theirs)


def _add(
    where: str,
    row: Mapping[str, str],
    payments: dict[str, Paid],
    back: dict[str, tuple[int, str]],
) -> None:
    kind, reference = row["kind"].lower(), row["reference"]
    if kind in _ASIDE:
        return
    if kind not in _TAKEN | _GONE_BACK:
        kinds = ", ".join(sorted(_TAKEN | _GONE_BACK | _ASIDE))
        raise UsageError(f"{where}: the kind {row['kind']!r} is none of {kinds}.")
    if not reference:
        raise UsageError(f"{where}: the {kind} has no reference.")
    amount = minor_units(where, row["amount"], row["currency"])
    if kind in _GONE_BACK:
        back[reference] = back.get(reference, (0, ""))[0] + abs(amount), where
        return
    if amount <= 0:
        raise UsageError(f"{where}: a {kind} of {row['amount']} is nothing that was taken.")
    payment = Paid(
        reference=reference,
        amount=amount,
        currency=row["currency"],
        at=_at(where, row["at"]),
        key=order_key(row["customer_id"], row["order_id"]),
    )
    # Files that overlap name it twice.
    if payments.setdefault(reference, payment) != payment:
        raise UsageError(f"{where}: {reference} was another payment before.")


def _with_refunds(payment: Paid, amount: int, where: str) -> Paid:
    if amount > payment.amount:
        raise UsageError(
            f"{where}: more has gone back of {payment.reference} than was taken: name each file"
            " once, and none whose time overlaps another's."
        )
    return Paid(
        payment.reference, payment.amount, payment.currency, payment.at, payment.key, amount
    )


def minor_units(where: str, text: str, currency: str) -> int:
    """`12.50` pounds are 1250. UsageError: it is no amount of this currency."""
    decimals = DECIMALS.get(currency)
    if decimals is None:
        raise UsageError(f"{where}: {currency!r} is no currency of ISO 4217.")
    try:
        amount = Decimal(text)
        minor = amount.scaleb(decimals)
        whole = int(minor)
    except (InvalidOperation, ValueError, OverflowError):
        raise UsageError(f"{where}: {text!r} is no amount: write 12.50.") from None
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
