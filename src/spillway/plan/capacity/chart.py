"""A plan as one picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from orders.domain.saga import DOWNSTREAMS
from spillway.plan.capacity.planning import Plan
from spillway.ui import charts
from spillway.ui.formatting import duration, large

if TYPE_CHECKING:
    from io import BytesIO

    from matplotlib.axes import Axes

_WAITING = (charts.PALE, charts.AMBER, charts.PURPLE, charts.BLUE, charts.TEAL, charts.GREEN)
#: A place in which fewer orders than this share of them ever waited is left out.
_SEEN = 1e-3
_SAMPLES_MAX = 600


def draw(plan: Plan, path: Path | BytesIO) -> None:
    """Write the PNG: orders over time, and where they wait."""
    came = plan.outcome
    figure = charts.figure(12, 9)
    figure.suptitle(
        f"{large(came.offered)} orders in {duration(plan.profile.seconds)}, up to"
        f" {large(plan.profile.peak)} a second: {large(came.lost)} lost",
        color=charts.INK,
        fontsize=17,
        fontweight="bold",
    )
    orders, waiting = figure.subplots(2, 1, height_ratios=[1.2, 1])
    unit, divisor = _time_unit(came.all_settled_at)
    _orders(orders, plan, divisor)
    _waiting(waiting, plan, divisor)
    for axes in (orders, waiting):
        axes.set_xlabel(f"{unit} since the spike began")
        axes.set_xlim(0, came.flow.now / divisor)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(lambda value, _: large(value))
    charts.save(figure, path)


def _orders(axes: Axes, plan: Plan, divisor: float) -> None:
    flow = plan.outcome.flow
    seconds = [flow.now * number / _SAMPLES_MAX for number in range(_SAMPLES_MAX + 1)]
    times = [second / divisor for second in seconds]
    for series, colour, label in (
        (flow.offered, charts.INK, "offered by customers"),
        (flow.acknowledged, charts.BLUE, "acknowledged: stored durably"),
        (flow.settled, charts.SETTLED, "settled: reserved, shipped, posted"),
    ):
        passed = [series.passed(second) for second in seconds]
        axes.plot(times, passed, color=colour, linewidth=2.2, label=label)
    for without in plan.without_express[:1]:
        passed = [without.outcome.flow.settled.passed(second) for second in seconds]
        label = "the same without [express]"
        axes.plot(times, passed, color=charts.SETTLED, linewidth=1.6, linestyle="--", label=label)
    axes.legend(loc="lower right", frameon=False)
    charts.dress(axes, "Every order comes through", "", "orders")


def _waiting(axes: Axes, plan: Plan, divisor: float) -> None:
    every = plan.outcome.flow.samples
    samples = [*every[:: max(1, len(every) // _SAMPLES_MAX)], every[-1]]
    layers = {
        "clients, who send again": [sample.clients_waiting for sample in samples],
        "overflow queue": [sample.overflow for sample in samples],
        "the table's stream": [sample.stream for sample in samples],
        **{f"{name} queue": [sample.queues[name] for sample in samples] for name in DOWNSTREAMS},
    }
    times = [sample.second / divisor for sample in samples]
    seen = {
        label: (waiting, colour)
        for (label, waiting), colour in zip(layers.items(), _WAITING, strict=True)
        if max(waiting) > plan.outcome.offered * _SEEN
    }
    if seen:
        waits, colours = zip(*seen.values(), strict=True)
        axes.stackplot(times, *waits, labels=list(seen), colors=colours)
        axes.legend(loc="upper right", ncols=2, frameon=False)
    charts.dress(axes, "Where orders wait", "", "orders")


def _time_unit(seconds: float) -> tuple[str, float]:
    if seconds > 3 * 3_600:
        return "hours", 3_600.0
    return ("minutes", 60.0) if seconds > 180 else ("seconds", 1.0)
