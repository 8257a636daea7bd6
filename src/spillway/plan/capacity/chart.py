"""A plan as one picture for people who decide. Matplotlib is imported only here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orders.domain.saga import DOWNSTREAMS
from spillway.plan.capacity.outcome import Bottleneck, Outcome
from spillway.plan.capacity.planning import Plan
from spillway.plan.capacity.report import count, moment, span
from spillway.plan.capacity.simulate import Moment

if TYPE_CHECKING:
    from io import BytesIO

    from matplotlib.axes import Axes

INK, QUIET = "#1f2933", "#7b8794"
_OFFERED, _ACKNOWLEDGED, _SETTLED = "#1f2933", "#4a7fb5", "#2f7d5b"
_LAYERS = {
    "clients, who send again": "#c7ccd1",
    "overflow queue": "#d9902f",
    "the table's stream": "#8a63a8",
    **dict(
        zip(
            (f"{name} queue" for name in DOWNSTREAMS),
            ("#4a7fb5", "#5aa5a0", "#2f7d5b"),
            strict=True,
        )
    ),
}
_SHORT = {
    "api": "API throttle",
    "lambda_ramp": "Lambda's ramp",
    "concurrency": "Lambda concurrency",
    "table": "table writes",
    "drain": "drain",
    "relay": "relay",
    "pollers_ramp": "queue pollers' ramp",
    **{f"deliver_{name}": f"{name}'s limit" for name in DOWNSTREAMS},
}
_POINTS = 600
_MARKS = (1, 10, 60, 600, 3_600, 36_000, 86_400, 864_000)


def draw(plan: Plan, path: Path | BytesIO) -> None:
    """Write the PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    came = plan.outcome
    figure = Figure(figsize=(14, 14.5), facecolor="white")
    FigureCanvasAgg(figure)
    engine = ConstrainedLayoutEngine(h_pad=0.16, w_pad=0.12, rect=(0, 0, 0.995, 0.945))
    figure.set_layout_engine(engine)
    panels = figure.subplot_mosaic("AA\nBC\nDD\nEE", height_ratios=[1.25, 1, 0.75, 0.85])
    figure.text(0.01, 0.988, _title(plan), va="top", fontsize=19, color=INK, fontweight="bold")
    figure.text(0.01, 0.962, _facts(plan), ha="left", va="top", fontsize=12.5, color=QUIET)
    unit, divisor = _time_unit(came.all_settled_at)
    _together(panels["A"], plan, unit, divisor)
    _rates(panels["B"], plan)
    _waiting(panels["C"], came, unit, divisor)
    _held_up(panels["D"], came, unit, divisor)
    _ladder(panels["E"], plan)
    figure.savefig(path, format="png", dpi=100, metadata={"Software": None})


def _title(plan: Plan) -> str:
    came, profile = plan.outcome, plan.profile
    return (
        f"{count(came.offered)} orders in {span(profile.seconds)}, up to {count(profile.peak)} a"
        f" second: {count(came.lost)} lost"
    )


def _facts(plan: Plan) -> str:
    came = plan.outcome
    return (
        f"{count(came.accepted)} accepted at once, {count(came.buffered)} buffered,"
        f" {count(came.resent)} refused and sent again (p50 {moment(came.resend.p50)}).  Settled"
        f" after p50 {moment(came.settle.p50)}, p99 {moment(came.settle.p99)}."
        f"  ${plan.bill.dollars:,.2f} at list price."
    )


def _together(axes: Axes, plan: Plan, unit: str, divisor: float) -> None:
    flow = plan.outcome.flow
    moments = _thinned(flow.moments)
    seconds = [0.0, *(one.second for one in moments)]
    times = [second / divisor for second in seconds]
    offered = [flow.offered.passed(second) for second in seconds]
    acknowledged = [flow.acknowledged.passed(second) for second in seconds]
    settled = [flow.settled.passed(second) for second in seconds]
    axes.fill_between(times, acknowledged, offered, color="#c7ccd1", alpha=0.6, linewidth=0)
    axes.fill_between(times, settled, acknowledged, color=_ACKNOWLEDGED, alpha=0.18, linewidth=0)
    for values, colour, label in (
        (offered, _OFFERED, "offered by customers"),
        (acknowledged, _ACKNOWLEDGED, "acknowledged: stored durably"),
        (settled, _SETTLED, "settled: reserved, shipped, posted"),
    ):
        axes.plot(times, values, color=colour, linewidth=2.4, label=label)
    axes.legend(loc="lower right", frameon=False, fontsize=12)
    came = plan.outcome
    _dress(axes, "Every order comes through", f"{unit} since the spike began", "orders")
    axes.yaxis.set_major_formatter(_counted)
    axes.set_xlim(0, times[-1])
    axes.set_ylim(0, came.offered * 1.04)


