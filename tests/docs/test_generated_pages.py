"""The generated parts of the documentation are what the tools would write now: else `make docs`."""

from __future__ import annotations

import json
import re

import pytest

from infra.stage import load
from orders.domain.refusals import Rule
from spillway.errors import SpillwayError
from spillway.paths import PROJECT
from spillway.plan.cost.findings import Findings
from spillway.plan.cost.model import MILLION, cost_model
from spillway.plan.cost.sizing import MEMORIES_MB
from spillway.plan.docs import (
    BENCHMARKS,
    COST,
    PERFORMANCE,
    PICTURE,
    PRICING_VECTORS,
    cost_page,
    filled,
    performance_page,
)
from spillway.plan.pricing_vectors import vectors


def test_the_cost_page() -> None:
    assert COST.read_text() == cost_page(Findings(cost_model(), MILLION))
    assert PICTURE.read_bytes().startswith(b"\x89PNG")


def test_what_the_readme_says_that_a_store_pays_is_on_the_cost_page() -> None:
    web, _, app, _, idle = _rows(COST.read_text(), "store")
    [said] = re.findall(r"\*\*Idle, no compute runs\.\*\*.*", (PROJECT / "README.md").read_text())
    # prod's: an order at list price, and a month without any at list price and as it is billed.
    assert re.findall(r"\d+\.\d\d", said) == [web[3], app[3], idle[3], idle[4]]


def _rows(page: str, part: str) -> list[list[str]]:
    """The cells of a generated table, without its head."""
    table = page.partition(f"<!-- {part} -->\n")[2].partition(f"<!-- /{part} -->")[0]
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()[2:]]


def test_the_performance_page() -> None:
    assert PERFORMANCE.read_text() == performance_page(cost_model())


def test_the_recorded_run_measured_everything_and_met_every_bound() -> None:
    figures = json.loads(BENCHMARKS.read_text())["figures"]
    assert {"Cold start", "Growth", "The bundle"} < figures.keys()
    for row in figures["Cold start"].values():
        assert row["ratio"] <= row.get("at most", row["ratio"])
    for title in (name for name in figures if "warm order" in name):
        for row in figures[title].values():
            ratio = row.get("ratio", row.get("a line of 2,000, of 500"))
            assert ratio <= row["at most"]


def test_every_function_is_sized_as_it_is_deployed() -> None:
    memory = cost_model().stage.memory_mb
    for stage in map(load, ("dev", "prod")):
        for name, size in memory.items():
            deployed = getattr(stage.functions, name.partition("-")[0], None)
            assert deployed is None or deployed.memory_mb == size
            assert size in MEMORIES_MB


def test_a_page_without_its_markers_is_refused() -> None:
    with pytest.raises(SpillwayError, match="<!-- nothing -->"):
        filled(COST, nothing="")


def test_the_examples_of_prices_are_the_domains_and_have_every_kind() -> None:
    text = PRICING_VECTORS.read_text()
    assert text == vectors()
    cases = json.loads(text)["cases"]
    seen = {refusal["rule"] for case in cases for refusal in case["priced"]["refusals"]}
    assert seen == {
        Rule.ARTICLE_UNKNOWN,
        Rule.ARTICLE_NOT_ON_CHANNEL,
        Rule.ARTICLE_NOT_AVAILABLE,
        Rule.CASE_PACK_BROKEN,
        Rule.CURRENCY_NOT_ACCEPTED,
        Rule.DELIVERY_NOT_OFFERED,
        Rule.STATE_UNKNOWN,
    }
    sold = [case["priced"] for case in cases if not case["priced"]["refusals"]]
    assert len(sold) > len(cases) / 4
    assert any(priced["tax"] for priced in sold)
    assert any(priced["shipping"] == 0 for priced in sold)
