"""ARCHITECTURE.md draws the arrows that import-linter enforces; its tables name what there is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from orders.domain.promises import Promise
from orders.domain.saga import Step

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "ARCHITECTURE.md").read_text()
ARROW = " ──▶ "


def test_it_draws_the_layers_that_are_enforced_and_no_other_arrow() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    enforced = {
        ARROW.join(contract["layers"])
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    }
    drawing = PAGE.partition("## Packages and their arrows")[2].split("```")[1]
    assert {line for line in drawing.splitlines() if ARROW in line} == enforced


def test_it_names_every_part_of_the_service_and_every_wing_of_the_toolbox() -> None:
    for folder in ("src/orders", "src/spillway"):
        section = PAGE.partition(f"### `{folder}/`")[2].partition("\n### ")[0]
        for part in (ROOT / folder).iterdir():
            if part.is_dir() and (part / "__init__.py").exists():
                assert f"`{part.name}`" in section, part


def test_it_names_every_stack() -> None:
    stacks = {path.stem for path in (ROOT / "infra" / "stacks").glob("[a-z]*.py")}
    assert set(re.findall(r"^\| \*(\w+)\* \|", PAGE, re.MULTILINE)) == stacks


def test_it_names_every_promise_and_every_step() -> None:
    for name in (*Promise, *Step):
        assert f"`{name.value}`" in PAGE