def _rates(axes: Axes, plan: Plan) -> None:
    """The beginning, where all is decided."""
    last = min(plan.profile.seconds * 1.05, 90.0)
    moments = [one for one in plan.outcome.flow.moments if one.second <= last]
    times = [one.second for one in moments]
    lines: Sequence[tuple[str, str, Callable[[Moment], float]]] = (
        ("new orders", _OFFERED, lambda one: one.offered),
        ("acknowledged", _ACKNOWLEDGED, lambda one: one.acknowledged),
        ("of those, into the overflow queue", "#d9902f", lambda one: one.buffered),
    )
    for label, colour, of in lines:
        axes.plot(times, [of(one) for one in moments], color=colour, linewidth=2, label=label)
    axes.legend(loc="center right", frameon=False, fontsize=11)
    _dress(axes, f"The first {span(last)}", "seconds", "orders a second")
    axes.yaxis.set_major_formatter(_counted)
    axes.set_xlim(0, last)
    axes.set_ylim(bottom=0)


def _waiting(axes: Axes, came: Outcome, unit: str, divisor: float) -> None:
    moments = _thinned(came.flow.moments)
    times = [one.second / divisor for one in moments]
    layers = [
        [one.clients_waiting for one in moments],
        [one.overflow for one in moments],
        [one.stream for one in moments],
        *([one.queues[name] for one in moments] for name in DOWNSTREAMS),
    ]
    axes.stackplot(times, *layers, labels=list(_LAYERS), colors=list(_LAYERS.values()))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3, frameon=False, fontsize=10)
    _dress(axes, "Where orders wait, and none is dropped", unit, "orders and their changes")
    axes.yaxis.set_major_formatter(_counted)
    axes.set_xlim(0, times[-1])
    axes.set_ylim(bottom=0)


def _held_up(axes: Axes, came: Outcome, unit: str, divisor: float) -> None:
    """One strip for each bottleneck, the first at the top."""
    bottlenecks: Sequence[Bottleneck] = came.bottlenecks
    end = came.flow.moments[-1].second
    for row, one in enumerate(reversed(bottlenecks)):
        width = max(one.ended - one.began, end * 0.004)
        axes.barh(
            row, width / divisor, left=one.began / divisor, color="#c0564a", alpha=0.85, height=0.6
        )
        inside = one.ended / end > 0.8
        at = (one.ended - width * 0.01 if inside else one.ended + end * 0.008) / divisor
        axes.text(
            at,
            row,
            f"limit {count(one.limit)} a second",
            va="center",
            ha="right" if inside else "left",
            fontsize=10.5,
            color="white" if inside else INK,
        )
    axes.set_yticks(
        range(len(bottlenecks)), [_SHORT[one.name] for one in reversed(bottlenecks)], fontsize=11.5
    )
    _dress(axes, "What held orders up, and for how long", unit, "")
    axes.set_xlim(0, end / divisor)
    if not bottlenecks:
        axes.text(0.5, 0.5, "nothing", transform=axes.transAxes, ha="center", color=QUIET)


def _ladder(axes: Axes, plan: Plan) -> None:
    """How long the slowest order takes as one thing after the other is raised."""
    names, values, notes = [], [], []
    for rung, dollars in zip(plan.rungs, plan.bills, strict=True):
        raised, came = rung.raised, rung.outcome
        names.append("as it is" if raised is None else f"+ {raised.setting}: {count(raised.after)}")
        values.append(max(1.0, came.all_settled_at))
        mark = "" if raised is None or raised.confirmed else "*"
        notes.append(
            f"{span(came.all_settled_at)}, p99 {moment(came.settle.p99)}, ${dollars:,.2f}{mark}"
        )
    rows = range(len(names))
    axes.barh(
        rows,
        values,
        color=[_SETTLED if row == len(names) - 1 else "#9aa5b1" for row in rows],
        height=0.62,
    )
    for row, (value, note) in enumerate(zip(values, notes, strict=True)):
        axes.text(value * 1.03, row, note, va="center", fontsize=10.5, color=INK)
    axes.set_yticks(rows, names, fontsize=11)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(min(values) * 0.5, max(values) * 6)
    low, high = axes.get_xlim()
    marks = [mark for mark in _MARKS if low <= mark <= high]
    axes.set_xticks(marks, [span(mark) for mark in marks])
    axes.set_xticks([], minor=True)
    _dress(
        axes,
        "What to raise, one after the other, and what it gains",
        "until the last order has settled (log scale); then p99, and the whole spike's price",
        "",
    )


def _thinned(moments: Sequence[Moment]) -> list[Moment]:
    """Enough for a picture."""
    every = max(1, len(moments) // _POINTS)
    return [*moments[::every], moments[-1]]


def _time_unit(seconds: float) -> tuple[str, float]:
    if seconds > 3 * 3_600:
        return "hours", 3_600.0
    return ("minutes", 60.0) if seconds > 180 else ("seconds", 1.0)


def _counted(value: float, _: Any) -> str:
    return count(value)


def _dress(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, loc="left", fontsize=14, color=INK, pad=10)
    axes.set_xlabel(x, color=QUIET, fontsize=11)
    axes.set_ylabel(y, color=QUIET, fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK, labelsize=11)
    axes.grid(axis="x" if not y else "y", color="#e4e7eb", linewidth=0.8)
    axes.set_axisbelow(True)
