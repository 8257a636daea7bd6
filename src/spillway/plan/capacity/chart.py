"""A plan as one picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from orders.domain.saga import DOWNSTREAMS
from spillway.plan.capacity.planning import Plan
from spillway.plan.capacity.report import step_name
from spillway.plan.capacity.simulate import Sample
from spillway.ui import charts
from spillway.ui.charts import INK
from spillway.ui.formatting import duration, large

if TYPE_CHECKING:
    from io import BytesIO

    from matplotlib.axes import Axes

_OFFERED, _ACKNOWLEDGED, _SETTLED = INK, charts.BLUE, charts.SETTLED
_WAITING = (charts.PALE, charts.AMBER, charts.PURPLE, charts.BLUE, charts.TEAL, charts.GREEN)
_SAMPLES_MAX = 600


def draw(plan: Plan, path: Path | BytesIO) -> None:
    """Write the PNG: orders over time, where they wait, and what each raise gains."""
    came = plan.outcome
    figure = charts.figure(12, 12)
    figure.suptitle(
        f"{large(came.offered)} orders in {duration(plan.profile.seconds)}, up to"
        f" {large(plan.profile.peak)} a second: {large(came.lost)} lost",
        color=INK,
        fontsize=17,
        fontweight="bold",
    )
    orders, waiting, raises = figure.subplots(3, 1, height_ratios=[1.2, 1, 0.8])
    unit, divisor = _time_unit(came.all_settled_at)
    _orders(orders, plan, divisor)
    _waiting(waiting, plan, divisor)
    for axes in (orders, waiting):
        axes.set_xlabel(f"{unit} since the spike began")
        axes.set_ylim(bottom=0)
    _raises(raises, plan)
    charts.save(figure, path)


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
    axes.yaxis.set_major_formatter(lambda value, _: large(value))
    charts.dress(axes, "Every order comes through", "", "orders")


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
    axes.yaxis.set_major_formatter(lambda value, _: large(value))
    charts.dress(axes, "Where orders wait", "", "orders")


def _raises(axes: Axes, plan: Plan) -> None:
    """How long until the last order has settled, after each raise."""
    names = [
        "as it is" if step.raised is None else f"+ {step_name(step.raised)}" for step in plan.steps
    ]
    outcomes = [step.outcome for step in plan.steps]
    values = [max(1.0, came.all_settled_at) for came in outcomes]
    notes = [
        f"{duration(came.all_settled_at)}, p99 {duration(came.settle.p99)}, ${bill:,.2f}"
        for came, bill in zip(outcomes, plan.bills, strict=True)
    ]
    bars = axes.barh(range(len(names)), values, 0.6, color=_SETTLED)
    axes.bar_label(bars, notes, padding=5, color=INK)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(min(values) * 0.5, max(values) * 8)
    label = "seconds until the last order has settled (log); p99; the spike's price"
    charts.dress(axes, "What to raise, one after the other", label, "")


def _thinned(samples: tuple[Sample, ...]) -> list[Sample]:
    """Enough for a picture."""
    return [*samples[:: max(1, len(samples) // _SAMPLES_MAX)], samples[-1]]


def _time_unit(seconds: float) -> tuple[str, float]:
    if seconds > 3 * 3_600:
        return "hours", 3_600.0
    return ("minutes", 60.0) if seconds > 180 else ("seconds", 1.0)
