"""The file of orders in quarantine, and what is said of each rule."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import spillway.migrate
from orders.domain.refusals import Rule
from spillway.migrate.new.quarantine import REMEDIES, Quarantine, by_rule
from spillway.migrate.old.mapping import Reason, Unmapped


def unmapped(key: str, rule: str = "date_missing") -> Unmapped:
    return Unmapped(key, (Reason(rule, "Ü"),))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_last_line_about_an_order_counts(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path / "q.jsonl")
    quarantine.add([unmapped("1"), unmapped("2")])
    quarantine.resolve(["1"])
    found = {line["key"]: line.get("resolved", False) for line in lines(quarantine.path)}
    assert found == {"1": True, "2": False}
    assert quarantine.path.stat().st_mode & 0o777 == 0o600


def test_the_next_process_leaves_one_line_for_each_order_that_is_still_there(
    tmp_path: Path,
) -> None:
    path = tmp_path / "q.jsonl"
    before = Quarantine(path)
    before.add([unmapped("1"), unmapped("2"), unmapped("3")])
    before.add([unmapped("3", "key_unreadable"), unmapped("4")])
    before.resolve(["2"])
    with path.open("a") as file:
        file.write('{"key": "5", "rea')  # killed

    Quarantine(path).add([unmapped("6")])

    kept = [(line["key"], line["reasons"][0]["rule"]) for line in lines(path)]
    assert kept == [
        ("1", "date_missing"),
        ("3", "key_unreadable"),
        ("4", "date_missing"),
        ("6", "date_missing"),
    ]
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["q.jsonl"]


def test_an_order_counts_once_for_each_of_its_rules() -> None:
    twice = (Reason("a", "x"), Reason("a", "y"), Reason("b", "z"))
    assert by_rule([twice, (Reason("b", ""),)]) == {"a": 1, "b": 2}
    assert by_rule([]) == {}


#: Whose name and example say all that can be said.
PLAIN = {
    "back_refused",
    "date_impossible",
    "date_missing",
    "key_missing",
    "key_spelled_differently",
    "key_unreadable",
    "line_incomplete",
    "lines_not_a_list",
    "lines_not_json",
    "order_too_large",
    "quantity_not_a_number",
}


def test_each_rule_of_the_mapping_says_what_to_do() -> None:
    folder = Path(spillway.migrate.__file__).parent / "old"
    source = "".join(path.read_text() for path in folder.glob("*.py"))
    raised = set(re.findall(r'(?:Unusable|Reason)\(\s*"([a-z_]+)"', source))
    raised |= set(re.findall(r'"([a-z]+_not_a_number)"', source))
    assert len(raised) > 20
    assert raised - PLAIN <= REMEDIES.keys()
    assert REMEDIES.keys() <= raised | set(Rule)


def test_a_line_whose_end_a_kill_cut_off_stays_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    Quarantine(path).add([unmapped("1")])
    path.write_text(path.read_text().rstrip("\n"))
    Quarantine(path).add([unmapped("2")])
    assert [line["key"] for line in lines(path)] == ["1", "2"]


def test_only_a_file_is_tidied(tmp_path: Path) -> None:
    """A link leads to the same file as before."""
    path, link = tmp_path / "q.jsonl", tmp_path / "link.jsonl"
    Quarantine(path).add([unmapped("1"), unmapped("1")])
    link.symlink_to(path)
    Quarantine(link).add([unmapped("2")])
    assert [line["key"] for line in lines(path)] == ["1", "2"]
    assert link.is_symlink()


@pytest.mark.parametrize("content", ["", "no JSON\n", "[]\n", "7\n", "\xff\n"])
def test_whatever_stands_in_the_file_an_order_can_be_added(tmp_path: Path, content: str) -> None:
    path = tmp_path / "q.jsonl"
    path.write_bytes(content.encode("latin-1"))
    Quarantine(path).add([unmapped("1")])
    assert [line["key"] for line in lines(path)] == ["1"]
