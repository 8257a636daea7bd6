"""Orders for a terminal of any width, and as JSON. Times are RFC 3339 in UTC."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.text import Text

from orders.domain.parcels import News, Parcel, all_returned_at, parcels_of
from orders.domain.saga import DOWNSTREAM_OF, Facts, Outcome, Step
from orders.domain.status import Status, cancellation_outcome
from orders.domain.units import Millis
from spillway.operate.logs.reading import Line
from spillway.operate.logs.view import line_cells, line_document, no_lines
from spillway.operate.orders.reading import Life, Listed, Summary
from spillway.operate.orders.waiting import FIX, RETRIES_CONTINUE, waiting_for
from spillway.target.records import Effect
from spillway.ui.formatting import age, clock, counted, date_and_clock, money, rfc3339
from spillway.ui.panels import grid, panel

_STATUS_STYLES = {
    "held": "cyan",
    "accepted": "cyan",
    "confirmed": "green",
    "rejecting": "yellow",
    "rejected": "magenta",
    "cancelling": "yellow",
    "cancelled": "magenta",
}


def listed_document(listed: Listed) -> dict[str, Any]:
    return {
        "orders": [_summary_document(summary) for summary in listed.orders],
        "complete": listed.complete,
        "left_out": listed.left_out,
        "waiting": dict(listed.waiting),
        "source": listed.source,
    }


def _approval_document(facts: Facts) -> dict[str, Any] | None:
    if facts.held_until is None:
        return None
    approval = facts.approval
    return {
        "held_until": rfc3339(facts.held_until),
        "verdict": approval and approval.verdict,
        "decided_at": approval and rfc3339(approval.at),
        "by": approval and approval.by,
    }


def life_document(life: Life) -> dict[str, Any]:
    """Without goods, name and address, which are the customer's."""
    record, request = life.record, life.record.facts.cancellation
    size = None if record.size is None else asdict(record.size)
    returned_at = all_returned_at(record.facts.news)
    return {
        **_summary_document(life.summary),
        "trace": life.trace_id,
        "units": size and size["units"],
        "total": size and size["amount"],
        "currency": size and size["currency"],
        "price_book": record.book,
        "buyer": record.buyer,
        "archived": record.archived,
        "way": record.way,
        "express": [step.value for step in record.express],
        "steps": [
            {
                "step": step.value,
                "outcome": "done" if outcome.done else "refused",
                "at": rfc3339(outcome.at),
                "reference": outcome.reference,
                "reason": outcome.refusal,
            }
            for step, outcome in life.outcomes
        ],
        "approval": _approval_document(record.facts),
        "cancellation": request
        and {"requested_at": rfc3339(request.at), "outcome": cancellation_outcome(record.facts)},
        "parcels": [
            {
                "parcel": one.parcel,
                "carrier": one.shipped and one.shipped.carrier,
                "tracking_number": one.shipped and one.shipped.tracking_number,
                "shipped_at": one.shipped and rfc3339(one.shipped.at),
                "delivered_at": one.delivered and rfc3339(one.delivered.at),
                "returned_at": one.returned and rfc3339(one.returned.at),
            }
            for one in parcels_of(record.facts.news)
        ],
        "returned_at": returned_at and rfc3339(returned_at),
        "attempts": dict(life.attempts),
        "downstreams": {
            downstream: effects and [_effect_document(effect) for effect in effects]
            for downstream, effects in life.effects.items()
        },
        "lines": [line_document(line) for line in life.logged.lines],
        "lines_complete": life.logged.complete,
    }


def _summary_document(summary: Summary) -> dict[str, Any]:
    return {
        **asdict(summary),
        "accepted_at": rfc3339(summary.accepted_at),
        "settled": summary.settled,
        "waits_for": summary.waits_for,
    }


def _effect_document(effect: Effect) -> dict[str, Any]:
    document = asdict(effect)
    for known in ("downstream", "key", "done"):
        del document[known]
    return document | {"outcome": "done" if effect.done else "refused", "at": rfc3339(effect.at)}


