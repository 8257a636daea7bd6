"""`spillway prices` as a person and a script meet it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from spillway.cli import app
from spillway.errors import UsageError
from tests.spillway.price_book.files import ARTICLES, written

run = CliRunner().invoke


def test_a_book_without_fault_is_told_so(tmp_path: Path) -> None:
    done = run(app, ["prices", "check", str(written(tmp_path)), "--json"])
    assert done.exit_code == 0
    document = json.loads(done.stdout)
    assert (document["count"], document["articles"], document["countries"]) == (0, 2, ["GB"])


def test_faults_are_told_each_with_its_line_and_end_with_1(tmp_path: Path) -> None:
    rows = "".join(f"SKU-{number},,standard,1,,,,1.0,,\n" for number in range(30))
    path = written(tmp_path, articles=ARTICLES + rows)
    told = run(app, ["prices", "check", str(path)])
    assert (told.exit_code, told.stdout) == (1, "")
    lines = told.stderr.splitlines()
    assert lines[0].startswith("articles.csv, line 4: ")
    assert (len(lines), lines[-1]) == (21, "And 10 more.")
    document = json.loads(run(app, ["prices", "check", str(path), "--json"]).stdout)
    assert (document["count"], document["faults"][0]["line"]) == (30, 4)
    published = run(app, ["prices", "publish", str(path), "--json"])
    assert (published.exit_code, json.loads(published.stdout)["count"]) == (1, 30)


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        (["publish"], "BOOK.toml"),
        (["publish", "BOOK", "--from", "tomorrow"], "2026-12-01T08:00:00Z"),
        (["publish", "BOOK", "--from", "2999-01-01"], "no time of day"),
        (["check", "BOOK"], "There is no file BOOK"),
        (["check", "web"], "web is a folder"),
        (["publish", "BOOK", "--from", "2020-01-01T00:00:00Z"], "2 minutes"),
        (["publish", "BOOK", "--at-once", "--from", "2999-01-01T00:00:00Z"], "not both"),
    ],
)
def test_a_mistake_is_one_sentence_before_anything_is_read(arguments: list[str], fact: str) -> None:
    done = run(app, ["prices", *arguments])
    assert isinstance(done.exception, UsageError)
    assert fact in str(done.exception)
