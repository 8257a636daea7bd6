"""docs/simulation.md counts what the simulation has."""

from __future__ import annotations

from pathlib import Path

from simulation.world import invariants
from simulation.world.express import EXPRESS_WITHIN_BOUNDS
from spillway.prove.mutants.catalogue import MUTANTS
from spillway.prove.simulate import exhaustive

PAGE = (Path(__file__).parents[2] / "docs" / "simulation.md").read_text()


def test_it_says_how_many_mutants_there_are() -> None:
    assert f" {len(MUTANTS)} mutants" in PAGE


def test_it_says_how_many_variants_of_one_order_there_are() -> None:
    assert f" {len(exhaustive.cases())} variants of one order" in PAGE


def test_it_names_what_is_checked_beside_the_promises() -> None:
    for name in (
        invariants.NO_BUGS,
        invariants.ANNOUNCED,
        invariants.NO_COMMAND_LOST,
        EXPRESS_WITHIN_BOUNDS,
    ):
        assert f"`{name}`" in PAGE