def show_list(listed: Listed, console: Console, *, now: float) -> None:
    """`now` is Unix seconds."""
    if not listed.orders:
        part = "" if listed.complete else " in the part that was read"
        console.print(Text(f"{listed.empty}{part}.", "bold green" if listed.complete else "yellow"))
        return
    rows = [
        (
            order.order_id,
            _status(order),
            date_and_clock(order.accepted_at).removesuffix(" UTC"),
            _awaited(order),
        )
        for order in listed.orders
    ]
    console.print(grid(rows, ["id"], ("order", "status", "accepted (UTC)", "waits for")))
    console.print(Text(_sums(listed, now)))
    note = f"From {listed.source}."
    if listed.left_out:
        note += f" {listed.left_out:,} more are left out: see --limit."
    elif not listed.complete:
        note += " There are more, which were not read."
    console.print(Text(note, "dim"))


def _sums(listed: Listed, now: float) -> str:
    """How many there are, for whom they wait, and whose they are if one customer's."""
    said = counted(len(listed.orders) + listed.left_out, "order")
    if listed.waiting:
        waiting = (f"{count:,} wait for {name}" for name, count in listed.waiting.items())
        said += f"; {', '.join(waiting)}"
    shown = [order.accepted_at for order in listed.orders if order.owed]
    if shown:
        said += f"; the oldest shown for {age(now - min(shown) / 1000)}"
    customers = {order.customer_id for order in listed.orders}
    [customer, *others] = customers
    return f"{said}." if others or customer is None else f"{said}, of customer {customer}."


def show_life(life: Life, console: Console, *, now: float, options: str) -> None:
    """`now` is Unix seconds; `options` name the service on a command line (`Service.options`)."""
    console.print(_order_panel(life, now))
    console.print(_steps_panel(life))
    if parcels := parcels_of(life.record.facts.news):
        console.print(_parcels_panel(parcels))
    if life.waits:
        rows = [
            (
                Text(step, "bold yellow"),
                Text("\n").join(_why(life, step, last, options)),
            )
            for step, last in life.waits.items()
        ]
        title = "Why its refund is owed" if life.summary.settled else "Why it has not settled"
        console.print(panel(title, rows))
    console.print(_log_panel(life))


def _status(summary: Summary) -> Text:
    return Text(summary.status, _STATUS_STYLES.get(summary.status, ""))


def _awaited(summary: Summary) -> str:
    if summary.status == Status.HELD:
        return "an approver"
    return ", ".join(f"{DOWNSTREAM_OF[step]} ({step})" for step in summary.owed)


def _order_panel(life: Life, now: float) -> Panel:
    record, summary = life.record, life.summary
    status = _status(summary)
    if summary.reason:
        status.append(f" ({summary.reason})")
    if not summary.at_rest:
        still = "its refund is owed" if summary.settled else "not settled yet"
        status.append(f"  {still}", "bold yellow")
    # In the title, a narrow terminal would cut it.
    rows: list[tuple[str, RenderableType]] = [("id", record.key.order_id), ("status", status)]
    if record.accepted_at is None:
        rows.append(("order", Text("missing from the table, which has its progress", "bold red")))
    else:
        since = age(now - record.accepted_at / 1000)
        rows.append(("accepted", f"{date_and_clock(record.accepted_at)}, {since} ago"))
    if record.size is not None:
        size = record.size
        rows.append(("total", f"{money(size.amount, size.currency)}, {size.units:,} units"))
    if record.book is not None:
        rows.append(("price book", record.book))
    if record.archived is not None:
        rows.append(("archived", record.archived))
    rows += _requests(record.facts)
    if life.way is not None:
        rows.append(("way", life.way))
    customer = f"{record.key.customer_id} (in logs: {record.key.customer_hash})"
    rows.append(("customer", customer))
    if record.buyer is not None:
        rows.append(("buyer", record.buyer))
    rows.append(("trace", life.trace_id))
    return panel("Order", rows)


