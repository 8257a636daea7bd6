"""The options that several commands have, and a result as JSON or as a view."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from spillway.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

#: Where `--json OUT` writes to for `-`.
STDOUT = Path("-")

#: `--port`.
PortOption = Annotated[
    int,
    typer.Option("--port", "-p", min=1, max=65_535, help="The port of the stack on this machine."),
]
#: `--json`, for a command that prints its result.
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
#: `--json OUT`, for a command that also prints its course.
JsonFileOption = Annotated[
    Path | None,
    typer.Option("--json", metavar="OUT", help="Write the result as JSON; - for stdout."),
]
#: `--png OUT`.
PngOption = Annotated[
    Path | None, typer.Option("--png", metavar="OUT", help="Draw the result as a PNG.")
]

_Result = TypeVar("_Result")


def print_json(content: Any) -> None:
    typer.echo(json.dumps(content, indent=2))


def print_result(
    result: _Result,
    *,
    as_json: bool,
    document: Callable[[_Result], Any],
    show: Callable[[_Result, Console], None],
) -> None:
    """Print a result as the JSON object that `document` makes, or as `show` prints it."""
    if as_json:
        print_json(document(result))
        return
    from spillway.ui.terminal import terminal

    show(result, terminal())


def console_beside(json_path: Path | None) -> Console:
    """Where people read: standard output, or standard error when JSON takes that."""
    from spillway.ui.terminal import terminal

    return terminal(stderr=json_path == STDOUT)


def write_json(path: Path, content: Any) -> None:
    """Write an object to a file, or to standard output where the path is `STDOUT`."""
    if path == STDOUT:
        print_json(content)
    else:
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def check_writable(*paths: Path | None) -> None:
    """Report a path that cannot be written before a run of minutes starts.

    SpillwayError: a path is a folder, or its folder is missing.
    """
    for path in paths:
        if path is None or path == STDOUT:
            continue
        if not path.parent.is_dir():
            raise UsageError(f"{path} cannot be written: there is no folder {path.parent}.")
        if path.is_dir():
            raise UsageError(f"{path} cannot be written: it is a folder.")
