"""Each scenario as a small picture: orders accepted, settled and owed, the disruptions shaded."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spillway.prove.chaos.scenario import Trial
from spillway.prove.demo.chart import draw_counts
from spillway.ui import charts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 2
_WIDTH, _HEIGHT = 6.5, 3.2


def owed(accepted: Sequence[float], settled: Sequence[float]) -> list[tuple[float, int]]:
    """How many orders are accepted and not settled, at each moment at which that changes."""
    starts, ends = sorted(accepted), sorted(settled)
    return [
        (moment, bisect_right(starts, moment) - bisect_right(ends, moment))
        for moment in sorted({*starts, *ends})
    ]


def draw(trials: Sequence[Trial], path: Path) -> None:
    """Write a PNG."""
    columns = min(COLUMNS, len(trials))
    rows = math.ceil(len(trials) / columns)
    figure = charts.figure(columns * _WIDTH, rows * _HEIGHT + 0.5)
    places = figure.subplots(rows, columns, squeeze=False).flat
    for axes, trial in zip(places, trials, strict=False):
        _draw_one(axes, trial)
    for axes in [*places]:  # what is left over
        axes.set_axis_off()
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=len(labels), frameon=False)
    charts.save(figure, path)


def _draw_one(axes: Axes, trial: Trial) -> None:
    accepted, settled = trial.run.accepted_and_settled()
    line = owed(accepted, settled)
    axes.fill_between(
        [moment for moment, _ in line],
        [count for _, count in line],
        step="post",
        color=charts.OWED,
        alpha=0.45,
        linewidth=0,
        label="owed",
    )
    draw_counts(axes, accepted, settled)
    for number, disruption in enumerate(trial.disruptions):
        axes.axvspan(
            (disruption.began_at - trial.run.began_at) / 1000,
            (disruption.ended_at - trial.run.began_at) / 1000,
            color=charts.FAULT,
            alpha=0.12,
            linewidth=0,
            label=None if number else "disruption",
        )
    mark = "" if trial.held else "  (not held)"
    charts.dress(axes, f"{trial.scenario.name}{mark}", "seconds", "orders")
    charts.count_from_zero(axes)
    axes.set_xlim(left=0)
