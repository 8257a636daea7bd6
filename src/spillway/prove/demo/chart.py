"""The run as a picture: how many orders were accepted and settled over time, and how soon."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from orders.domain.status import SETTLED
from spillway.prove.demo.result import Run
from spillway.ui import charts
from spillway.ui.formatting import duration
from spillway.ui.statistics import percentile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

_BINS = 30


def draw(run: Run, path: Path) -> None:
    """Write a PNG."""
    figure = charts.figure(12, 7)
    over_time, accepting, settling = figure.subplot_mosaic("AA\nBC").values()
    figure.suptitle(
        f"{len(run.placed):,} orders by {run.plan.clients} customers at a time", fontsize=14
    )
    _over_time(over_time, run)
    _accepting(accepting, run)
    _settling(settling, run)
    for axes in (over_time, accepting, settling):
        charts.count_from_zero(axes)
    charts.save(figure, path)


def draw_counts(axes: Axes, accepted: Sequence[float], settled: Sequence[float]) -> None:
    """How many orders had been accepted and settled by each second, as two rising lines."""
    for times, label, colour in (
        (accepted, "accepted", charts.ACCEPTED),
        (settled, "settled", charts.SETTLED),
    ):
        counts = range(1, len(times) + 1)
        axes.step(sorted(times), counts, where="post", label=label, color=colour)


def _over_time(axes: Axes, run: Run) -> None:
    draw_counts(axes, *run.accepted_and_settled())
    if run.outage is not None:
        began, ended = (
            (moment - run.began_at) / 1000 for moment in (run.outage.began_at, run.outage.ended_at)
        )
        label = f"{run.outage.downstream} out"
        axes.axvspan(began, ended, color=charts.FAULT, alpha=0.15, label=label)
    charts.dress(axes, "Orders accepted and settled", "seconds since the start", "orders")
    axes.legend(frameon=False, loc="lower right")


def _accepting(axes: Axes, run: Run) -> None:
    values = run.accept_seconds
    if values:
        # A cold start takes fifty times as long as the rest, which a linear axis would hide.
        axes.set_xscale("log")
        axes.hist(values, bins=_geometric(min(values), max(values)), color=charts.GREY)
        axes.xaxis.set_major_formatter(lambda seconds, _: duration(seconds))
        axes.xaxis.set_minor_formatter(lambda _seconds, _: "")
    charts.dress(axes, "Accepted after", "from sending to the first 2xx", "orders")
    _mark_percentiles(axes, values)


def _geometric(low: float, high: float) -> list[float]:
    """The edges of bins that are equally wide on a logarithmic axis."""
    high = max(high, low * 1.01)
    return [low * (high / low) ** (number / _BINS) for number in range(_BINS + 1)]


def _settling(axes: Axes, run: Run) -> None:
    by_status: dict[str, list[float]] = {status: [] for status in sorted(SETTLED)}
    for order in run.undisturbed():
        seconds = run.settled_after(order)
        if seconds is not None and order.status is not None:
            by_status[order.status].append(seconds)
    shown = {status: values for status, values in by_status.items() if values}
    if shown:
        colours = [charts.STATUSES[status] for status in shown]
        axes.hist([*shown.values()], bins=_BINS, stacked=True, label=[*shown], color=colours)
        axes.legend(frameon=False, loc="best")
    title = "Settled after (undisturbed orders)"
    charts.dress(axes, title, "seconds from acceptance to the last fact", "orders")
    _mark_percentiles(axes, [value for values in shown.values() for value in values])


def _mark_percentiles(axes: Axes, values: list[float]) -> None:
    """Dotted lines, with the figures above the axes, where nothing else is drawn."""
    marks = [
        (name, value)
        for name, share in (("p50", 0.50), ("p99", 0.99))
        if (value := percentile(values, share)) is not None
    ]
    for _, value in marks:
        axes.axvline(value, color=charts.QUIET, linestyle=":")
    text = "   ".join(f"{name} {duration(value)}" for name, value in marks)
    axes.set_title(text, loc="right", fontsize=10, color=charts.QUIET)
