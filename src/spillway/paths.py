"""Where files are: Spillway runs from its checkout."""

import os
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def home() -> Path:
    """The folder of all stacks and their cache: `$SPILLWAY_HOME`, else the project's own."""
    return Path(os.environ.get("SPILLWAY_HOME") or PROJECT / ".spillway").absolute()
