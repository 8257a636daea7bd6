"""The deployed function moves old orders to their bucket, and no customer notices."""

from __future__ import annotations

from spillway.run.stack import Stack
from tests.e2e.old_orders import answers, is_archived, make_old, run_archive
from tests.e2e.shop import Customer, effects


def test_an_archived_order_is_answered_and_cancelled_as_one_in_the_table(
    stack: Stack, shopper: Customer, other: Customer
) -> None:
    id_, body = shopper.order()
    assert shopper.put(id_, body).status_code == 201
    assert shopper.settled(id_)["status"] == "confirmed"
    make_old(stack, shopper, id_)
    before = answers(shopper, id_, body)
    assert [status for status, _ in before.values()] == [200, 200, 200, 409]
    assert run_archive(stack) is None
    assert is_archived(stack, shopper, id_)
    assert answers(shopper, id_, body) == before
    assert other.http.get(f"/orders/{id_}").status_code == 404
    assert other.cancel(id_).status_code == 404
    # Cancelled, it is back in the table and undone like any other.
    answer = shopper.cancel(id_)
    assert (answer.status_code, answer.json()["status"]) == (202, "cancelling")
    assert not is_archived(stack, shopper, id_)
    settled = shopper.settled(id_)
    assert settled["status"] == "cancelled"
    assert settled["order"] == before["order"][1]["order"]
    steps = ("reserve", "ship", "post", "cancel_shipment", "release", "refund")
    assert effects(stack, shopper, id_) == dict.fromkeys(steps, 1)
