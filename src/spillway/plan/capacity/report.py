"""A plan: as JSON for scripts, and as tables for the terminal."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from spillway.plan.capacity.outcome import Bottleneck, Outcome, Waits
from spillway.plan.capacity.planning import Plan
from spillway.plan.capacity.recommendations import Raise, ScalingStep
from spillway.plan.limits import limits
from spillway.plan.tables import UNCONFIRMED, Table
from spillway.ui.formatting import duration, large

if TYPE_CHECKING:
    from rich.console import Console


def document(plan: Plan) -> dict[str, Any]:
    """One JSON object. Its first four keys never change. Orders are whole, seconds are virtual."""
    came = plan.outcome
    return {
        "orders": {
            name: round(getattr(came, name))
            for name in ("offered", "accepted", "buffered", "resent", "lost")
        },
        "settle_seconds": _waits(came.settle),
        "bottlenecks": [_bottleneck(one) for one in came.bottlenecks],
        "dollars": round(plan.bill.dollars, 4),
        "profile": plan.profile.name,
        "resend_seconds": _waits(came.resend),
        "buffer_seconds": _waits(came.buffer),
        "all_settled_at": round(came.all_settled_at, 1),
        "needs_a_person": round(came.needs_a_person),
        "ids_older_than_a_day": round(came.late_ids),
        "kept_by": [{"mechanism": k.mechanism, "orders": round(k.orders)} for k in came.kept],
        "longest_wait_seconds": {
            "stream": round(came.flow.relay_delay_seconds_max, 1),
            "stream_keeps": limits().stream_retention_seconds.value,
            "queue": round(came.flow.queue_delay_seconds_max, 1),
            "queue_keeps": limits().sqs_retention_seconds.value,
        },
        "backlog_max": {name: round(most) for name, most in backlogs_max(came).items()},
        "environments": round(came.flow.environments),
        "raises": [_step(step, bill) for step, bill in zip(plan.steps, plan.bills, strict=True)],
    }


def backlogs_max(came: Outcome) -> dict[str, float]:
    """The most that waited at one time, by where."""
    samples = came.flow.samples
    return {
        "clients": max(sample.clients_waiting for sample in samples),
        "overflow": max(sample.overflow for sample in samples),
        "stream": max(sample.stream for sample in samples),
        **{str(name): max(sample.queues[name] for sample in samples) for name in samples[0].queues},
    }


def _waits(waits: Waits) -> dict[str, float | None]:
    return {
        name: None if value is None else round(value, 3) for name, value in asdict(waits).items()
    }


def _bottleneck(one: Bottleneck) -> dict[str, Any]:
    return {
        "name": one.name,
        "what": one.what,
        "from": round(one.began, 2),
        "to": round(one.ended, 2),
        "demand": round(one.demand, 1),
        "limit": round(one.limit, 1),
    }


def _step(step: ScalingStep, bill: float) -> dict[str, Any]:
    came = step.outcome
    return {
        "raised": None if step.raised is None else _raise(step.raised),
        "settle_seconds": _waits(came.settle),
        "resend_seconds": _waits(came.resend),
        "lost": round(came.lost),
        "all_settled_at": round(came.all_settled_at, 1),
        "dollars": round(bill, 2),
    }


def _raise(raised: Raise) -> dict[str, Any]:
    return {
        "setting": raised.setting,
        "before": raised.before,
        "after": round(raised.after, 1),
        "how": raised.how,
        "dollars": round(raised.dollars, 2),
        "confirmed": raised.confirmed,
    }


def show(plan: Plan, console: Console) -> None:
    """The whole plan."""
    for table in (_spike_table(plan), _bottlenecks_table(plan.outcome), _raises_table(plan)):
        console.print(table.panel())
    came = plan.outcome
    style = "bold red" if came.lost else "bold green"
    console.print(f"{large(came.lost)} of {large(came.offered)} orders lost.", style=style)
    console.print(
        "A model: orders as a flow, AWS's published limits, handler times as in `spillway cost`."
        f" {UNCONFIRMED} marks a price that no source confirms.",
        style="dim",
    )


def _spike_table(plan: Plan) -> Table:
    came, flow, known = plan.outcome, plan.outcome.flow, limits()
    lasting = f"{duration(plan.profile.seconds)}, up to {large(plan.profile.peak)} a second"
    most = ", ".join(f"{name} {large(n)}" for name, n in backlogs_max(came).items() if n >= 1)
    rows = [
        ("offered", large(came.offered), lasting),
        ("accepted", large(came.accepted), "at once, into the table"),
        ("buffered", large(came.buffered), f"overflow queue; drained after {pair(came.buffer)}"),
        ("resent", large(came.resent), f"refused first; acknowledged after {pair(came.resend)}"),
        ("lost", large(came.lost), ""),
        *(("", large(kept.orders), kept.mechanism) for kept in came.kept),
        ("settled", "", f"after {pair(came.settle)} from acknowledgement (p50, p99)"),
        ("", "", f"the last one {duration(came.all_settled_at)} after the start"),
        ("waited", "", f"at most: {most}"),
        ("longest", duration(flow.relay_delay_seconds_max),
         f"in the stream, which keeps {duration(known.stream_retention_seconds.value)}"),
        ("", duration(flow.queue_delay_seconds_max),
         f"in a queue, which keeps {duration(known.sqs_retention_seconds.value)}"),
        ("dollars", f"{plan.bill.dollars:,.2f}", "at list price"),
    ]  # fmt: skip
    return Table(f"The spike: {plan.profile.name}", ("", "orders", ""), rows, (1,))


def _bottlenecks_table(came: Outcome) -> Table:
    rows = [
        (one.what, duration(one.began), duration(one.ended), large(one.demand), large(one.limit))
        for one in came.bottlenecks
    ] or [("none: every order goes straight through", "", "", "", "")]
    head = ("bottleneck", "from", "to", "at worst", "limit a second")
    return Table("What delayed orders, in order", head, rows, range(1, 5))


def _raises_table(plan: Plan) -> Table:
    rows = []
    for step, bill in zip(plan.steps, plan.bills, strict=True):
        raised, came = step.raised, step.outcome
        what, price = "as it is", ""
        if raised is not None:
            what = step_name(raised) + f" ({raised.how})"
            mark = "" if raised.confirmed else UNCONFIRMED
            price = f"${raised.dollars:,.2f}{mark}" if raised.dollars else "free"
        waits = (
            duration(came.resend.p99),
            duration(came.settle.p99),
            duration(came.all_settled_at),
        )
        rows.append((what, price, *waits, f"${bill:,.2f}"))
    head = ("raise", "for", "resent p99", "settled p99", "all settled", "spike")
    return Table("What to raise, one after the other", head, rows, range(1, 6))


def step_name(raised: Raise) -> str:
    return f"{raised.setting}: {large(raised.before)} → {large(raised.after)}"


def pair(waits: Waits) -> str:
    """Both percentiles."""
    return f"{duration(waits.p50)}, {duration(waits.p99)}"
