"""docs/threats.md has a row for each field of an order, and names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

from tests.security.test_forging import FIELDS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "threats.md").read_text()
TESTS = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)


def test_every_test_that_it_names_exists() -> None:
    assert len(TESTS) > 10
    for file, name in TESTS:
        assert re.search(rf"^def {name}\(", (ROOT / file).read_text(), re.MULTILINE), name
    forging = (ROOT / "tests" / "security" / "test_forging.py").read_text()
    for name in re.findall(r"`(test_\w+)`", PAGE):
        assert f"def {name}(" in forging, name


def test_each_row_says_what_tries_it() -> None:
    rows = re.findall(r"^\| (.+) \| (.+) \| (.+) \| (.+) \|$", PAGE, re.MULTILINE)
    for field, *_, tried in rows:
        assert re.search(r"^tried by$|^---$|^(forged|own)\b|`tests/", tried), field


def test_every_field_of_an_order_has_a_row() -> None:
    section = PAGE.partition("## The order's fields")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(\w+)`", "\n".join(re.findall(r"^\| ([^|]+) \|", section, re.M))))
    fields = {pointer.replace("/*", "").rpartition("/")[2] for pointer in FIELDS} - {""}
    assert named == fields
