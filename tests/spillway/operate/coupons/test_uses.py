"""The audit of limited coupons names what differs between the orders and the coupons' uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from orders.aws import items
from orders.aws.coupon_tries import DynamoCouponTries
from orders.domain.coupon_codes import code_of
from orders.domain.coupon_limits import Use
from orders.domain.order import AcceptedOrder
from orders.domain.saga import Outcome, Step
from orders.domain.units import CustomerId
from simulation.world.dynamodb import Table
from simulation.world.table import MemoryOrders
from spillway.cli import app
from spillway.errors import SpillwayError
from spillway.operate.counters import counted
from spillway.operate.coupons import codes, repairing, uses
from spillway.operate.coupons.evidence import NAMED_MAX, Evidence
from spillway.operate.coupons.view import code_document
from spillway.run.stack import Stack
from spillway.target.service import Service
from tests.builders import NOW, a_coupon, accepted, order_id, order_key
from tests.needs import starts
from tests.spillway.archived import BUCKET, FakeS3, archived
from tests.spillway.operate.fakes import FakeStacks

CODE = code_of("SINGLE", 3, b"key")
TABLES = {"orders": "orders", "coupons": "coupons"}
USES = [
    Use(a_coupon("ONCE", once_per_customer=True), "ONCE", 0),
    Use(a_coupon("SINGLE", single_use_codes=True), CODE, 1),
    Use(a_coupon("FIRST", limit=1), "FIRST", 2),
]


class Books:
    """Orders and their coupons in memory, and the service that an audit reads them from."""

    def __init__(self) -> None:
        self.orders = MemoryOrders()
        self.order = accepted(order_key("ada", order_id()))
        self.orders.coupons.place(self.order, USES)
        self.s3 = FakeS3()
        clients = {
            "dynamodb": self.orders.client,
            "s3": self.s3,
            "cloudformation": FakeStacks(ArchiveBucketName=BUCKET),
        }
        self.service = Service("test", clients.__getitem__, TABLES, {})

    def undo(self, order: AcceptedOrder) -> None:
        self.orders.record(order.key, {Step.RESERVE: Outcome(NOW, refusal="out_of_stock")})

    @property
    def table(self) -> Table:
        found: Table = self.orders.client.get_paginator("scan").tables["orders"]
        return found

    def archive(self) -> None:
        """The order is confirmed, and leaves the table."""
        for step in (Step.RESERVE, Step.SHIP, Step.POST):
            self.orders.record(self.order.key, {step: Outcome(NOW)})
        order, progress = sorted(self.table.items(), key=lambda item: item["sk"]["S"])
        [stub] = archived(self.s3, (order, progress))
        self.table.delete((progress["pk"]["S"], progress["sk"]["S"]))
        self.table.put((stub["pk"]["S"], stub["sk"]["S"]), stub)

    def audited(self) -> list[str]:
        found = uses.audit(self.service.orders, "coupons", sleep=lambda _: None)
        return [f"{one.claim} {one.detail}" for one in found.findings]

    def repaired(self, sleep: Callable[[float], None] = lambda _: None) -> int:
        return repairing.repair(self.service, lambda: NOW, sleep)


@pytest.fixture
def books() -> Books:
    return Books()


def test_a_limit_s_uses_are_read_from_all_of_its_counters(books: Books) -> None:
    many = a_coupon("MANY", limit=250)
    for customer in ("ada", "bob", "cyd"):
        order = accepted(order_key(customer, order_id()))
        assert books.orders.coupons.place(order, [Use(many, "MANY", 0)]) is None
    assert counted(books.service, many) == 3
    assert counted(books.service, a_coupon("NEVER", limit=100)) == 0


def test_orders_that_stand_and_orders_that_gave_back_are_in_order(books: Books) -> None:
    assert books.audited() == []
    books.undo(books.order)
    books.orders.coupons.give_back([books.order.key])
    assert books.audited() == []


def test_what_an_undone_order_still_holds_is_found_and_repaired(books: Books) -> None:
    books.undo(books.order)
    assert len(books.audited()) == 3
    assert books.repaired() == 1
    assert books.audited() == []


@pytest.mark.parametrize("claim", ["ONCE/customer/ada", f"SINGLE/code/{CODE[7:12]}", "FIRST#0"])
def test_a_claim_that_is_gone_is_found(books: Books, claim: str) -> None:
    books.orders.claimed.delete((claim, ""))
    [finding] = books.audited()
    assert finding.startswith(claim)


def test_an_archived_order_holds_its_coupons_also_when_their_table_was_lost(books: Books) -> None:
    books.archive()
    before = {item["pk"]["S"]: item for item in books.orders.claimed.items()}
    assert (books.audited(), len(before)) == ([], len(CLAIMS))
    for claim in before:
        books.orders.claimed.delete((claim, ""))
    assert books.repaired() == len(before)
    assert {item["pk"]["S"]: item for item in books.orders.claimed.items()} == before


CLAIMS = ["ONCE/customer/ada", f"SINGLE/code/{CODE[7:12]}", "FIRST#0"]


def test_all_that_standing_orders_hold_is_put_back(books: Books) -> None:
    many = Use(a_coupon("MANY", limit=2_000), "MANY", 0)
    for customer in ("ada", "bob", "cyd"):
        order = accepted(order_key(customer, order_id()))
        assert books.orders.coupons.place(order, [many]) is None
    before = {item["pk"]["S"]: item for item in books.orders.claimed.items()}
    for claim in before:
        books.orders.claimed.delete((claim, ""))
    assert books.repaired() == len(before)
    assert {item["pk"]["S"]: item for item in books.orders.claimed.items()} == before
    assert (books.audited(), books.repaired()) == ([], 0)


def test_what_was_given_back_or_used_meanwhile_is_not_put_back(books: Books) -> None:
    """Also where it happens after the orders were read."""
    evidence = Evidence()
    evidence.add_orders(books.table.items())
    books.undo(books.order)
    books.orders.coupons.give_back([books.order.key])
    missing = [one for one in evidence.findings() if one.repair == "put"]
    evidence.close()
    assert len(missing) == 2
    mending = repairing.Mending(books.service, lambda: NOW)
    mending.at_once(iter(missing))
    assert (mending.mended, books.audited()) == (0, [])


@pytest.mark.parametrize("claim", CLAIMS[:2])
def test_a_use_that_another_order_has_stays_with_it(books: Books, claim: str) -> None:
    other = {"customer_id": {"S": "bob"}, "order_id": {"S": "o-1"}}
    books.orders.claimed.put((claim, ""), {"pk": {"S": claim}, **other})
    assert books.repaired() == 0
    assert len(books.audited()) == 1


def test_a_counter_is_raised_only_if_it_stays_short_and_never_lowered(books: Books) -> None:
    def set_to(used: int) -> None:
        counter = {"pk": {"S": "FIRST#0"}, "used": {"N": str(used)}}
        books.orders.claimed.put(("FIRST#0", ""), counter)

    set_to(0)
    assert books.repaired(sleep=lambda _: set_to(1)) == 0
    set_to(0)
    assert books.repaired() == 1
    assert books.audited() == []
    set_to(2)
    assert books.repaired() == 0
    assert books.audited() == ["FIRST#0 has counted 2, and 1 orders hold it"]


def test_a_claim_with_many_holders_names_a_few(books: Books) -> None:
    claim = {items.CLAIMS: {"SS": [CLAIMS[1]]}}
    held = [items.order_key(order_key(f"c-{n}", order_id())) | claim for n in range(9)]
    evidence = Evidence()
    evidence.add_orders(held)
    [finding] = evidence.findings()
    evidence.close()
    assert (finding.detail.count(","), finding.repair) == (NAMED_MAX, None)


def test_a_claim_without_its_order_and_a_counter_that_counted_more_are_found(
    books: Books,
) -> None:
    orphan = {"pk": {"S": "ONCE/customer/bob"}, "customer_id": {"S": "bob"}}
    books.orders.claimed.put(("ONCE/customer/bob", ""), {**orphan, "order_id": {"S": "o-1"}})
    books.orders.claimed.put(("FIRST#0", ""), {"pk": {"S": "FIRST#0"}, "used": {"N": "2"}})
    assert [finding.split(" ")[0] for finding in books.audited()] == [
        "FIRST#0",
        "ONCE/customer/bob",
    ]


def test_what_is_only_under_way_is_no_finding(books: Books) -> None:
    books.undo(books.order)

    def relay_catches_up(_: float) -> None:
        books.orders.coupons.give_back([books.order.key])

    assert uses.audit(books.service.orders, "coupons", sleep=relay_catches_up).findings == []


def test_the_uses_of_each_coupon_are_counted(books: Books) -> None:
    retired = {"pk": {"S": "SINGLE/code/22229"}, "retired_at": {"N": "1"}}
    books.orders.claimed.put(("SINGLE/code/22229", ""), retired)
    found = uses.campaigns(books.orders.claimed.items())
    assert found == {
        "FIRST": uses.Campaign("FIRST", counted=1),
        "ONCE": uses.Campaign("ONCE", customers=1),
        "SINGLE": uses.Campaign("SINGLE", codes=1, retired=1),
    }
    assert [str(one) for one in found.values()] == [
        "1 use of its limit",
        "1 customer",
        "1 code used, 1 code retired",
    ]
    assert str(uses.Campaign("FIRST")) == "not used now"
    assert str(uses.Campaign("FIRST", 3, limit=1_000)) == "3 uses of its limit of 1,000"


@pytest.fixture
@starts("emulator")
def on_stack(stack: Any) -> Iterator[Service]:
    yield Service("codes", stack.client, stack.tables, {})
    stack.client("ssm").delete_parameter(Name=codes.parameter("codes"))


def test_codes_are_made_with_one_key_and_retired_once(on_stack: Service) -> None:
    made = list(codes.generate(on_stack, "SUMMER", 0, 50))
    assert len(set(made)) == 50
    assert list(codes.generate(on_stack, "SUMMER", 40, 10)) == made[40:]
    assert code_document(on_stack, made[0])["state"] == "free"
    codes.retire(on_stack, made[0], NOW)
    assert code_document(on_stack, made[0])["state"] == "retired"
    with pytest.raises(SpillwayError, match="retired before"):
        codes.retire(on_stack, made[0], NOW)
    for wrong, sentence in ((made[0][:-1] + "0", "mistyped"), (CODE, "not made by this store")):
        with pytest.raises(SpillwayError, match=sentence):
            codes.retire(on_stack, wrong, NOW)
    claim = {"pk": {"S": f"SUMMER/code/{made[0][7:12]}"}}
    on_stack.dynamodb.delete_item(TableName=on_stack.tables["coupons"], Key=claim)


def test_codes_that_no_price_book_takes_are_printed_with_a_warning(stack: Stack) -> None:
    """The stack sells by the example's book, which has THANKS."""
    warned = {}
    for campaign in ("THANKS", "NOBODYS"):
        words = ["coupons", "generate", "--campaign", campaign, "--count", "1"]
        done = CliRunner().invoke(app, [*words, "--port", str(stack.port)])
        assert done.stdout.startswith(f"{campaign}-")
        warned[campaign] = campaign in done.stderr
    assert warned == {"THANKS": False, "NOBODYS": True}


def test_what_a_customer_has_tried_is_no_use(books: Books) -> None:
    tries = DynamoCouponTries(books.orders.client, "coupons")
    assert tries.count(CustomerId("ada"), ["ONCE"], NOW)
    assert list(uses.campaigns(books.orders.claimed.items())) == ["FIRST", "ONCE", "SINGLE"]
    assert uses.audit(books.service.orders, "coupons", sleep=lambda _: None).findings == []


@pytest.mark.parametrize("campaign", ["spring", "CAFE\u0301", "S" * 49, "SPRING ", ""])
def test_no_codes_are_printed_for_a_campaign_that_no_book_can_have(campaign: str) -> None:
    with pytest.raises(SpillwayError, match="--campaign"):
        codes.generate(Books().service, campaign, 0, 1)
