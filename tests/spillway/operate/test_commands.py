"""What a person who errs is told: one sentence, with the next step."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from spillway.cli import app
from spillway.errors import SpillwayError
from tests.builders import order_id


@pytest.fixture(autouse=True)
def no_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPILLWAY_HOME", str(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["status"], "No stack runs on port 8080: start one with"),
        (["orders", "show", "4711"], "'4711' is no order id"),
        (["orders", "show", order_id()], "No stack runs"),
        (["orders", "list", "--unsettled"], "No stack runs"),
        (["logs", "--order", "4711"], "'4711' is no order id"),
        (["logs"], "No stack runs"),
        (["status", "--stage", "dev", "--profile", "nobody"], "AWS did not tell where stage 'dev'"),
    ],
)
def test_an_error_is_one_sentence(arguments: list[str], told: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, SpillwayError)
    assert str(result.exception).startswith(told)
    assert "\n" not in str(result.exception)


@pytest.mark.parametrize("command", [["status"], ["orders", "show"], ["orders", "list"], ["logs"]])
def test_every_command_has_an_example(command: list[str]) -> None:
    help_ = CliRunner().invoke(app, [*command, "--help"]).output
    assert f"Example: spillway {' '.join(command)}" in " ".join(help_.split())
