"""docs/performance.md is what the recorded run and today's prices say."""

from __future__ import annotations

from benchmarks import tables
from benchmarks.page import PAGE, WHY, text
from benchmarks.results import recorded
from benchmarks.sizing import sized
from infra.stage import load
from spillway.plan.cost.reckoning import reckoning


def test_the_page_is_what_would_be_written_now() -> None:
    """When it is not: `make costs`, or after a new run `make bench ARGS=--record`."""
    assert PAGE.read_text() == text(recorded(), reckoning())


def test_the_recorded_run_measured_everything_and_met_every_bound() -> None:
    found = recorded()
    assert found.met
    assert [title for title, _ in tables.tables(found)] == [
        tables.COLD,
        tables.WARM,
        tables.PARTS,
        tables.COUNTED,
        tables.SCALING,
        tables.BUNDLE,
    ]


def test_every_function_is_sized_as_it_is_deployed() -> None:
    for stage in map(load, ("dev", "prod")):
        for one in sized(reckoning()):
            size = getattr(stage.functions, one.function.partition("-")[0])
            assert one.chosen_mb == size.memory_mb
            assert one.chosen_mb in [choice.memory_mb for choice in one.sizes]
    assert WHY.keys() == {one.function.partition("-")[0] for one in sized(reckoning())}
