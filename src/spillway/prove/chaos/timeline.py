"""Each scenario as a small picture: orders accepted, settled and owed, the trouble shaded."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spillway.prove.chaos.trial import Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 2
_WIDTH, _HEIGHT = 6.5, 3.2
_ACCEPTED, _SETTLED, _OWED, _TROUBLE = "#222222", "#2f7d5b", "#d9902f", "#b03a2e"


@dataclass(frozen=True, slots=True)
class Timeline:
    """Seconds since the scenario began, each list in order: when orders were accepted and settled.

    Owed is what was accepted and has not settled yet.
    """

    accepted: tuple[float, ...]
    settled: tuple[float, ...]

    def owed(self) -> list[tuple[float, int]]:
        """How many orders are owed something, at each moment at which that changes."""
        return [
            (moment, bisect_right(self.accepted, moment) - bisect_right(self.settled, moment))
            for moment in sorted({*self.accepted, *self.settled})
        ]


def timeline(trial: Trial) -> Timeline:
    """By the orders table's own times."""
    accepted, settled = [], []
    for order in trial.run.placed:
        record = trial.run.records.get(order.key)
        if record is None or record.accepted_at is None:
            continue
        accepted.append((record.accepted_at - trial.run.began_at) / 1000)
        seconds = trial.run.settle_seconds(order)
        if seconds is not None:
            settled.append(accepted[-1] + seconds)
    return Timeline(tuple(sorted(accepted)), tuple(sorted(settled)))


def draw(trials: Sequence[Trial], path: Path) -> None:
    """Write a PNG. Matplotlib is imported only here: it costs half a second."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(COLUMNS, len(trials))
    rows = math.ceil(len(trials) / columns)
    figure = Figure(figsize=(columns * _WIDTH, rows * _HEIGHT + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    places = figure.subplots(rows, columns, squeeze=False).flat
    for axes, trial in zip(places, trials, strict=False):
        _draw_one(axes, trial)
    for axes in [*places]:  # what is left over
        axes.set_axis_off()
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=len(labels), frameon=False)
    figure.savefig(path, format="png", dpi=120)


def _draw_one(axes: Axes, trial: Trial) -> None:
    from matplotlib.ticker import MaxNLocator

    line = timeline(trial)
    owed = line.owed()
    axes.fill_between(
        [moment for moment, _ in owed],
        [count for _, count in owed],
        step="post",
        color=_OWED,
        alpha=0.45,
        linewidth=0,
        label="owed",
    )
    for times, label, colour in (
        (line.accepted, "accepted", _ACCEPTED),
        (line.settled, "settled", _SETTLED),
    ):
        counts = range(1, len(times) + 1)
        axes.step(times, counts, where="post", label=label, color=colour)
    for number, disruption in enumerate(trial.disruptions):
        axes.axvspan(
            (disruption.began_at - trial.run.began_at) / 1000,
            (disruption.ended_at - trial.run.began_at) / 1000,
            color=_TROUBLE,
            alpha=0.12,
            linewidth=0,
            label=None if number else "trouble",
        )
    mark = "" if trial.held else "  (not held)"
    axes.set_title(f"{trial.scenario.name}{mark}", loc="left", fontsize=11)
    axes.set_xlabel("seconds")
    axes.set_ylabel("orders")
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
