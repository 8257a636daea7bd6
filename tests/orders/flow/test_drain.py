"""drain brings an order that overflowed into the table, once, or to a person."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orders.domain.order import VoidId
from orders.domain.units import Millis
from orders.failures import PermanentFailure, TransientFailure
from orders.flow.drain import Drain
from simulation.world.table import MemoryOrders, ThrottledOrders
from tests.builders import NOW, accepted, line


def test_an_order_is_placed_as_it_was_accepted() -> None:
    orders, order = MemoryOrders(), accepted(accepted_at=Millis(NOW - 3_600_000))
    assert Drain(orders).place(order) == "placed"
    assert orders.find(order.key) == order


def test_an_order_that_came_twice_is_one_order() -> None:
    orders, order = MemoryOrders(), accepted()
    Drain(orders).place(order)
    assert Drain(orders).place(replace(order, accepted_at=Millis(NOW + 5))) == "there"
    assert orders.find(order.key) == order


def test_an_order_that_its_client_sent_again_meanwhile_is_one_order() -> None:
    orders, order = MemoryOrders(), accepted()
    orders.place(replace(order, accepted_at=Millis(NOW + 5)))
    assert Drain(orders).place(order) == "there"


def test_an_id_that_meanwhile_holds_another_order_is_for_a_person() -> None:
    orders, order = MemoryOrders(), accepted()
    orders.place(accepted(order.key, lines=[line(quantity=9)]))
    with pytest.raises(PermanentFailure, match="already holds another order"):
        Drain(orders).place(order)


def test_an_order_that_its_customer_made_void_meanwhile_is_not_placed() -> None:
    orders, order = MemoryOrders(), accepted()
    orders.void(VoidId(order.key, NOW))
    assert Drain(orders).place(order) == "void"
    assert orders.find(order.key) is None
    assert orders.stream == []


def test_a_table_that_still_throttles_is_asked_again_later() -> None:
    with pytest.raises(TransientFailure):
        Drain(ThrottledOrders()).place(accepted())
