"""A mistake is answered with one sentence that names the next step."""

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
    ("arguments", "facts"),
    [
        (["status"], ["8080", "spillway up"]),
        (["orders", "show", "4711"], ["'4711'", "UUID version 7"]),
        (["orders", "show", order_id()], ["8080"]),
        (["orders", "list", "--unsettled"], ["8080"]),
        (["orders", "list"], ["--unsettled", "--stuck", "--customer"]),
        (["orders", "resume"], ["--unsettled"]),
        (["logs", "--order", "4711"], ["'4711'", "UUID version 7"]),
        (["logs", "--since", "ten"], ["'ten'", "10m"]),
        (["customers", "erase", "", "--yes"], ["1 to 256 characters", "sub"]),
        (["customers", "erase", "x" * 257, "--yes"], ["1 to 256 characters", "257"]),
        (["restore", "a-table"], ["8080"]),
        (["redrive"], ["8080"]),
        (["logs"], ["8080"]),
        (["prices", "show"], ["8080"]),
        (["prices", "history"], ["8080"]),
        (["prices", "publish", "web/book/book.toml"], ["8080"]),
        (["status", "--stage", "dev", "--profile", "nobody"], ["nobody", "AWS_PROFILE"]),
        (["doctor", "--stage", "nowhere"], ["'nowhere'", "prod"]),
    ],
)
def test_an_error_is_one_sentence(arguments: list[str], facts: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, SpillwayError)
    assert all(fact in str(result.exception) for fact in facts)
    assert "\n" not in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["orders", "show", "4711", "--port", "8999"], "`spillway orders list TEXT --port 8999`"),
        (["redrive", "--set-aside", "m"], "`spillway redrive --dry-run`"),
        (
            ["redrive", "--set-aside", "m", "--stage", "dev", "--region", "eu-west-1"],
            "`spillway redrive --dry-run --stage dev --region eu-west-1`",
        ),
        # Its own hint names the port already.
        (["orders", "show", order_id(), "--port", "8999"], "`spillway up --port 8999`"),
    ],
)
def test_the_next_command_is_about_the_same_service(arguments: list[str], hint: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert hint in str(result.exception)


COMMANDS = (
    ["status"],
    ["orders", "show"],
    ["orders", "list"],
    ["orders", "resume"],
    ["logs"],
    ["redrive"],
    ["console"],
    ["restore"],
    ["customers", "erase"],
    ["smoke"],
    ["doctor"],
    ["publish"],
    ["prices", "check"],
    ["prices", "publish"],
    ["prices", "show"],
    ["prices", "history"],
)
WITHOUT_TARGET = (["publish"], ["prices", "check"])
READ_ONLY = (
    ["prices", "check"],
    ["prices", "show"],
    ["prices", "history"],
    ["status"],
    ["orders", "show"],
    ["orders", "list"],
    ["logs"],
    ["smoke"],
    ["doctor"],
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example_and_says_whether_it_writes(command: list[str]) -> None:
    help_ = " ".join(CliRunner().invoke(app, [*command, "--help"]).output.split())
    assert f"Example: spillway {' '.join(command)}" in help_ or command == ["smoke"]
    assert ("Changes nothing" in help_) is (command in READ_ONLY)
    assert ("Writes" in help_) is (command not in READ_ONLY)


@pytest.mark.parametrize("command", [one for one in COMMANDS if one not in WITHOUT_TARGET])
def test_every_command_can_be_pointed_at_a_stage(command: list[str]) -> None:
    help_ = CliRunner().invoke(app, [*command, "--help"]).output
    assert all(option in help_ for option in ("--port", "--stage", "--profile", "--region"))
