"""`spillway demo`: mistakes in its options are reported before anything starts."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner, Result

from spillway.cli import app
from spillway.errors import SpillwayError


def invoked(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["demo", *arguments])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--orders", "0"],
        ["--orders", "many"],
        ["--clients", "0"],
        ["--copies", "0"],
        ["--port", "70000"],
        ["--nonsense"],
    ],
)
def test_an_option_out_of_its_range_is_bad_usage(arguments: list[str]) -> None:
    result = invoked(*arguments)

    assert result.exit_code == 2
    assert arguments[0] in result.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--json", "/nowhere/out.json"], "there is no folder /nowhere"),
        (["--png", "/"], "it is a folder"),
        (["--from", "/nowhere.csv"], "/nowhere.csv cannot be read: there is no such file."),
    ],
)
def test_a_file_that_cannot_be_used_is_reported_in_one_sentence(
    arguments: list[str], sentence: str
) -> None:
    result = invoked(*arguments)

    assert isinstance(result.exception, SpillwayError)
    assert sentence in str(result.exception)


def test_the_help_needs_nothing_heavy() -> None:
    code = "import sys, spillway.prove.demo.command; print(*sys.modules, sep='\\n')"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603

    assert not {"httpx", "boto3", "matplotlib", "asyncio"} & set(loaded.stdout.split())
