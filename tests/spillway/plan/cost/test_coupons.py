"""A limited coupon costs what AWS bills for its transaction, and an order without one nothing."""

from __future__ import annotations

from spillway.plan.cost.coupons import a_coupon, a_return


def test_a_coupon_adds_a_second_unit_for_the_order_and_two_for_the_claim() -> None:
    [writes] = a_coupon()
    assert (writes.price, writes.units) == ("dynamodb.write_units", 3)


def test_giving_it_back_is_a_transaction_of_two_and_a_read_of_the_orders_two_items() -> None:
    writes, reads = a_return()
    assert (writes.units, reads.units) == (4, 2)
