"""The findings in each form: JSON, terminal, page."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import pytest
from rich.console import Console

from spillway.plan.cost.findings import Findings
from spillway.plan.cost.model import MILLION, cost_model
from spillway.plan.cost.page import page
from spillway.plan.cost.report import document, show
from spillway.plan.price_list import load
from spillway.plan.profile import coupon


@pytest.fixture(scope="module")
def found() -> Findings:
    return Findings(cost_model(), MILLION)


class TestJson:
    def test_it_begins_with_what_never_changes(self, found: Findings) -> None:
        assert [*document(found)][:4] == [
            "total_per_million",
            "idle_per_month",
            "items",
            "alternatives",
        ]

    def test_a_million_orders_are_billed_at_most_five_dollars(self, found: Findings) -> None:
        content = document(found)
        assert content["total_per_million"] <= 5.00
        assert content["idle_per_month"] <= 2.00
        assert content["list"]["total_per_million"] > content["total_per_million"]

    def test_items_add_up_and_each_is_operations_times_price(self, found: Findings) -> None:
        content = document(found)
        for bill, total in (
            (content["items"], content["total_per_million"]),
            (content["list"]["items"], content["list"]["total_per_million"]),
        ):
            assert sum(item["dollars"] for item in bill) == pytest.approx(total, abs=1e-3)
            for item in bill:
                paid = item["operations"] - item["free"]
                assert item["dollars"] == pytest.approx(paid * item["price"], abs=1e-5)

    def test_it_has_at_least_eight_alternatives_each_with_its_operations(
        self, found: Findings
    ) -> None:
        others = document(found)["alternatives"]
        assert len(others) >= 8
        for other in others:
            assert other["items"]
            total = other["total_per_million"]
            assert total == pytest.approx(
                sum(item["dollars"] for item in other["items"])
                - (other["per_month"] if not total else _months(other)),
                abs=0.01,
            )

    def test_more_orders_make_the_free_tiers_count_less(self) -> None:
        few, many = (Findings(cost_model(), orders) for orders in (100_000, 100 * MILLION))
        assert few.load.billed.dollars < many.load.billed.dollars < many.load.list_price.dollars

    def test_a_profile_is_priced_by_how_its_orders_come(self) -> None:
        slow, fast = (
            Findings(cost_model(), MILLION, coupon(peak=peak, seconds=60)).load.list_price.dollars
            for peak in (0.5, 5_000)
        )
        assert slow > 5 > fast


def _months(other: Mapping[str, Any]) -> float:
    """What of an alternative's items is paid by the month."""
    hourly = ("hours", "GB-months, two zones")
    paid = [item for item in other["items"] if any(unit in item["unit"] for unit in hourly)]
    return float(sum(item["dollars"] for item in paid))


class TestTerminal:
    @pytest.mark.parametrize("width", [60, 80, 140])
    def test_it_fits_and_marks_what_no_source_confirms(self, found: Findings, width: int) -> None:
        output = io.StringIO()
        show(found, [], Console(file=output, width=width, highlight=False))
        text = output.getvalue()
        assert max(len(line) for line in text.splitlines()) <= width
        assert re.search(r"0\.39\d*\*", text)
        assert "not confirmed: transfer.out" in " ".join(text.split())


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.alts: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.links += [str(given[name]) for name in ("src", "href") if name in given]
        if tag == "img":
            self.alts.append(given.get("alt"))


def test_the_page_needs_nothing_but_itself(found: Findings) -> None:
    html = page(found)
    tags = _Tags()
    tags.feed(html)
    assert len(tags.alts) == 1
    assert all(tags.alts)
    assert all(link.startswith("data:image/png") for link in tags.links)
    assert "<script" not in html
    for other in found.alternatives:
        assert other.name in html


def test_every_price_that_is_used_has_a_name_in_the_book(found: Findings) -> None:
    known = load().price.keys()
    assert {item.use.price for item in found.load.list_price.items} <= known
