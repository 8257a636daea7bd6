"""What customers sent and read. Times are Unix milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from orders.domain.order import Order, OrderKey
from orders.domain.saga import Downstream


@dataclass(frozen=True, slots=True)
class Answer:
    """One 2xx answer to a `PUT /orders/{order_id}`, `accepted_at` as the answer has it."""

    status: int
    accepted_at: str | None


@dataclass(slots=True, kw_only=True)
class Acknowledgement:
    """All that the service answered one client about one order.

    `status` is the status that the customer read last, None without a read. `cancellation_sent`:
    the customer asked to cancel; `cancellation_taken`: and was answered 2xx.
    """

    key: OrderKey
    order: Order
    answers: Sequence[Answer]
    status: str | None = None
    cancellation_sent: bool = False
    cancellation_taken: bool = False


@dataclass(frozen=True, slots=True)
class Probe:
    """One request for an order, by its owner or by another customer."""

    asked: Literal["GET", "cancellation"]
    key: OrderKey
    by_owner: bool
    status: int


@dataclass(frozen=True, slots=True)
class Outage:
    """One downstream was out from `began_at` to `ended_at`; `keys` were placed meanwhile.
    `slow`: it did what it was asked, and answered later than anybody waited."""

    downstream: Downstream
    began_at: int
    ended_at: int
    keys: tuple[OrderKey, ...]
    slow: bool = False

    @property
    def was(self) -> str:
        return "slow" if self.slow else "out"
