"""What the pages point to exists: files, headings, make targets, commands, decisions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from spillway.cli import app

ROOT = Path(__file__).parents[2]
DECISIONS = (ROOT / "docs" / "decisions" / "README.md").read_text()
NUMBERS = re.findall(r"^### (\d{4}): ", DECISIONS, re.MULTILINE)
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        if path.startswith("http"):
            continue
        found = page.parent / path if path else page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


@each_page
def test_every_path_in_backticks_exists(page: Path) -> None:
    top = r"(?:src|infra|simulation|benchmarks|web|tests|docs)/[\w./-]*"
    for path in re.findall(rf"`({top})`", page.read_text()):
        assert (ROOT / path).exists(), path


@each_page
def test_every_make_target_exists(page: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for target in re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.MULTILINE):
        assert target in targets


@each_page
def test_every_command_exists_with_its_options(page: Path) -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    called = re.findall(r"\bspillway ([a-z]+)(?: ([a-z]+))?([^`|#\n]*)", page.read_text())
    for name, second, rest in called:
        assert name in commands
        below = getattr(commands[name], "commands", {})
        candidates = [below[second]] if second in below else [commands[name], *below.values()]
        known = {
            option for command in candidates for part in command.params for option in part.opts
        }
        assert set(re.findall(r"--[a-z-]+", rest)) <= known | {"--help"}, name


def test_every_decision_has_its_number_and_none_is_lost() -> None:
    assert sorted(map(int, NUMBERS)) == list(range(1, len(NUMBERS) + 1))


def test_every_decision_that_the_code_names_exists() -> None:
    for folder in ("src", "infra", "simulation", "benchmarks"):
        for file in (ROOT / folder).rglob("*.py"):
            for number in re.findall(r"decisions? (\d{4})\b", file.read_text()):
                assert number in NUMBERS, file
