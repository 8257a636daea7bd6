"""The result of a run: as JSON for scripts, as a summary for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.bar import Bar
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Column, Table
from rich.text import Text

from orders.domain.status import SETTLED
from spillway.prove.audit import report as audit_report
from spillway.prove.demo.result import Run
from spillway.run.load.placing import Placed
from spillway.run.workload import Sales
from spillway.run.workload.sales import LeftOut
from spillway.target.records import Record, Way
from spillway.ui.formatting import duration
from spillway.ui.panels import Grid, grid, panel
from spillway.ui.statistics import histogram, percentile

_BAR_WIDTH = 16

#: Status and reason.
Outcome = tuple[str, str]


def document(run: Run) -> dict[str, Any]:
    """The run as one JSON object; its first four keys never change.

    `orders` counts orders, but `replayed` counts answers "already stored". Every order sent is
    accepted, buffered, refused or unanswered; every order accepted or buffered is confirmed,
    rejected, cancelled or unsettled. A figure that cannot be measured is null.
    """
    return {
        "orders": _order_counts(run.placed),
        "promises": audit_report.promises_document(run.promises),
        "seconds": {
            "up": round(run.up_seconds, 3),
            "accept_p50": _rounded(percentile(run.accept_seconds, 0.50)),
            "accept_p99": _rounded(percentile(run.accept_seconds, 0.99)),
            "settle_p50": _rounded(percentile(run.settle_seconds, 0.50)),
            "settle_p99": _rounded(percentile(run.settle_seconds, 0.99)),
            "accepting": _rounded(run.accepting_seconds),
            "all_settled": round(run.settling_seconds, 3),
        },
        "orders_per_second": _rounded(_orders_per_second(run)),
        "outcomes": [
            {"outcome": outcome, "reason": reason, "orders": count}
            for (outcome, reason), count in outcomes(run).items()
        ],
        "ways": ways_document(run),
        "seed": run.plan.seed,
        "file": None if run.plan.sales is None else _file_counts(run.plan.sales),
    }


def outcomes(run: Run) -> Counter[Outcome]:
    """How many orders ended how, and why: (status, reason), the most frequent first."""
    counted = Counter(
        _outcome(order, run.records.get(order.key)) for order in run.placed if order.acknowledged
    )
    return Counter(dict(counted.most_common()))


def show(run: Run, console: Console) -> None:
    """The summary, for a terminal of any width."""
    console.print(_orders_panel(run))
    if run.plan.sales is not None:
        console.print(_file_panel(run.plan.sales))
    latencies = Table.grid(Column(ratio=1), Column(ratio=1), expand=True)
    latencies.add_row(
        _latency_panel("Accepted after", run.accept_seconds),
        _latency_panel("Settled after", run.settle_seconds),
    )
    console.print(latencies)
    console.print(audit_report.promises_panel(run.promises))
    console.print(_last_line(run))


def _order_counts(placed: Sequence[Placed]) -> dict[str, int]:
    acknowledged = [order for order in placed if order.acknowledged]
    buffered = sum(all(answer.status == 202 for answer in o.answers) for o in acknowledged)
    refused = sum(not o.acknowledged and o.refusal is not None for o in placed)
    status = Counter(order.status for order in acknowledged)
    return {
        "sent": len(placed),
        "accepted": len(acknowledged) - buffered,
        "buffered": buffered,
        "replayed": sum(answer.status == 200 for o in placed for answer in o.answers),
        "refused": refused,
        "confirmed": status["confirmed"],
        "rejected": status["rejected"],
        "cancelled": status["cancelled"],
        "unsettled": sum(count for read, count in status.items() if read not in SETTLED),
        "unanswered": len(placed) - len(acknowledged) - refused,
    }


def _outcome(order: Placed, record: Record | None) -> Outcome:
    outcome = order.status if order.status in SETTLED and order.status else "unsettled"
    if record is None:
        return outcome, "not in the table"
    facts = record.facts
    if outcome == "rejected":
        refusals = (outcome.refusal for outcome in facts.outcomes.values())
        return outcome, ", ".join(sorted({refusal for refusal in refusals if refusal}))
    if facts.cancellation is None:
        return outcome, ""
    if outcome == "cancelled":
        first = facts.cancellation.before_reservation
        return outcome, "before stock was reserved" if first else "shipment stopped in time"
    return outcome, "too late to cancel"


def _file_counts(sales: Sales) -> dict[str, Any]:
    return {
        "orders": len(sales.orders),
        "not_sales": _by_reason(sales.not_sales),
        "cancellations_matched": len(sales.cancellations),
        "cancellations_unmatched": _by_reason(sales.unmatched),
    }


def _by_reason(left_out: Iterable[LeftOut]) -> Counter[str]:
    return Counter(one.reason.value for one in left_out)


def _orders_per_second(run: Run) -> float | None:
    seconds = run.accepting_seconds
    if not seconds:
        return None
    return sum(order.acknowledged and not order.during_outage for order in run.placed) / seconds


def _orders_panel(run: Run) -> Panel:
    counts = _order_counts(run.placed)
    copies = f", each {run.plan.copies} times at once" if run.plan.copies > 1 else ""
    rate = _orders_per_second(run)
    pace = f"{rate:.0f} a second" if rate else ""
    exceptions = (
        ("buffered", "in the overflow queue"),
        ("replayed", "answers: already stored, no new order"),
        ("refused", _refusals(run.placed)),
        ("unanswered", _last_attempts(run.placed)),
    )
    until = "until all had settled" if not counts["unsettled"] else "and not all have settled"
    return panel(
        "What happened to the orders",
        [
            (f"{counts['sent']:,}", "sent", f"by {run.plan.clients} customers at a time{copies}"),
            (f"{counts['accepted']:,}", "accepted", pace),
            *((f"{counts[word]:,}", word, note) for word, note in exceptions if counts[word]),
            (),
            *outcome_rows(run),
            (),
            *way_rows(run),
            (f"{run.settling_seconds:.1f} s", until, _extent(run.placed)),
        ],
        ("number", "text", "note"),
    )


def outcome_rows(run: Run) -> list[tuple[str, Text, str]]:
    """How many orders ended how, and why."""
    style = {"confirmed": "green", "rejected": "yellow", "cancelled": "cyan"}
    return [
        (f"{count:,}", Text(status, style.get(status, "red")), reason.replace("_", " "))
        for (status, reason), count in outcomes(run).items()
    ]


def ways_document(run: Run) -> dict[str, int]:
    """How many orders that were reserved went which way; zeros where the stage has no express
    path."""
    return {way.value: run.ways[way] for way in Way}


def way_rows(run: Run) -> list[tuple[str, str]]:
    """The same; none where the stage has no express path."""
    ways = run.ways
    return [(f"{ways[way]:,}", f"went by the {way}") for way in Way if ways]


def _refusals(placed: Iterable[Placed]) -> str:
    """The rules that refused orders broke, with the number of orders that broke each."""
    broken: Counter[str] = Counter()
    for order in placed:
        if order.refusal is not None and not order.acknowledged:
            rules = {violation["rule"] for violation in order.refusal.get("violations", [])}
            broken.update(rules or {f"status {order.refusal['status']}"})
    return ", ".join(f"{rule} {count}" for rule, count in broken.most_common())


def _last_attempts(placed: Iterable[Placed]) -> str:
    ends = Counter(order.last_attempt for order in placed if order.unanswered)
    return "after many attempts, the last: " + ", ".join(
        f"{end} {count}" for end, count in ends.most_common()
    )


def _extent(placed: Sequence[Placed]) -> str:
    lines = [len(order.order.lines) for order in placed]
    if not lines:
        return ""
    return f"orders of {min(lines):,} to {max(lines):,} lines, {sum(lines):,} in all"


def _file_panel(sales: Sales) -> Panel:
    rows: list[tuple[str | Text, ...]] = [
        (f"{len(sales.orders):,}", "sales", "can be ordered"),
        *_left_out(sales.not_sales, "like invoice"),
    ]
    if sales.cancellations or sales.unmatched:
        found = f"{len(sales.cancellations):,}"
        rows += [(), (found, "cancellations", "of an earlier sale to the customer")]
    rows += _left_out(sales.unmatched, "like")
    return panel("What the file holds", rows, ("number", "text", "note"))


def _left_out(left_out: Iterable[LeftOut], like: str) -> Iterator[tuple[str | Text, ...]]:
    """How much was left out for each reason, with the first example."""
    first: dict[str, LeftOut] = {}
    for one in left_out:
        first.setdefault(one.reason, one)
    for reason, count in Counter(one.reason for one in left_out).most_common():
        example = f"{like} {first[reason].invoice}: {first[reason].detail}"
        yield (
            f"{count:,}",
            Text(reason.replace("_", " "), "yellow"),
            Text(example, overflow="ellipsis", no_wrap=True),
        )


def _latency_panel(title: str, seconds: Sequence[float]) -> Panel:
    body: RenderableType = Text("nothing to measure", "dim")
    if seconds:
        shares = {"p50": 0.50, "p99": 0.99, "max": 1.0}
        figures = (f"{name} {duration(percentile(seconds, at))}" for name, at in shares.items())
        body = Group(_bars(seconds), Text("  ".join(figures), "dim"))
    return Panel(body, title=title, title_align="left")


def _bars(seconds: Sequence[float]) -> Grid:
    bins = histogram(seconds)
    most = max(bin_.count for bin_ in bins)
    # A terminal draws eighths of a cell; one order must still be seen.
    least = most / (_BAR_WIDTH * 8)
    return grid(
        (
            (
                Text(f"≤ {duration(bin_.up_to)}", "dim"),
                Bar(most, 0, max(bin_.count, least), width=_BAR_WIDTH, color="blue")
                if bin_.count
                else "",
                f"{bin_.count:,}",
            )
            for bin_ in bins
        ),
        ("number", "text", "number"),
    )


def _last_line(run: Run) -> Text:
    if not run.accepted_any:
        return Text("No order was accepted: nothing is proven.", "bold red")
    if not run.all_answered:
        return Text("The service stopped answering: the other orders were not sent.", "bold red")
    return audit_report.promises_line(run.promises)


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else round(figure, 3)
