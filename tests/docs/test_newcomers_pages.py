"""README, one-order.md and the glossary stay as short as a newcomer needs them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from infra.metrics import ARCHIVE, EVERY_FUNCTION
from infra.stage import load
from orders.domain.promises import Promise
from spillway.target.service import QUEUES

ROOT = Path(__file__).parents[2]
ORDER = (ROOT / "docs" / "one-order.md").read_text()
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text()


def test_one_order_is_followed_through_at_most_eight_files() -> None:
    steps = re.findall(r"^(\d+)\. \[`(src/orders/[\w/]+\.py)`\]\(\.\./(.+?)\)", ORDER, re.MULTILINE)
    assert 0 < len(steps) <= 8
    assert [int(number) for number, *_ in steps] == list(range(1, len(steps) + 1))
    assert all(shown == linked for _, shown, linked in steps)


def test_every_name_in_one_order_is_in_a_file_that_it_leads_to() -> None:
    files = set(re.findall(r"\]\(\.\./(src/orders/[\w/]+\.py)\)", ORDER))
    source = "\n".join((ROOT / file).read_text() for file in files)
    for name in re.findall(r"`([A-Za-z_]+(?:\.[a-z_]+)*)(?:\(\w*\))?`", ORDER):
        assert name.rpartition(".")[2] in source, name


def test_the_glossary_has_at_most_forty_words_in_order() -> None:
    words = re.findall(r"^\| ([a-z][\w -]*) \|", GLOSSARY, re.MULTILINE)[1:]
    assert 0 < len(words) <= 40
    assert words == sorted(words)


def test_the_changelog_has_the_version_that_is_built() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(rf"^## {re.escape(version)} \(\d{{4}}-\d\d-\d\d\)$", changelog, re.MULTILINE)


def test_readme_shows_as_many_queues_functions_and_promises_as_there_are() -> None:
    shown = (ROOT / "README.md").read_text().partition("The promises ─")[2].partition("```")[0]
    [(queues, functions)] = re.findall(r"(\d+) queues empty, (\d+) functions", shown)
    # Relay reads the stream: it has a dead-letter queue and no queue of its own.
    assert int(queues) == 2 * len(QUEUES) + 1
    # On this machine orders can leave the table, too.
    assert load("local").keeping.days is not None
    assert int(functions) == len({*EVERY_FUNCTION, ARCHIVE})
    assert re.findall(r"✔  (\w+)", shown) == [promise.value for promise in Promise]
