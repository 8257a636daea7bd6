"""The price book of a stack on this machine."""

from __future__ import annotations

import json
from typing import Any

import httpx
from typer.testing import CliRunner

from spillway.cli import app
from spillway.price_book import EXAMPLE, encoded_catalogue, example
from spillway.run.stack import Stack


def answer(stack: Stack, *arguments: str) -> dict[str, Any]:
    command = ["prices", *arguments, "--port", str(stack.port), "--json"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, (done.stderr, done.exception)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_a_stack_sells_by_the_example_store_s_book_from_its_start_and_shows_it(
    stack: Stack,
) -> None:
    with httpx.Client(base_url=stack.origin, trust_env=False) as pages:
        [listed] = pages.get("/prices.json").json()["books"]
        found = pages.get(listed["catalogue"])
        later = listed["catalogue"].replace(str(listed["begins"]), "9999999999999")
        assert pages.get(later).status_code == 404
    assert found.content == encoded_catalogue(example())
    assert "immutable" in found.headers["cache-control"]
    shown = answer(stack, "show", "MUG-SAGE")["in_force"]
    assert shown["articles"] == len(example().articles)
    assert shown["found"]["MUG-SAGE"]["prices"]["retail GBP"] == 1_400
    (first, *_) = answer(stack, "history")["books"]
    assert first["by"] == "spillway up"


def test_publishing_the_same_book_again_changes_nothing(stack: Stack) -> None:
    tried = answer(stack, "publish", str(EXAMPLE))
    assert (tried["published"], tried["suspicions"]) == (False, [])
