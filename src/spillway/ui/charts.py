"""The one look of every picture: colours, an empty figure, dressed axes, and saving as PNG.

Matplotlib is imported only when something is drawn: loading it takes half a second.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from io import BytesIO

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, QUIET, PALE = "#1f2933", "#7b8794", "#c7ccd1"
GREEN, BLUE, AMBER, RED = "#2f7d5b", "#4a7fb5", "#d9902f", "#b03a2e"
PURPLE, ROSE, TEAL, GREY, SLATE = "#8a63a8", "#c0564a", "#5aa5a0", "#9aa5b1", "#6b7280"

#: Colours of parts that have no meaning of their own, in the order in which they are given out.
PARTS = (GREEN, BLUE, AMBER, PURPLE, ROSE, TEAL, GREY, SLATE)
#: What becomes of orders, in every picture.
ACCEPTED, SETTLED, OWED, FAULT = INK, GREEN, AMBER, RED
STATUSES = {"confirmed": GREEN, "rejected": AMBER, "cancelled": BLUE}

_DPI = 110


def figure(width: float, height: float) -> Figure:
    """An empty figure on white, as wide and high as these inches, laid out to fit its texts."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    empty = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(empty)
    return empty


def dress(axes: Axes, title: str, x: str, y: str) -> None:
    """A title on the left, the names of both axes, and no frame on top and right."""
    axes.set_title(title, loc="left", color=INK)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)


def count_from_zero(axes: Axes) -> None:
    """The vertical axis counts something whole: from zero, with whole numbers."""
    from matplotlib.ticker import MaxNLocator

    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))


def save(drawn: Figure, path: Path | BytesIO, dpi: int = _DPI) -> None:
    """Write a PNG. It has no date or version in it: the same findings give the same bytes."""
    drawn.savefig(path, format="png", dpi=dpi, metadata={"Software": None})
