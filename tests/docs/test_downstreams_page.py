"""docs/downstreams.md names what a description may have, all of it and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from orders.domain.saga import DOWNSTREAM_OF, Step
from orders.downstream import template
from orders.downstream.answers import Meaning
from orders.downstream.description import By

PAGE = (Path(__file__).parents[2] / "docs" / "downstreams.md").read_text()


def section(heading: str) -> str:
    return PAGE.split(f"{heading}\n", 1)[1].split("\n### ", 1)[0].split("\n## ", 1)[0]


def test_every_placeholder_is_on_the_page_and_no_other() -> None:
    named = set(re.findall(r"`\{([a-z_.]+)\}`", section("### Requests")))
    known = {name for _, values in template.SOURCES for name in values}
    items = {f"{one}.{field}" for one, fields in template.ITEMS.values() for field in fields}
    written = set(re.findall(r"\{([a-z_]+\.[a-z_]+)\}", section("### Requests")))
    assert named - items == known | {"reference.reserve"}
    assert written >= items


def test_every_meaning_is_on_the_page() -> None:
    first = [
        name
        for heading in ("### Answers", "### Parcels")
        for name in re.findall(r"^\| `([a-z_]+)` \|", section(heading), re.MULTILINE)
    ]
    assert sorted(first) == sorted(["means", "means", *get_args(Meaning)])


@pytest.mark.parametrize("by", get_args(By))
def test_every_way_to_reach_one_is_on_the_page(by: str) -> None:
    assert f"`{by}`" in section("## The format")


@pytest.mark.parametrize("step", list(Step))
def test_every_step_is_on_the_page_beside_its_downstream(step: Step) -> None:
    intro = section("## The format")
    assert re.search(rf"{DOWNSTREAM_OF[step]} [^.]*?`{step}`", intro, re.IGNORECASE)
