"""One of many processes that place orders with a coupon: intake as it is wired for Lambda, but for
its price book, on the emulator's tables.

Reads a customer's number a line, and answers each with what became of that customer's order.
"""

from __future__ import annotations

import os
import sys

from orders.aws.clients import client
from orders.aws.coupons import DynamoCoupons
from orders.aws.table import DynamoOrders
from orders.domain.book import Article
from orders.domain.order import order_id_of
from orders.failures import TransientFailure
from orders.flow.intake import Acknowledged, Intake
from orders.flow.prices import Prices
from orders.wiring import SystemClock
from simulation.world.runtime import FixedPriceBooks, MemoryOverflow
from tests.builders import NOW, a_book, a_coupon, an_intake, content, line, order_key

COUPON = "FIRST"
_SKU, _PRICE, _OFF, _DELIVERY = "MUG-SAGE", 1_000, 100, 395


def place(intake: Intake, number: int) -> str:
    key = order_key(f"customer-{number}", order_id_of(NOW, number))
    total = _PRICE - _OFF + _DELIVERY
    sent = content(
        key.order_id,
        customer_id=key.customer_id,
        lines=[line(_SKU, 1, _PRICE)],
        discounts=[{"coupon": COUPON, "amount": _OFF}],
        total=total,
        payment={"reference": "pay_01", "amount": total, "currency": "GBP"},
    )
    try:
        result = intake.place(key, sent.order, sent.digest, wholesale_allowed=False)
    except TransientFailure:
        return "again"
    if isinstance(result, Acknowledged):
        return result.stored
    return ",".join(refusal.rule for refusal in result.refusals)


def main() -> None:
    orders_table, coupons_table = os.environ["ORDERS_TABLE"], os.environ["COUPONS_TABLE"]
    dynamodb = client("dynamodb")
    coupon = a_coupon(COUPON, limit=int(os.environ["LIMIT"]))
    book = a_book(Article(_SKU, (_PRICE, _PRICE)), coupons={COUPON: coupon})
    intake = an_intake(
        DynamoOrders(dynamodb, orders_table),
        MemoryOverflow(failing=True),
        prices=Prices(FixedPriceBooks({0: book})),
        coupons=DynamoCoupons(dynamodb, orders_table, coupons_table, SystemClock()),
    )
    for number in sys.stdin:
        sys.stdout.write(place(intake, int(number)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
