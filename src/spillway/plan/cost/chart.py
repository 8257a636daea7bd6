"""The findings as pictures. Matplotlib is imported only here: it costs half a second."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spillway.plan.cost.findings import Findings
from spillway.plan.cost.loads import CROWD, TRICKLE
from spillway.plan.cost.report import dollars, parts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, QUIET, OURS, OTHERS, ACCENT = "#1f2933", "#7b8794", "#2f7d5b", "#9aa5b1", "#d9902f"
_PARTS = ("#2f7d5b", "#4a7fb5", "#d9902f", "#8a63a8", "#c0564a", "#5aa5a0", "#9aa5b1", "#6b7280")
#: What costs more than this without any order is compared by the month.
_BY_THE_MONTH = 100.0
#: A part of the widest bar that has room for its figure.
_LABELLED = 0.06
_ORDERS = [10**power for power in range(3, 10)]
#: Designs by the order that the picture of months has beside those by the month.
_LINES = ("Step Functions Standard", "Lambda durable functions, 8 operations")


def draw(found: Findings, path: Path) -> None:
    """What an order's price is made of, the alternatives, and the break-even points, as a PNG."""
    figure = _figure(15, 13)
    made_of, compared, months = figure.subplot_mosaic("AB\nCC", height_ratios=[1.15, 1]).values()
    _made_of(made_of, found)
    _compared(compared, found)
    _months(months, found)
    _save(figure, path)


def draw_parts(found: Findings, path: Path | BytesIO) -> None:
    figure = _figure(10, 5.2)
    _made_of(figure.subplots(), found)
    _save(figure, path)


def draw_alternatives(found: Findings, path: Path | BytesIO) -> None:
    figure = _figure(10, 6)
    _compared(figure.subplots(), found)
    _save(figure, path)


def draw_months(found: Findings, path: Path | BytesIO) -> None:
    figure = _figure(10, 5.6)
    _months(figure.subplots(), found)
    _save(figure, path)


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: Any) -> None:
    # Without the date and version in it, the same findings are the same bytes.
    figure.savefig(path, format="png", dpi=110, metadata={"Software": None})


def _made_of(axes: Axes, found: Findings) -> None:
    loads = [("one by one", "one by one"), ("crowd", "in a crowd")]
    bills = [found.ours.per_million(fills) for fills in (TRICKLE, CROWD)]
    names = list(parts(bills[0]))
    colours = dict(zip(names, _PARTS, strict=False))
    widest = max(bill.dollars for bill in bills)
    for row, bill in enumerate(bills):
        start = 0.0
        for name in names:
            width = parts(bill).get(name, 0.0)
            axes.barh(
                row,
                width,
                left=start,
                color=colours[name],
                height=0.55,
                label=name if row == 0 else None,
                edgecolor="white",
                linewidth=0.8,
            )
            if width > widest * _LABELLED:
                axes.text(
                    start + width / 2,
                    row,
                    f"{width:.2f}",
                    ha="center",
                    va="center",
                    color="white",
                    fontsize=10,
                    fontweight="bold",
                )
            start += width
        axes.text(
            start + 0.15,
            row,
            f"${start:.2f}",
            va="center",
            color=INK,
            fontsize=12,
            fontweight="bold",
        )
    axes.set_yticks(range(len(loads)), [label for _, label in loads], fontsize=11)
    axes.set_ylim(-0.6, 1.95)
    axes.set_xlim(0, widest * 1.12)
    axes.legend(loc="upper right", ncols=3, frameon=False, fontsize=10)
    _plain(axes, "What a million orders cost, by part", "dollars at list price")


def _compared(axes: Axes, found: Findings) -> None:
    bars = [
        (one.alternative.name, one.per_million)
        for one in found.alternatives
        if one.per_million > 0 and one.per_month < _BY_THE_MONTH
    ]
    ours = found.ours
    bars += [
        ("Spillway, in a crowd", ours.per_million(CROWD).dollars),
        ("Spillway, one by one", ours.per_million(TRICKLE).dollars),
    ]
    bars.sort(key=lambda bar: -bar[1])
    for row, (name, value) in enumerate(bars):
        axes.barh(row, value, color=OURS if name.startswith("Spillway, ") else OTHERS, height=0.7)
        axes.text(value * 1.06, row, dollars(value), va="center", fontsize=10, color=INK)
    axes.set_yticks(range(len(bars)), [name for name, _ in bars], fontsize=10)
    axes.set_xscale("log")
    axes.set_xlim(2, max(value for _, value in bars) * 2.2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    _plain(axes, "The same million orders on other designs", "dollars at list price, log scale")


def _months(axes: Axes, found: Findings) -> None:
    ours = found.ours
    crowd = [ours.month(orders, CROWD, free_tiers=True).dollars for orders in _ORDERS]
    steady = [ours.month(n, ours.steady(n), free_tiers=True).dollars for n in _ORDERS]
    axes.fill_between(_ORDERS, crowd, steady, color=OURS, alpha=0.18, linewidth=0)
    axes.plot(_ORDERS, crowd, color=OURS, linewidth=2.4, label="Spillway, orders in crowds")
    axes.plot(
        _ORDERS, steady, color=OURS, linewidth=1.4, linestyle="--", label="Spillway, orders evenly"
    )
    styles = iter(("-", "--", ":", "-."))
    for one in found.alternatives:
        if one.alternative.based_on == "ours" or not one.per_month:
            continue
        axes.plot(
            _ORDERS,
            [one.per_month] * len(_ORDERS),
            color=QUIET,
            linewidth=1.5,
            linestyle=next(styles),
            label=f"{one.alternative.name} (below its limit)",
        )
    for name, colour in zip(_LINES, (ACCENT, "#8a63a8"), strict=True):
        one = next(one for one in found.alternatives if one.alternative.name == name)
        axes.plot(
            _ORDERS,
            [orders * one.per_million / 1e6 for orders in _ORDERS],
            color=colour,
            linewidth=1.5,
            label=name,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(0.05, 50_000)
    axes.set_xlim(_ORDERS[0], _ORDERS[-1])
    axes.xaxis.set_major_formatter(lambda value, _: _short(value))
    axes.yaxis.set_major_formatter(
        lambda value, _: f"${value:,.2f}" if value < 1 else f"${value:,.0f}"
    )
    axes.legend(loc="lower right", frameon=False, fontsize=10)
    _plain(axes, "A month's bill, free tiers used", "orders a month")


def _short(value: float) -> str:
    for bound, dead_letter in ((1e9, "bn"), (1e6, "M"), (1e3, "k")):
        if value >= bound:
            return f"{value / bound:g} {dead_letter}"
    return f"{value:g}"


def _plain(axes: Axes, title: str, label: str) -> None:
    axes.set_title(title, loc="left", fontsize=14, color=INK, pad=12)
    axes.set_xlabel(label, color=QUIET)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK)
    axes.grid(axis="x", color="#e4e7eb", linewidth=0.8)
    axes.set_axisbelow(True)
