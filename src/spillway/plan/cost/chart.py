"""What orders cost as one picture. Matplotlib is imported only here: it takes half a second."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from spillway.plan.cost.batches import CROWD, ONE_BY_ONE
from spillway.plan.cost.findings import Findings
from spillway.plan.cost.report import dollars, parts

if TYPE_CHECKING:
    from io import BytesIO

    from matplotlib.axes import Axes

INK, QUIET, OURS, OTHERS = "#1f2933", "#7b8794", "#2f7d5b", "#9aa5b1"
_PARTS = ("#2f7d5b", "#4a7fb5", "#d9902f", "#8a63a8", "#c0564a", "#5aa5a0", "#9aa5b1", "#6b7280")
#: A design that costs more than this without any order is not compared by the order.
_BY_THE_MONTH = 100.0
#: A share of the widest bar that has room for its figure.
_LABELLED = 0.06


def draw(found: Findings, path: Path | BytesIO) -> None:
    """Write the PNG: what a million orders cost by part, and on other designs."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 11), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, height_ratios=[0.9, 1.1])
    _by_part(above, found)
    _compared(below, found)
    # Without a date and a version in it, the same findings give the same bytes.
    figure.savefig(path, format="png", dpi=110, metadata={"Software": None})


def _by_part(axes: Axes, found: Findings) -> None:
    bills = {
        "one by one": parts(found.model.per_million(ONE_BY_ONE)),
        "in a crowd": parts(found.model.per_million(CROWD)),
    }
    starts = dict.fromkeys(bills, 0.0)
    widest = max(sum(bill.values()) for bill in bills.values())
    for name, colour in zip(bills["one by one"], _PARTS, strict=False):
        widths = [bill.get(name, 0.0) for bill in bills.values()]
        bars = axes.barh([*bills], widths, 0.55, [*starts.values()], color=colour, label=name)
        labels = [f"{width:.2f}" if width > widest * _LABELLED else "" for width in widths]
        axes.bar_label(bars, labels, label_type="center", color="white", fontweight="bold")
        starts = {
            way: start + width for (way, start), width in zip(starts.items(), widths, strict=True)
        }
    for row, total in enumerate(starts.values()):
        axes.text(total + 0.15, row, f"${total:.2f}", va="center", color=INK, fontweight="bold")
    axes.set_ylim(-0.6, 1.95)
    axes.set_xlim(0, widest * 1.12)
    axes.legend(loc="upper right", ncols=3, frameon=False)
    _style(axes, "What a million orders cost, by part", "dollars at list price")


def _compared(axes: Axes, found: Findings) -> None:
    bars = [
        (one.per_million, one.alternative.name, OTHERS)
        for one in found.alternatives
        if one.per_million > 0 and one.per_month < _BY_THE_MONTH
    ]
    for name, fill in (("in a crowd", CROWD), ("one by one", ONE_BY_ONE)):
        bars.append((found.model.per_million(fill).dollars, f"Spillway, {name}", OURS))
    values, names, colours = zip(*sorted(bars, reverse=True), strict=True)
    drawn = axes.barh(names, values, 0.7, color=colours)
    axes.bar_label(drawn, [dollars(value) for value in values], padding=5, color=INK)
    axes.set_xscale("log")
    axes.set_xlim(2, max(values) * 2.2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    _style(axes, "The same million orders on other designs", "dollars at list price, log scale")


def _style(axes: Axes, title: str, label: str) -> None:
    axes.set_title(title, loc="left", fontsize=14, color=INK, pad=12)
    axes.set_xlabel(label, color=QUIET)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK)
    axes.grid(axis="x", color="#e4e7eb", linewidth=0.8)
    axes.set_axisbelow(True)
