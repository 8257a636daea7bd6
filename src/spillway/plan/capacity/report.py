"""A plan as JSON for scripts, and for a terminal of any width."""

from __future__ import annotations

from typing import Any

from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from spillway.plan.capacity.outcome import Bottleneck, Outcome, Waits
from spillway.plan.capacity.planning import Plan
from spillway.plan.capacity.remedies import Rung
from spillway.plan.limits import limits

UNCONFIRMED = "*"


def document(plan: Plan) -> dict[str, Any]:
    """One JSON object; its first four keys never change. Orders are whole, seconds are virtual."""
    came = plan.outcome
    return {
        "orders": {
            "offered": round(came.offered),
            "accepted": round(came.accepted),
            "buffered": round(came.buffered),
            "resent": round(came.resent),
            "lost": round(came.lost),
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
        "raises": [_rung(rung, bill) for rung, bill in zip(plan.rungs, plan.bills, strict=True)],
    }


def backlogs_max(came: Outcome) -> dict[str, float]:
    """The most that ever waited, by where."""
    moments = came.flow.moments
    queues = {name: max(moment.queues[name] for moment in moments) for name in moments[0].queues}
    return {
        "clients": max(moment.clients_waiting for moment in moments),
        "overflow": max(moment.overflow for moment in moments),
        "stream": max(moment.stream for moment in moments),
        **{str(name): most for name, most in queues.items()},
    }


def _waits(waits: Waits) -> dict[str, float | None]:
    return {
        "p50": None if waits.p50 is None else round(waits.p50, 3),
        "p99": None if waits.p99 is None else round(waits.p99, 3),
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


def _rung(rung: Rung, bill: float) -> dict[str, Any]:
    raised, came = rung.raised, rung.outcome
    return {
        "raised": None
        if raised is None
        else {
            "setting": raised.setting,
            "before": raised.before,
            "after": round(raised.after, 1),
            "how": raised.how,
            "dollars": round(raised.dollars, 2),
            "confirmed": raised.confirmed,
        },
        "settle_seconds": _waits(came.settle),
        "resend_seconds": _waits(came.resend),
        "lost": round(came.lost),
        "all_settled_at": round(came.all_settled_at, 1),
        "dollars": round(bill, 2),
    }


def show(plan: Plan, console: Console) -> None:
    """The whole plan."""
    console.print(_orders_panel(plan))
    console.print(_bottlenecks_panel(plan.outcome))
    console.print(_ladder_panel(plan))
    console.print(_last_line(plan))


def _orders_panel(plan: Plan) -> RenderableType:
    came = plan.outcome
    table = Table(box=None, padding=(0, 1), show_header=False)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(style="dim")
    lasting = span(plan.profile.seconds)
    table.add_row(
        count(came.offered), "offered", f"{lasting}, up to {count(plan.profile.peak)} a second"
    )
    table.add_row(count(came.accepted), "accepted", "at once, into the table")
    table.add_row(
        count(came.buffered), "buffered", f"overflow queue; in the table after {pair(came.buffer)}"
    )
    table.add_row(
        count(came.resent), "resent", f"refused first; acknowledged after {pair(came.resend)}"
    )
    style = "bold red" if came.lost else "bold green"
    table.add_row(Text(count(came.lost), style), Text("lost", style), "")
    for kept in came.kept:
        table.add_row("", "", Text(f"{count(kept.orders)}: {kept.mechanism}"))
    table.add_row("", "", "")
    table.add_row("", "settled", f"after {pair(came.settle)} from acknowledgement (p50, p99)")
    table.add_row("", "", f"the last one {span(came.all_settled_at)} after the start")
    most = ", ".join(f"{name} {count(n)}" for name, n in backlogs_max(came).items() if n >= 1)
    table.add_row("", "waited at most", most)
    flow = came.flow
    table.add_row(
        "",
        "longest wait",
        f"{span(flow.relay_delay_seconds_max)} in the stream, which keeps"
        f" {span(limits().stream_retention_seconds.value)};"
        f" {span(flow.queue_delay_seconds_max)} in a queue, which keeps"
        f" {span(limits().sqs_retention_seconds.value)}",
    )
    table.add_row("", "dollars", f"{plan.bill.dollars:,.2f} at list price")
    return Panel(table, title=f"The spike: {plan.profile.name}", title_align="left")


def _bottlenecks_panel(came: Outcome) -> RenderableType:
    table = Table(box=None, padding=(0, 1), header_style="dim")
    for heading in ("from", "to", "bottleneck"):
        table.add_column(heading, no_wrap=heading != "bottleneck")
    for heading in ("at worst", "limit a second"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in came.bottlenecks:
        table.add_row(
            span(one.began), span(one.ended), one.what, count(one.demand), count(one.limit)
        )
    if not came.bottlenecks:
        table.add_row("", "", "none: every order goes straight through", "", "")
    return Panel(table, title="What held orders up, in order", title_align="left")


def _ladder_panel(plan: Plan) -> RenderableType:
    table = Table(box=None, padding=(0, 1), header_style="dim")
    table.add_column("raise")
    for heading in ("for", "resent", "settled p99", "all settled"):
        table.add_column(heading, justify="right", no_wrap=True)
    for rung in plan.rungs:
        raised, came = rung.raised, rung.outcome
        what, price = Text("as it is"), ""
        if raised is not None:
            what = Text(f"{raised.setting}: {count(raised.before)} → {count(raised.after)}")
            what.append(f" ({raised.how})", "dim")
            mark = "" if raised.confirmed else UNCONFIRMED
            price = f"${raised.dollars:,.2f}{mark}" if raised.dollars else "free"
        waits = (moment(came.resend.p99), moment(came.settle.p99), span(came.all_settled_at))
        table.add_row(what, price, *waits)
    return Panel(table, title="What to raise, one after the other", title_align="left")


def _last_line(plan: Plan) -> RenderableType:
    text = Text(
        "A model: orders as a flow, AWS's published limits, handler times measured here and"
        " calibrated as `spillway cost` says.",
        "dim",
    )
    if any(rung.raised is not None and not rung.raised.confirmed for rung in plan.rungs):
        text.append(f" {UNCONFIRMED} a price that nobody has confirmed.", "dim")
    return text


def count(number: float) -> str:
    """For people: whole below a million, else three digits."""
    return f"{number / 1e6:,.3g} M" if number >= 1e6 else f"{number:,.0f}"


def pair(waits: Waits) -> str:
    """Both percentiles."""
    return f"{moment(waits.p50)}, {moment(waits.p99)}"


def moment(seconds: float | None) -> str:
    return "-" if seconds is None else span(seconds)


def span(seconds: float) -> str:
    """For people: the two largest units."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.3g} s"
    for unit, name, below, small in (
        (86_400, "d", 3_600, "h"),
        (3_600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if seconds >= unit:
            whole, rest = divmod(round(seconds / below), unit // below)
            return f"{whole} {name} {rest} {small}" if rest else f"{whole} {name}"
    return f"{seconds:.0f} s"
