"""What orders cost as one picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from spillway.plan.cost.findings import Findings
from spillway.plan.cost.report import dollars, parts
from spillway.ui import charts
from spillway.ui.charts import INK

if TYPE_CHECKING:
    from io import BytesIO

    from matplotlib.axes import Axes

OURS, OTHERS = charts.GREEN, charts.GREY
#: A design that costs more than this without any order is not compared by the order.
_BY_THE_MONTH = 100.0
#: A share of the widest bar that has room for its figure.
_LABELLED = 0.06


def draw(found: Findings, path: Path | BytesIO) -> None:
    """Write the PNG: what a million orders cost by part, and on other designs."""
    figure = charts.figure(10, 11)
    above, below = figure.subplots(2, 1, height_ratios=[0.9, 1.1])
    _by_part(above, found)
    _compared(below, found)
    charts.save(figure, path)


def _by_part(axes: Axes, found: Findings) -> None:
    *_, single = found.loads
    bills = {"one by one": parts(single.list_price), "in a crowd": parts(found.crowd.list_price)}
    starts = dict.fromkeys(bills, 0.0)
    widest = max(sum(bill.values()) for bill in bills.values())
    for name, colour in zip(bills["one by one"], charts.PARTS, strict=False):
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
    charts.dress(
        axes, "What a million orders straight to the API cost, by part", "dollars at list price", ""
    )


def _compared(axes: Axes, found: Findings) -> None:
    bars = [
        (one.per_million, one.name, OTHERS)
        for one in found.alternatives
        if one.per_million > 0 and one.per_month < _BY_THE_MONTH
    ]
    bars += [(amount, f"Spillway, {come}", OURS) for come, amount in found.comparable.items()]
    values, names, colours = zip(*sorted(bars, reverse=True), strict=True)
    drawn = axes.barh(names, values, 0.7, color=colours)
    axes.bar_label(drawn, [dollars(value) for value in values], padding=5, color=INK)
    axes.set_xscale("log")
    axes.set_xlim(1, max(values) * 2.2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    charts.dress(
        axes, "The same million orders on other designs", "dollars at list price, log scale", ""
    )
