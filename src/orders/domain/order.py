"""The order as the customer sent it, and the order as it was accepted.

The field names here are the ones on the wire, in the stored content and in the documentation.
All amounts are whole minor units of `currency`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, TypeGuard

from orders.domain.text import normalised
from orders.domain.trace import Trace
from orders.domain.units import CustomerId, Millis, OrderId

Channel = Literal["retail", "wholesale"]

# Version 7 of RFC 9562: 48 bits of Unix milliseconds, then version 7 and variant 10.
# Lower case only, so that one id has one spelling and one key in the table.
_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Line:
    sku: str
    quantity: int
    unit_price: int


@dataclass(frozen=True, slots=True)
class Discount:
    coupon: str
    amount: int


@dataclass(frozen=True, slots=True)
class Address:
    """Where the goods go. The empty text where a country has no postal code or no states, and where
    the customer names no phone or e-mail address for the carrier."""

    name: str
    lines: tuple[str, ...]
    city: str
    country: str
    postal_code: str = ""
    state: str = ""
    phone: str = ""
    email: str = ""

    @property
    def given(self) -> dict[str, object]:
        """The fields as they are stored, shown and sent: an address without a state has no such
        field. One without a postal code has an empty one, since 0.2.0 reads no address without."""
        fields: dict[str, object] = {
            "name": self.name,
            "lines": self.lines,
            "city": self.city,
            "postal_code": self.postal_code,
            "country": self.country,
        }
        more = {"state": self.state, "phone": self.phone, "email": self.email}
        return fields | {name: text for name, text in more.items() if text}


@dataclass(frozen=True, slots=True)
class Payment:
    """What the gateway took before the order was sent; `receipt` is its signature over it.

    With `terms`, such as `net30`, nothing was taken: it is the decision of who gives the customer
    credit, to be paid by these terms, and `receipt` the signature over that.
    """

    reference: str
    amount: int
    currency: str
    receipt: str
    terms: str | None = None

    @property
    def given(self) -> dict[str, object]:
        """The fields as they are stored and shown: what was taken has no terms."""
        fields: dict[str, object] = {
            "reference": self.reference,
            "amount": self.amount,
            "currency": self.currency,
            "receipt": self.receipt,
        }
        return fields if self.terms is None else {**fields, "terms": self.terms}


@dataclass(frozen=True, slots=True)
class Order:
    channel: Channel
    currency: str
    lines: tuple[Line, ...]
    shipping: int
    tax: int
    total: int
    address: Address
    #: None where the total is 0: there was nothing to pay.
    payment: Payment | None = None
    discounts: tuple[Discount, ...] = ()
    purchase_order: str | None = None

    @property
    def subtotal(self) -> int:
        return sum(line.quantity * line.unit_price for line in self.lines)

    @property
    def coupons(self) -> list[str]:
        """The codes of its discounts."""
        return [discount.coupon for discount in self.discounts]

    @property
    def discounted(self) -> int:
        return sum(discount.amount for discount in self.discounts)


@dataclass(frozen=True, slots=True)
class OrderKey:
    """An order id is unique for its customer, not in the world: the two together are the key."""

    customer_id: CustomerId
    order_id: OrderId

    @property
    def customer_hash(self) -> str:
        """Names the customer in logs and idempotency keys without giving the id away: 64 bits."""
        return customer_hash(self.customer_id)

    @property
    def in_logs(self) -> dict[str, object]:
        """How the order is named in logs. A text that is not an order id may be anything, even a
        person's name, and is left out."""
        order_id = self.order_id if is_order_id(self.order_id) else None
        return {"order_id": order_id, "customer": self.customer_hash}


@dataclass(frozen=True, slots=True)
class AcceptedOrder:
    """The record of an order: written once, never changed.

    `digest` identifies the content: it tells a retry from another order under the same id. `trace`
    is the one that the client named, if it did. `book` is the version of the price book that it was
    checked against, if it was. `express`: it may go by the express path (orders.flow.express), so
    none of its cancellations comes before its reservation. `buyer`: the person who placed it, where
    the customer is another, such as a company. `held_until`: it waits so long for an approver.
    """

    key: OrderKey
    accepted_at: Millis
    digest: bytes
    order: Order
    trace: Trace | None = None
    book: str | None = None
    express: bool = False
    buyer: CustomerId | None = None
    held_until: Millis | None = None


@dataclass(frozen=True, slots=True)
class VoidId:
    """What is stored in an order's place when its customer gave the id up: no order is ever
    accepted under it (`at`: since when)."""

    key: OrderKey
    at: Millis


def with_normalised_texts(order: Order) -> Order:
    """The order as it is stored: what people wrote in it in the form of `text.normalised`."""
    address, number = order.address, order.purchase_order
    return replace(
        order,
        address=Address(
            name=normalised(address.name),
            lines=tuple(map(normalised, address.lines)),
            city=normalised(address.city),
            country=address.country,
            postal_code=normalised(address.postal_code),
            state=normalised(address.state),
            phone=normalised(address.phone),
            email=normalised(address.email),
        ),
        purchase_order=None if number is None else normalised(number),
    )


@lru_cache(maxsize=1024)
def customer_hash(customer_id: str) -> str:
    return hashlib.sha256(customer_id.encode()).hexdigest()[:16]


def is_order_id(text: str) -> TypeGuard[OrderId]:
    return _UUID7.fullmatch(text) is not None


def order_id_time(order_id: OrderId) -> Millis:
    """When the client made the id, by the client's clock."""
    return Millis(int(order_id[:8] + order_id[9:13], 16))


def order_id_of(at: Millis, random_bits: int) -> OrderId:
    """The order id of a time with 74 bits that make it unique.

    Customers' clients make ids, this service only reads them: this one is for tools, tests and the
    simulation. It formats by hand, because importing `uuid` would lengthen every cold start.
    """
    high, low = random_bits >> 62, random_bits & ((1 << 62) - 1)
    digits = f"{at << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low:032x}"
    return OrderId("-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])))
