"""What keeping orders costs, in numbers that can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from orders.domain.order import Channel
from spillway.plan.cost.batches import CROWD
from spillway.plan.cost.keeping import (
    CHANNELS,
    STANDARD,
    WAYS,
    Keeping,
    KeptCost,
    Sizes,
    Way,
    sizes,
)
from spillway.plan.cost.measurement import recorded
from spillway.plan.cost.model import MILLION, CostModel, cost_model
from spillway.plan.price_list import priced

#: With what the table adds to each item a thousand bytes an order, and two hundred a stub: of a
#: million orders a GB, and a fifth of one.
ROUND = Sizes(order=600, progress=200, stub=100, line=2_000, order_units=1.0)


@pytest.fixture(scope="module")
def model() -> CostModel:
    return cost_model()


@pytest.fixture(scope="module")
def keeping(model: CostModel) -> Keeping:
    return Keeping(model, ROUND)


def _cost(keeping: Keeping, way: Way) -> KeptCost:
    return keeping.costs()[WAYS.index(way)]


def _way(*, infrequent: bool = False, days: int | None = None) -> Way:
    table_class = "infrequent_access" if infrequent else "standard"
    [found] = [one for one in WAYS if (one.table_class, one.days) == (table_class, days)]
    return found


def test_an_order_in_the_table_is_paid_by_the_month_with_its_recovery(keeping: Keeping) -> None:
    cost = _cost(keeping, STANDARD)
    assert (cost.once, cost.archived, cost.cheaper_after) == (0, None, None)
    assert cost.in_table == pytest.approx(0.25 + 0.20)
    assert (cost.year, cost.seven_years) == pytest.approx((12 * 0.45, 84 * 0.45))


def test_infrequent_access_stores_cheaper_and_makes_each_request_dearer(
    model: CostModel, keeping: Keeping
) -> None:
    cost = _cost(keeping, _way(infrequent=True))
    order = model.a_web_order(CROWD)
    writes, reads = (order.units(f"dynamodb.{kind}_units") for kind in ("write", "read"))
    assert cost.once == pytest.approx(writes * (0.78 - 0.625) + reads * (0.155 - 0.125))
    assert cost.in_table == pytest.approx(0.10 + 0.20)
    assert cost.year == pytest.approx(cost.once + 12 * 0.30)
    assert cost.cheaper_after == pytest.approx(cost.once / (0.45 - 0.30))


def test_an_archived_order_is_a_stub_a_line_and_two_writes_that_are_paid_twice(
    keeping: Keeping,
) -> None:
    cost = _cost(keeping, _way(days=90))
    # 30 objects a month, and one GET an order.
    assert cost.once == pytest.approx(4 * 0.625 + 30 * 0.000005 + 0.40)
    # Half a unit for each 4 KB of the whole table, once a month.
    read = 0.125 / 2 / 4_096
    assert cost.in_table == pytest.approx(0.45 + 800 * read)
    assert cost.archived is not None
    assert cost.archived == pytest.approx(0.2 * 0.45 + 100 * read + 2 * 0.023)
    assert cost.seven_years == pytest.approx(cost.once + 3 * cost.in_table + 81 * cost.archived)


def test_an_order_that_is_not_archived_within_a_year_pays_for_no_archive_in_it(
    keeping: Keeping,
) -> None:
    cost = _cost(keeping, _way(days=400))
    assert cost.year == pytest.approx(12 * cost.in_table)


@pytest.mark.parametrize("way", WAYS[1:], ids=lambda way: way.name)
def test_it_is_cheaper_from_the_month_in_which_both_have_cost_the_same(
    keeping: Keeping, way: Way
) -> None:
    cost, standard = _cost(keeping, way), _cost(keeping, STANDARD)
    months = cost.cheaper_after
    assert months is not None
    in_table = min(months, way.months or months)
    paid = cost.once + in_table * cost.in_table + (months - in_table) * (cost.archived or 0)
    assert paid == pytest.approx(months * standard.in_table)


def test_what_saves_nothing_is_never_cheaper(model: CostModel) -> None:
    longer = replace(ROUND, line=200_000)
    assert _cost(Keeping(model, longer), _way(days=90)).cheaper_after is None


def test_the_ways_are_compared_alike_whatever_class_the_stage_has(
    model: CostModel, keeping: Keeping
) -> None:
    infrequent = msgspec.structs.replace(model.stage, table_class="infrequent_access")
    compared = Keeping(replace(model, stage=infrequent), ROUND).costs()
    sums = [[(cost.once, cost.year) for cost in one] for one in (keeping.costs(), compared)]
    assert sums[1] == [pytest.approx(each) for each in sums[0]]


@pytest.mark.parametrize("channel", CHANNELS)
def test_an_archived_order_keeps_little_in_the_table(channel: Channel) -> None:
    size = sizes(channel)
    assert size.stub < 150
    assert size.order < size.line


def test_sizes_are_those_of_the_measured_orders(model: CostModel) -> None:
    size, measured = sizes("retail"), recorded("crowd")
    assert size.order == pytest.approx(measured.order_bytes / measured.orders, rel=0.02)
    assert size.progress == pytest.approx(measured.progress_bytes / measured.orders, rel=0.02)
    kept = priced(model.kept().scaled(MILLION), model.price_list).dollars
    assert _cost(Keeping(model, size), STANDARD).in_table == pytest.approx(kept, rel=0.02)
