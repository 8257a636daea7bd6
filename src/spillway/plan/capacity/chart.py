"""A plan as one picture. Matplotlib is imported only here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from orders.domain.saga import DOWNSTREAMS
from spillway.plan.capacity.planning import Plan
from spillway.plan.capacity.report import count, moment, span, step_name
from spillway.plan.capacity.simulate import Sample

if TYPE_CHECKING:
    from io import BytesIO

    from matplotlib.axes import Axes

INK, QUIET = "#1f2933", "#7b8794"
_OFFERED, _ACKNOWLEDGED, _SETTLED = "#1f2933", "#4a7fb5", "#2f7d5b"
_WAITING = ("#c7ccd1", "#d9902f", "#8a63a8", "#4a7fb5", "#5aa5a0", "#2f7d5b")
_SAMPLES_MAX = 600


def draw(plan: Plan, path: Path | BytesIO) -> None:
    """Write the PNG: orders over time, where they wait, and what each raise gains."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    came = plan.outcome
    figure = Figure(figsize=(12, 12), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    figure.suptitle(
        f"{count(came.offered)} orders in {span(plan.profile.seconds)}, up to"
        f" {count(plan.profile.peak)} a second: {count(came.lost)} lost",
        color=INK,
        fontsize=17,
        fontweight="bold",
    )
    orders, waiting, raises = figure.subplots(3, 1, height_ratios=[1.2, 1, 0.8])
    unit, divisor = _time_unit(came.all_settled_at)
    _orders(orders, plan, divisor)
    _waiting(waiting, plan, divisor)
    for axes in (orders, waiting):
        axes.set_xlabel(f"{unit} since the spike began", color=QUIET)
    _raises(raises, plan)
    figure.savefig(path, format="png", dpi=100, metadata={"Software": None})


def _orders(axes: Axes, plan: Plan, divisor: float) -> None:
    flow = plan.outcome.flow
    seconds = [0.0, *(sample.second for sample in _thinned(flow.samples))]
    times = [second / divisor for second in seconds]
    for series, colour, label in (
        (flow.offered, _OFFERED, "offered by customers"),
        (flow.acknowledged, _ACKNOWLEDGED, "acknowledged: stored durably"),
        (flow.settled, _SETTLED, "settled: reserved, shipped, posted"),
    ):
        passed = [series.passed(second) for second in seconds]
        axes.plot(times, passed, color=colour, linewidth=2.2, label=label)
    axes.legend(loc="lower right", frameon=False)
    axes.set_xlim(0, times[-1])
    axes.yaxis.set_major_formatter(lambda value, _: count(value))
    _style(axes, "Every order comes through", "y")


def _waiting(axes: Axes, plan: Plan, divisor: float) -> None:
    samples = _thinned(plan.outcome.flow.samples)
    times = [sample.second / divisor for sample in samples]
    layers = {
        "clients, who send again": [sample.clients_waiting for sample in samples],
        "overflow queue": [sample.overflow for sample in samples],
        "the table's stream": [sample.stream for sample in samples],
        **{f"{name} queue": [sample.queues[name] for sample in samples] for name in DOWNSTREAMS},
    }
    axes.stackplot(times, *layers.values(), labels=list(layers), colors=_WAITING)
    axes.legend(loc="upper right", ncols=2, frameon=False)
    axes.set_xlim(0, times[-1])
    axes.yaxis.set_major_formatter(lambda value, _: count(value))
    _style(axes, "Where orders wait", "y")


def _raises(axes: Axes, plan: Plan) -> None:
    """How long until the last order has settled, after each raise."""
    names = [
        "as it is" if step.raised is None else f"+ {step_name(step.raised)}" for step in plan.steps
    ]
    values = [max(1.0, step.outcome.all_settled_at) for step in plan.steps]
    notes = [
        f"{span(step.outcome.all_settled_at)}, p99 {moment(step.outcome.settle.p99)}, ${bill:,.2f}"
        for step, bill in zip(plan.steps, plan.bills, strict=True)
    ]
    bars = axes.barh(range(len(names)), values, 0.6, color=_SETTLED)
    axes.bar_label(bars, notes, padding=5, color=INK)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(min(values) * 0.5, max(values) * 8)
    axes.set_xlabel("seconds until the last order has settled (log); p99; the spike's price")
    _style(axes, "What to raise, one after the other", "x")


def _thinned(samples: tuple[Sample, ...]) -> list[Sample]:
    """Enough for a picture."""
    return [*samples[:: max(1, len(samples) // _SAMPLES_MAX)], samples[-1]]


def _time_unit(seconds: float) -> tuple[str, float]:
    if seconds > 3 * 3_600:
        return "hours", 3_600.0
    return ("minutes", 60.0) if seconds > 180 else ("seconds", 1.0)


def _style(axes: Axes, title: str, grid: Literal["x", "y"]) -> None:
    axes.set_title(title, loc="left", fontsize=14, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK)
    axes.grid(axis=grid, color="#e4e7eb", linewidth=0.8)
    axes.set_axisbelow(True)
    if grid == "y":
        axes.set_ylim(bottom=0)
