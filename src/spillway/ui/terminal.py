"""Where people read."""

from __future__ import annotations

import os

from rich.console import Console


def terminal(*, stderr: bool = False, soft_wrap: bool = False) -> Console:
    """Standard output or standard error. With NO_COLOR it gets no styles at all: Rich alone would
    leave out colours, and go on with bold and dim."""
    return Console(
        stderr=stderr,
        soft_wrap=soft_wrap,
        highlight=False,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
    )
