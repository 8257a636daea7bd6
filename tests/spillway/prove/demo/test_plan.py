"""What a run will do follows from its options alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from orders.domain.pricing import check
from orders.domain.units import Millis
from spillway.errors import SpillwayError
from spillway.price_book import example
from spillway.prove.demo.plan import OUTAGE_ORDERS_MAX, empty_shelf, plan
from spillway.run.workload import LIMITED_COUPON, read_sales

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three sales, of which the second is taken back."""
    path = tmp_path / "sales.csv"
    rows = [
        "1,MUG,A MUG,1,2010-12-01,2.55,7,United Kingdom",
        "2,JAR,A JAR,1,2010-12-01,1.25,7,United Kingdom",
        "3,HAT,A HAT,1,2010-12-01,9.95,7,United Kingdom",
        "C4,JAR,A JAR,-1,2010-12-02,1.25,7,United Kingdom",
    ]
    path.write_text("\n".join([HEADER, *rows]), encoding="utf-8")
    return path


def test_the_same_options_give_the_same_plan() -> None:
    assert plan(orders=30) == plan(orders=30)


def test_generated_orders_end_in_every_way() -> None:
    planned = plan(orders=200)

    assert len(planned.drafts) == 200
    assert 4 <= len(planned.cancel_after) <= 20
    assert min(planned.cancel_after.values()) == 0.0
    assert max(planned.cancel_after.values()) > 1.0
    assert planned.fault_settings.keys() == {"inventory", "fulfilment", "accounting"}


def test_one_sku_is_out_of_stock_in_a_few_orders() -> None:
    drafts = plan(orders=200).drafts
    sku = empty_shelf(drafts)

    assert sum(any(line.sku == sku for line in draft.order.lines) for draft in drafts) == 6


@pytest.mark.parametrize(("wanted", "found"), [(True, [0, 20]), (False, [])])
def test_one_order_in_twenty_has_a_limited_coupon_and_costs_what_the_book_says(
    wanted: bool, found: list[int]
) -> None:
    drafts = plan(orders=40, limited_coupons=wanted).drafts
    limited = [
        place
        for place, draft in enumerate(drafts)
        if LIMITED_COUPON in {discount.coupon for discount in draft.order.discounts}
    ]

    assert limited == found
    for place in limited:
        assert check(drafts[place].order, example().book("v1"), Millis(0)).refusals == []


def test_without_cancellations_nothing_is_cancelled() -> None:
    assert plan(orders=50, cancellations=False).cancel_after == {}


def test_the_last_orders_are_placed_in_an_outage_and_never_cancelled() -> None:
    planned = plan(orders=300)

    assert planned.outage_orders == OUTAGE_ORDERS_MAX
    assert max(planned.cancel_after) < 300 - OUTAGE_ORDERS_MAX


@pytest.mark.parametrize("orders", [1, 9])
def test_too_few_orders_meet_no_outage(orders: int) -> None:
    assert plan(orders=orders).outage_orders == 0


def test_a_files_orders_are_sent_undisturbed(file: Path) -> None:
    planned = plan(file=file, orders=2)

    assert planned.drafts == tuple(read_sales(file).orders[:2])
    assert planned.fault_settings == {}
    assert planned.cancel_after == {}


def test_a_files_cancellations_are_sent_when_asked_for(file: Path) -> None:
    assert plan(file=file, cancellations=True).cancel_after.keys() == {1}
    assert plan(file=file, cancellations=True, orders=1).cancel_after == {}


def test_a_file_without_a_sale_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    path.write_text(f"{HEADER}\n1,MUG,A MUG,1,2010-12-01,0,7,United Kingdom\n", encoding="utf-8")

    with pytest.raises(SpillwayError, match="no sale that can be ordered"):
        plan(file=path)
