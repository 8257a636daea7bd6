"""The options that several commands share, and what is done with their values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from spillway.errors import SpillwayError

#: Where `--json OUT` writes to for `-`.
STDOUT = Path("-")

JsonOption = Annotated[bool, typer.Option("--json", help="Print the answer as one JSON object.")]


def write_json(path: Path, content: Any) -> None:
    """Write an object to a file, or to standard output where the path is `STDOUT`."""
    text = json.dumps(content, indent=2) + "\n"
    if path == STDOUT:
        typer.echo(text, nl=False)
    else:
        path.write_text(text, encoding="utf-8")


def check_writable(*paths: Path | None) -> None:
    """A run takes a minute, so a result that cannot be written is reported before it starts.

    SpillwayError: a path is a folder, or its folder is missing.
    """
    for path in paths:
        if path is None or path == STDOUT:
            continue
        if not path.parent.is_dir():
            raise SpillwayError(f"{path} cannot be written: there is no folder {path.parent}.")
        if path.is_dir():
            raise SpillwayError(f"{path} cannot be written: it is a folder.")
