"""The command gives back what it says it does, and its report adds up for a bookkeeper."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from orders.domain.order import OrderKey, VoidId
from orders.domain.payments import PLACEABLE_MS
from orders.domain.units import CustomerId, Millis
from simulation.world.runtime import SetClock
from simulation.world.table import MemoryOrders
from spillway.errors import SpillwayError
from spillway.operate.payments.report import Found, document
from spillway.operate.payments.running import reconciled, stripe_of
from spillway.operate.payments.settlement_file import SettlementFiles
from spillway.target.service import Service
from tests.builders import CUSTOMER, NOW, accepted, order_id
from tests.spillway.operate.fakes import QUEUES

AT = "2026-11-23T10:00:00Z"


class Counts:
    """A boto3 SQS client: so many messages are in each queue."""

    def __init__(self) -> None:
        self.messages = 0

    def get_queue_attributes(self, **_: Any) -> dict[str, Any]:
        counts = (
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        )
        return {"Attributes": dict.fromkeys(counts, str(self.messages))}


class Shop:
    """An order, one that is missing, and what the gateway's file has of both."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.orders, self.counts = MemoryOrders(), Counts()
        clients = {"dynamodb": self.orders.client, "sqs": self.counts}
        self.service = Service("test", clients.__getitem__, {"orders": "orders"}, QUEUES)
        self.ordered = accepted()
        self.orders.place(self.ordered)
        self.lost = OrderKey(CustomerId("=HYPERLINK(1)"), order_id())
        assert self.ordered.order.payment is not None
        self.payment = self.ordered.order.payment
        self.lines = [
            f"{self.payment.reference},payment,9.05,GBP,{AT},{CUSTOMER},{self.ordered.key.order_id}",
            f"pay_lost,payment,1.29,GBP,{AT},{self.lost.customer_id},{self.lost.order_id}",
        ]

    def reconcile(
        self, *, give_back: bool = False, refunds_max: int = 100, orders: bool = False
    ) -> Found:
        path = self.folder / "settlement.csv"
        header = "reference,kind,amount,currency,at,customer_id,order_id"
        path.write_text("\n".join((header, *self.lines)) + "\n")
        return reconciled(
            SettlementFiles.read([path], {}),
            self.service,
            self.folder / "report.csv",
            give_back=give_back,
            refunds_max=refunds_max,
            orders=orders,
            clock=SetClock(NOW + PLACEABLE_MS + 1),
        )

    @property
    def report(self) -> list[dict[str, str]]:
        with (self.folder / "report.csv").open(newline="") as file:
            return list(csv.DictReader(file))


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_a_dry_run_names_what_is_due_and_changes_nothing(shop: Shop) -> None:
    found = shop.reconcile()
    assert not found.held
    told = json.loads(json.dumps(document(found)))
    assert (told["findings"]["ordered"], told["returns"]["due"]) == (1, 1)
    assert told["returned_minor_units"] == {"GBP": 129}
    assert shop.orders.place(accepted(shop.lost)) is None


def test_what_a_file_has_goes_back_by_hand_once_its_order_id_is_void(shop: Shop) -> None:
    assert document(shop.reconcile(give_back=True))["returns"]["by_hand"] == 1
    assert isinstance(shop.orders.place(accepted(shop.lost)), VoidId)
    shop.lines.append(f"pay_lost,refund,1.29,GBP,{AT},,")
    found = shop.reconcile(give_back=True)
    assert found.held
    assert document(found)["returns"]["done_before"] == 1


def test_the_report_adds_up_and_is_no_formula(shop: Shop) -> None:
    shop.reconcile()
    ordered, lost = shop.report
    assert (ordered["finding"], ordered["amount"], ordered["returned_amount"]) == (
        "ordered",
        "9.05",
        "0.00",
    )
    assert (lost["finding"], lost["returned_amount"]) == ("no_order", "1.29")
    assert lost["customer_id"] == "'=HYPERLINK(1)"


def test_while_anything_waits_in_the_overflow_queue_nothing_is_made_void(shop: Shop) -> None:
    shop.counts.messages = 1
    found = shop.reconcile(give_back=True)
    assert not found.held
    assert document(found)["returns"]["later"] == 1
    assert shop.orders.place(accepted(shop.lost)) is None


def test_the_payment_of_another_order_does_not_pay_for_one(shop: Shop) -> None:
    """Of whom a receipt key has got out to."""
    other = accepted()
    shop.orders.place(
        replace(other, order=replace(other.order, payment=replace(shop.payment, amount=905)))
    )
    earlier = order_id(NOW - 2_000)
    shop.lines.append(f"pay_1,payment,1.00,GBP,2026-11-23T09:59:58Z,{CUSTOMER},{earlier}")
    assert [one.key for one in shop.reconcile(orders=True).unpaid] == [other.key]


def test_a_time_without_an_offset_leaves_no_payment_out(shop: Shop) -> None:
    """In half of the world it is ahead of UTC."""
    shop.lines[1] = shop.lines[1].replace(AT, "2026-11-24T20:00:00")
    assert shop.reconcile().ran.payments == 2


def test_an_order_whose_payment_the_gateway_does_not_have_is_named(shop: Shop) -> None:
    """Only of the time that the payments are of, and not where nothing was to be taken yet."""
    terms = {NOW - 999: "net30"}
    for at in (NOW - 60_000, NOW - 1_000, NOW - 999, NOW + 60_000):
        order = accepted(OrderKey(CUSTOMER, order_id(at)), Millis(at + 500))
        paid = replace(shop.payment, reference="pay_forged", terms=terms.get(at))
        shop.orders.place(replace(order, order=replace(order.order, payment=paid)))
    earlier = f"pay_1,payment,1.00,GBP,2026-11-23T09:59:58Z,{CUSTOMER},{order_id(NOW - 2_000)}"
    assert shop.reconcile().unpaid == []
    shop.lines.append(earlier)
    found = shop.reconcile(orders=True)
    [unpaid] = found.unpaid
    assert unpaid.accepted_at == NOW - 500
    assert document(found)["orders_without_payment"] == [unpaid.key.order_id]
    assert shop.report[-1]["finding"] == "order_without_payment"
    assert not found.held


class Parameters:
    """A boto3 SSM client with these parameters."""

    def __init__(self, **values: str) -> None:
        self.values = values

    def get_parameter(self, *, Name: str, WithDecryption: bool) -> dict[str, Any]:  # noqa: N803
        assert WithDecryption
        if Name not in self.values:
            raise ClientError({"Error": {"Code": "ParameterNotFound"}}, "GetParameter")
        return {"Parameter": {"Value": self.values[Name]}}


def test_stripe_is_asked_with_the_stage_s_own_key() -> None:
    parameters = Parameters(**{"/spillway/test/gateway-key": "rk_live_1"})
    service = Service("test", {"ssm": parameters}.__getitem__, {}, {})
    assert stripe_of(service).key() == "rk_live_1"
    parameters.values.clear()
    with pytest.raises(SpillwayError, match="no parameter /spillway/test/gateway-key"):
        stripe_of(service)
