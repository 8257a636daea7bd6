"""docs/cost.md is what the tools say today."""

from __future__ import annotations

from pathlib import Path

import pytest

from spillway.plan.capacity.planning import plan
from spillway.plan.cost import real
from spillway.plan.cost.findings import find
from spillway.plan.cost.reckoning import MILLION, reckoning
from spillway.plan.docs import CHARTS, PAGE, text
from spillway.plan.profile import coupon

REAL_FILE = Path(__file__).parents[3] / "shared" / "data" / "online-retail-2010-12.csv.gz"


def test_the_page_is_what_the_tools_would_write_now() -> None:
    """When it is not: `make costs`."""
    ours = reckoning()
    assert PAGE.read_text() == text(ours, find(ours, MILLION), plan(coupon()))


def test_every_chart_of_the_page_is_there() -> None:
    for chart in ("parts", "months", "alternatives", "spike"):
        assert f"(cost/{chart}.png)" in PAGE.read_text()
        assert (CHARTS / f"{chart}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(
    not REAL_FILE.exists(), reason="the real orders (../shared/data) are not on this machine"
)
def test_the_real_orders_are_counted_as_on_the_page() -> None:
    counted, kept = real.of_file(REAL_FILE), real.recorded()
    assert counted.keys() == kept.keys()
    for channel, measurement in kept.items():
        for quantity in ("requests", "write_units", "read_units", "chunks"):
            assert counted[channel].total(quantity) == measurement.total(quantity), channel
