"""Accounting: books an order, and gives its money back. docs/contracts/accounting.yaml."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from simulation.downstreams.command import (
    LINES_MAX,
    UNIT_PRICE_MAX,
    Amount,
    Circumstances,
    Code,
    Command,
    Currency,
    Quantity,
    Refusal,
    Text,
)
from simulation.downstreams.exchange import Problem

DISCOUNTS_MAX = 50


class PricedLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sku: Code
    quantity: Quantity
    unit_price: Annotated[int, msgspec.Meta(ge=0, le=UNIT_PRICE_MAX)]


class Discount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    coupon: Code
    amount: Amount


class Post(Command, frozen=True, kw_only=True):
    """Amounts are minor units of `currency`. A total that is not the sum of its parts breaks the
    contract and is not booked, nor is a total above 0 without a payment."""

    step: ClassVar[str] = "post"

    channel: Literal["retail", "wholesale"]
    currency: Currency
    lines: Annotated[tuple[PricedLine, ...], msgspec.Meta(min_length=1, max_length=LINES_MAX)]
    discounts: Annotated[tuple[Discount, ...], msgspec.Meta(max_length=DISCOUNTS_MAX)]
    shipping: Amount
    tax: Amount
    total: Amount
    payment_reference: Text | None
    purchase_order: Text | None
    payment_terms: Text | None = None

    def check(self) -> None:
        goods = sum(line.quantity * line.unit_price for line in self.lines)
        discounted = sum(discount.amount for discount in self.discounts)
        total = goods - discounted + self.shipping + self.tax
        if total != self.total:
            detail = f"The parts add up to {total}, not to {self.total}."
            raise Problem(422, "total_wrong", detail)
        _check_payment(self.payment_reference, self.total)

    def refusal(self, circumstances: Circumstances) -> Refusal | None:
        if circumstances.fault_settings.refuses(self.step, self.order_id):
            return Refusal("account_blocked", "The customer's account is blocked.")
        return None

    def totals(self) -> dict[str, Any]:
        return {"amount": self.total, "currency": self.currency}


class Refund(Command, frozen=True, kw_only=True):
    """Undoes the payment, which was taken before there was an order, and not the posting: an order
    that inventory refused is refunded and was never posted. Where nothing was paid, only the record
    remains that the order does not stand."""

    step: ClassVar[str] = "refund"

    payment_reference: Text | None
    amount: Amount
    currency: Currency
    payment_terms: Text | None = None

    def check(self) -> None:
        _check_payment(self.payment_reference, self.amount)

    def totals(self) -> dict[str, Any]:
        return {"amount": self.amount, "currency": self.currency}


def _check_payment(reference: str | None, amount: int) -> None:
    if (reference is None) != (amount == 0):
        detail = "An amount above 0 has a payment, an amount of 0 has none."
        raise Problem(422, "payment_wrong", detail)


COMMANDS: Mapping[str, type[Command]] = {"/postings": Post, "/refunds": Refund}
