"""The other designs: every count has its source, and the sums are near what was gathered."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from spillway.plan.cost.alternatives import Alternative, Base, alternatives, break_even, compare
from spillway.plan.price_list import Usage, Use, load

OURS = Usage((Use("API: requests", "http_api.requests", 1), Use("queues", "sqs.requests", 1)))
COUNTED: Mapping[Base, Usage] = {"ours": OURS, "queued": OURS}


def test_there_are_more_than_eight_and_each_count_says_where_it_is_from() -> None:
    price_list = load()
    assert len(alternatives()) >= 8
    for name, design in alternatives().items():
        counts = (*design.per_order, *design.per_month)
        assert counts or design.based_on == "queued", name
        for price, count, source in counts:
            assert price in price_list.price
            assert count > 0
            assert len(source) > 5, name


def test_a_sum_is_near_the_one_that_was_gathered() -> None:
    """The facts' own, of 2026-11-23, for an order of up to 1 KB and calls of 100 ms: it leaves out
    a write that is counted here."""
    name = "EventBridge instead of stream and queues"
    [found] = [one for one in compare(COUNTED, 0, load()) if one.name == name]
    assert found.per_million == pytest.approx(9.23, rel=0.07)


def test_what_is_based_on_ours_leaves_out_and_adds() -> None:
    design = Alternative(
        what="x",
        based_on="ours",
        without=("API: ",),
        per_order=(("sns.requests", 2, "a test"),),
    )
    usage = design.usage(COUNTED)
    assert usage.by_price() == {"sqs.requests": 1, "sns.requests": 2}


@pytest.mark.parametrize(
    ("order", "month", "expected"),
    [
        (0.0, 101.0, 100_000_000.0),  # machines: 100 dollars more a month, 1 dollar less a million
        (2e-6, 1.0, None),  # dearer at any number
        (0.5e-6, 1.0, 0.0),  # cheaper at any number
    ],
)
def test_break_even(order: float, month: float, expected: float | None) -> None:
    assert break_even(1e-6, 1.0, order, month) == (
        None if expected is None else pytest.approx(expected)
    )
