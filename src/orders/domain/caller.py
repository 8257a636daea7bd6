"""Who calls, and whose orders they may see and place.

A customer is whom an order is kept for, and half of its key: a person, or a company whose buyers
share history, limits and coupons. A stage says for each channel which claim of a token names the
customer; `sub`, which every token has, is the person who signed in.

An order stays under the key that it was placed with. So whoever has a company's id and their own
is looked up under both, and what was placed before a stage changed its claims is still found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orders.domain.order import Channel, OrderKey
from orders.domain.units import CustomerId, OrderId

#: The claim that names the person. Every token has it (RFC 7519, 4.1.2).
PERSON = "sub"


@dataclass(frozen=True, slots=True)
class Claims:
    """Which of a token's claims says what.

    `customer`: by channel, the one whose value is the customer of its orders. `groups` lists the
    groups that the person is in; those in `wholesale_group` may place wholesale orders, and those
    in `approver_group` decide about the orders that are held. `limit`: up to how much a buyer may
    order for a customer without that, None where a stage holds no order.
    """

    retail_customer: str = PERSON
    wholesale_customer: str = PERSON
    groups: str = ""
    wholesale_group: str = ""
    limit: str | None = None
    approver_group: str | None = None

    def customer_of(self, channel: Channel) -> str:
        return self.wholesale_customer if channel == "wholesale" else self.retail_customer


#: Of a stage whose customers are persons.
PERSONS = Claims()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `customers`: by channel, for whom its orders are kept, as far as the token says.
    `limit`: in minor units of whatever currency an order has."""

    person: CustomerId
    customers: Mapping[Channel, CustomerId]
    wholesale: bool = False
    approves: bool = False
    limit: int | None = None

    @property
    def customer_ids(self) -> Sequence[CustomerId]:
        """Under whose ids the caller's orders may be, a company's first."""
        ids = dict.fromkeys((*self.customers.values(), self.person))
        return sorted(ids, key=lambda customer_id: customer_id == self.person)

    def keys(self, order_id: OrderId) -> Sequence[OrderKey]:
        """Where an order of the caller's with this id may be."""
        return [OrderKey(customer_id, order_id) for customer_id in self.customer_ids]

    def buyer(self, customer_id: CustomerId) -> CustomerId | None:
        """The person who orders for this customer; None where the customer is that person."""
        return None if customer_id == self.person else self.person
