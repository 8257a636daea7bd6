"""The run as a picture: how acceptance and settling went over time, and how long each took."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from spillway.prove.demo.result import Run
from spillway.run.load.settling import SETTLED
from spillway.ui.formatting import duration
from spillway.ui.statistics import percentile

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {"confirmed": "#2f7d5b", "rejected": "#d9902f", "cancelled": "#4a7fb5"}
_BINS = 30


def draw(run: Run, path: Path) -> None:
    """Write a PNG. Matplotlib is imported only here: it costs half a second."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(12, 7), layout="constrained")
    FigureCanvasAgg(figure)
    over_time, accepting, settling = figure.subplot_mosaic("AA\nBC").values()
    figure.suptitle(
        f"{len(run.placed):,} orders by {run.plan.clients} customers at a time", fontsize=14
    )
    _over_time(over_time, run)
    _accepting(accepting, run)
    _settling(settling, run)
    for axes in (over_time, accepting, settling):
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    figure.savefig(path, format="png", dpi=120)


def _over_time(axes: Axes, run: Run) -> None:
    accepted, settled = [], []
    for order in run.placed:
        record = run.records.get(order.key)
        if record is None or record.accepted_at is None:
            continue
        accepted.append((record.accepted_at - run.began_at) / 1000)
        seconds = run.settle_seconds(order)
        if seconds is not None:
            settled.append(accepted[-1] + seconds)
    for times, label, colour in (
        (accepted, "accepted", "#222222"),
        (settled, "settled", _COLOURS["confirmed"]),
    ):
        axes.step(sorted(times), range(1, len(times) + 1), where="post", label=label, color=colour)
    if run.outage is not None:
        began, ended = (
            (moment - run.began_at) / 1000 for moment in (run.outage.began_at, run.outage.ended_at)
        )
        label = f"{run.outage.downstream} out"
        axes.axvspan(began, ended, color=_COLOURS["rejected"], alpha=0.25, label=label)
    axes.set_title("Orders accepted and settled", loc="left")
    axes.set_xlabel("seconds since the start")
    axes.set_ylabel("orders")
    axes.legend(frameon=False, loc="lower right")


def _accepting(axes: Axes, run: Run) -> None:
    values = [order.accept_seconds for order in run.placed if order.accept_seconds]
    if values:
        # A cold start takes fifty times as long as the rest: on a linear axis it hides them.
        axes.set_xscale("log")
        axes.hist(values, bins=_geometric(min(values), max(values)), color="#666666")
        axes.xaxis.set_major_formatter(lambda seconds, _: duration(seconds))
        axes.xaxis.set_minor_formatter(lambda _seconds, _: "")
    _mark_percentiles(axes, values)
    axes.set_title("Accepted after", loc="left")
    axes.set_xlabel("from sending to the first 2xx")
    axes.set_ylabel("orders")


def _geometric(low: float, high: float) -> list[float]:
    """Ends of bins that all look equally wide on a logarithmic axis."""
    high = max(high, low * 1.01)
    return [low * (high / low) ** (number / _BINS) for number in range(_BINS + 1)]


def _settling(axes: Axes, run: Run) -> None:
    by_fate: dict[str, list[float]] = {fate: [] for fate in sorted(SETTLED)}
    for order in run.undisturbed():
        seconds = run.settle_seconds(order)
        if seconds is not None and order.status is not None:
            by_fate[order.status].append(seconds)
    shown = {fate: values for fate, values in by_fate.items() if values}
    if shown:
        axes.hist(
            list(shown.values()),
            bins=_BINS,
            stacked=True,
            label=list(shown),
            color=[_COLOURS[fate] for fate in shown],
        )
        axes.legend(frameon=False, loc="best")
    _mark_percentiles(axes, [value for values in shown.values() for value in values])
    axes.set_title("Settled after (undisturbed orders)", loc="left")
    axes.set_xlabel("seconds from acceptance to the last fact")
    axes.set_ylabel("orders")


def _mark_percentiles(axes: Axes, values: list[float]) -> None:
    """Dotted lines, with the figures above the axes where nothing is drawn."""
    marks = [
        (name, value)
        for name, share in (("p50", 0.50), ("p99", 0.99))
        if (value := percentile(values, share)) is not None
    ]
    for _, value in marks:
        axes.axvline(value, color="#999999", linestyle=":")
    text = "   ".join(f"{name} {duration(value)}" for name, value in marks)
    axes.set_title(text, loc="right", fontsize=10, color="#555555")
