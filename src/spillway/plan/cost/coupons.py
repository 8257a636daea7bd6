"""What a limited coupon adds to its order, counted on the requests that are made for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from orders.aws.coupons import DynamoCoupons
from orders.aws.table import DynamoOrders
from orders.domain.coupon_limits import Use as CouponUse
from orders.domain.order import AcceptedOrder
from orders.domain.saga import Outcome, Step
from orders.domain.units import Millis
from simulation import store
from simulation.catalogue import ADA, START, ExpectedOutcome, draft_with_coupon
from simulation.world.table import MemoryOrders
from spillway.plan.price_list import Usage, Use
from spillway.run.proxy.units import Units, units_of


def a_coupon() -> Usage:
    """An order with one limited coupon, beyond what it costs without."""
    counting, order, use = _counting()
    plain = counting.units_of(lambda orders, _: orders.place(order))
    counting, order, use = _counting()
    claimed = counting.units_of(lambda _, coupons: coupons.place(order, [use]))
    return _usage(write=claimed.write - plain.write)


def a_return() -> Usage:
    """Giving one back, for an order that is rejected or cancelled."""
    counting, order, use = _counting()
    counting.orders.coupons.place(order, [use])
    counting.orders.record(
        order.key, {Step.RESERVE: Outcome(Millis(START), refusal="out_of_stock")}
    )
    given = counting.units_of(lambda _, coupons: coupons.give_back([order.key]))
    return _usage(write=given.write, read=given.read)


def _usage(*, write: float, read: float = 0.0) -> Usage:
    uses = (
        Use("DynamoDB writes", "dynamodb.write_units", write),
        Use("DynamoDB reads", "dynamodb.read_units", read),
    )
    return Usage(tuple(use for use in uses if use.units))


def _counting() -> tuple[_Counting, AcceptedOrder, CouponUse]:
    coupon = store.ONCE
    sent = draft_with_coupon(0, coupon.code, ADA, ExpectedOutcome())
    order = AcceptedOrder(sent.key, Millis(START), bytes(16), sent.order)
    return _Counting(MemoryOrders()), order, CouponUse(coupon, coupon.code, 0)


@dataclass(slots=True)
class _Counting:
    """Orders in memory, whose requests are counted."""

    orders: MemoryOrders

    def units_of(self, do: Callable[[DynamoOrders, DynamoCoupons], object]) -> Units:
        counted: list[Units] = []
        client, coupons = self.orders.client, self.orders.coupons

        class Counted:
            def __getattr__(self, name: str) -> Any:
                def call(**request: Any) -> Any:
                    answer = getattr(client, name)(**request)
                    operation = "".join(part.capitalize() for part in name.split("_"))
                    counted.append(units_of("dynamodb", operation, request, answer))
                    return answer

                return call

        table = coupons.orders_table
        counting = DynamoCoupons(Counted(), table, coupons.coupons_table, coupons.clock)
        do(DynamoOrders(Counted(), table), counting)
        return Units(sum(units.write for units in counted), sum(units.read for units in counted))