def _steps_panel(life: Life) -> Panel:
    owed = dict.fromkeys(life.summary.owed)
    rows = [_step_row(life, *step) for step in [*life.outcomes, *owed.items()]]
    headings = ("step", "downstream", "outcome", "at", "attempts", "its own record")
    return panel("Steps", rows, headings=headings)


def _parcels_panel(parcels: Sequence[Parcel]) -> Panel:
    headings = ("parcel", "carrier", "tracking number", "shipped (UTC)", "delivered", "returned")
    return panel("Parcels", [_parcel_row(one) for one in parcels], headings=headings)


def _parcel_row(one: Parcel) -> list[RenderableType]:
    def at(news: News | None) -> str:
        return "" if news is None else date_and_clock(news.at).removesuffix(" UTC")

    carrier, number = (
        (one.shipped.carrier, one.shipped.tracking_number) if one.shipped else ("", "")
    )
    return [
        Text(one.parcel),
        Text(carrier or ""),
        Text(number or ""),
        at(one.shipped),
        at(one.delivered),
        at(one.returned),
    ]


def _step_row(life: Life, step: Step, outcome: Outcome | None) -> list[RenderableType]:
    effects = life.effects[DOWNSTREAM_OF[step]]
    if effects is None:
        own = Text("cannot be read from here", "dim")
    else:
        found = [effect for effect in effects if effect.step == step.value]
        own = Text(", ".join("done" if e.done else f"refused: {e.code}" for e in found) or "none")
    attempts = str(life.attempts.get(step.value) or "")
    at = "" if outcome is None else clock(outcome.at)
    return [step.value, DOWNSTREAM_OF[step], _outcome(outcome), at, attempts, own]


def _outcome(outcome: Outcome | None) -> Text:
    if outcome is None:
        return Text("owed", "bold yellow")
    return Text("done", "green") if outcome.done else Text(f"refused: {outcome.refusal}", "red")


def _why(life: Life, step: Step, last: Line | None, options: str) -> Iterator[Text]:
    downstream, order_id = DOWNSTREAM_OF[step], life.record.key.order_id
    yield Text(waiting_for(step, last, life.attempts.get(step.value, 0)))
    if last is None:
        yield Text(
            f"Check with `spillway status{options}` that {downstream}'s queue holds messages"
            " and that its function runs. The watchdog sends a lost command again within some 20"
            " minutes. If the order is older, send it again now: `spillway orders resume"
            f" {order_id}{options}`.",
            "dim",
        )
        return
    if last.is_dead_letter:
        yield Text(
            "The command is in the dead-letter queue. Fix the cause, then run"
            f" `spillway redrive {downstream}{options}`.",
            "bold red",
        )
    else:
        if last.outcome == "misconfigured":
            yield Text(FIX, "bold yellow")
        yield Text(RETRIES_CONTINUE, "dim")


def _log_panel(life: Life) -> Panel:
    rows: list[Sequence[Text]] = [line_cells(line) for line in life.logged.lines]
    if not rows:
        rows.append([Text(no_lines(""))])
    if not life.logged.complete:
        rows.append([Text("There are older lines, too many to show.", "yellow")])
    return panel("What the functions logged", rows)


def _requests(facts: Facts) -> Iterator[tuple[str, RenderableType]]:
    """What people have asked for since the order was placed, or sent back."""
    if facts.held_until is not None:
        yield "approval", _approval(facts.held_until, facts)
    request = facts.cancellation
    if request is not None:
        outcome = cancellation_outcome(facts)
        yield "cancellation", f"requested {date_and_clock(request.at)}: {outcome}"
    returned_at = all_returned_at(facts.news)
    if returned_at is not None:
        yield "returned", f"all of it, {date_and_clock(returned_at)}"


def _approval(held_until: Millis, facts: Facts) -> str:
    approval = facts.approval
    if approval is None:
        if facts.cancellation is not None:
            return "none: it was cancelled before"
        return f"awaited until {date_and_clock(held_until)}"
    by = f" by {approval.by}" if approval.by else ""
    return f"{approval.verdict} {date_and_clock(approval.at)}{by}"
