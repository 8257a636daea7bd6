"""What the pages point to exists: files, make targets, commands, tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from orders.domain.promises import Promise
from orders.domain.saga import Step
from spillway.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "ARCHITECTURE.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_in_backticks_exists(page: Path) -> None:
    rooms = r"(?:src|infra|simulation|tests|docs)/[\w./-]*"
    for path in re.findall(rf"`({rooms})`", page.read_text()):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_make_target_and_command_exists(page: Path) -> None:
    text = page.read_text()
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for target in re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE):
        assert target in targets
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for command in re.findall(r"\bspillway ([a-z]+)\b", text):
        assert command in commands


def test_architecture_names_every_promise_and_every_step() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    for promise in Promise:
        assert f"`{promise.value}`" in text
    for step in Step:
        assert f"`{step.value}`" in text


def test_every_decision_is_listed_under_its_title() -> None:
    listed = (ROOT / "docs/decisions/README.md").read_text()
    for page in (ROOT / "docs/decisions").glob("0*.md"):
        title = page.read_text().splitlines()[0].removeprefix(f"# {page.name[:4]}: ")
        assert f"| [{page.name[:4]}]({page.name}) | {title} |" in listed
