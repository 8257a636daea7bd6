"""The price book of a stack on this machine."""

from __future__ import annotations

import json
from typing import Any

from typer.testing import CliRunner

from spillway.cli import app
from spillway.price_book import EXAMPLE, example
from spillway.run.stack import Stack


def answer(stack: Stack, *arguments: str) -> dict[str, Any]:
    command = ["prices", *arguments, "--port", str(stack.port), "--json"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, (done.stderr, done.exception)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_a_stack_sells_by_the_example_store_s_book_from_its_start(stack: Stack) -> None:
    shown = answer(stack, "show", "MUG-SAGE")["in_force"]
    assert shown["articles"] == len(example().articles)
    assert shown["found"]["MUG-SAGE"]["prices"]["retail GBP"] == 1_400
    (first, *_) = answer(stack, "history")["books"]
    assert first["by"] == "spillway up"


def test_publishing_the_same_book_again_changes_nothing(stack: Stack) -> None:
    tried = answer(stack, "publish", str(EXAMPLE))
    assert (tried["published"], tried["suspicions"]) == (False, [])
