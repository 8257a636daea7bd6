"""News of parcels on the deployed service: by the signed route and by the queue."""

from __future__ import annotations

import json

from orders.domain.saga import Step
from orders.downstream.keys import correlation_id
from orders.ports import Command
from spillway.run.stack import Stack
from tests.builders import order_key
from tests.e2e.shop import Customer, effects


def test_an_order_that_comes_back_parcel_by_parcel_is_refunded_and_stays_confirmed(
    stack: Stack, shopper: Customer
) -> None:
    id_ = shopper.place()
    shopper.settled(id_)
    news = {"customer_id": shopper.id, "order_id": id_, "parcels": 2}
    for parcel in ("1", "2"):
        stack.tell_of_parcel(**news, status="shipped", parcel=parcel, carrier="DHL")
    stack.tell_of_parcel(**news, status="returned", parcel="1")
    assert effects(stack, shopper, id_)["refund"] == 0
    command = Command(order_key(shopper.id, id_), Step.SHIP)
    told = {"correlation_id": correlation_id(command), "status": "returned", "parcel": "2"}
    stack.client("sqs").send_message(
        QueueUrl=stack.queues["outcomes-fulfilment"], MessageBody=json.dumps(told)
    )
    order = shopper.when(id_, lambda order: "refund" in {each["step"] for each in order["steps"]})
    assert (order["status"], order["settled"]) == ("confirmed", True)
    assert effects(stack, shopper, id_) == {"reserve": 1, "ship": 1, "post": 1, "refund": 1}
