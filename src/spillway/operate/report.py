"""The answers for a terminal of any width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from orders.domain.saga import DOWNSTREAM_OF, Step
from orders.domain.status import cancellation_outcome
from spillway.operate.alarms import Alarm
from spillway.operate.logs import Line
from spillway.operate.orders import Life, Listed
from spillway.operate.parts import Part
from spillway.ui.formatting import age, clock, date_and_clock, milliseconds

_STATUS_STYLES = {
    "accepted": "cyan",
    "confirmed": "green",
    "rejecting": "yellow",
    "rejected": "magenta",
    "cancelling": "yellow",
    "cancelled": "magenta",
}
_WELL = frozenset({"accepted", "replayed", "buffered", "placed", "there", "done"})
_EXPECTED = frozenset({"refused", "cancellation_taken", "gone"})
#: What a line says first; the rest follows by name.
_SAID_FIRST = ("at", "step", "outcome", "order_id", "customer", "downstream", "command", "trace")


def status_view(
    stage: str, parts: Sequence[Part], alarms: Sequence[Alarm], options: str
) -> RenderableType:
    """`options` say on a command line which service is meant (`Service.options`)."""
    told = _next_step(parts, alarms, options)
    return Group(_path_panel(stage, parts), _alarms_panel(alarms), told)


def _path_panel(stage: str, parts: Sequence[Part]) -> Panel:
    table = Table(box=None, padding=(0, 1), header_style="dim")
    table.add_column("", no_wrap=True)
    # The emulator counts no errors.
    counted = any(part.errors is not None for part in parts)
    for heading in ("waiting", "tried", "later", "oldest", "dead", "runs"):
        table.add_column(heading, justify="right")
    if counted:
        table.add_column("errors", justify="right")
    for part in parts:
        queue = part.queue
        counts = ("", "", "")
        if queue is not None:
            counts = (_count(queue.visible), _count(queue.in_flight), _count(queue.delayed))
        table.add_row(
            part.name,
            *counts,
            "" if part.oldest_seconds is None else age(part.oldest_seconds),
            Text(_count(part.dead_letters), "bold red" if part.dead_letters else ""),
            _count(part.runs),
            *([_errors(part)] if counted else []),
        )
    note = Text(
        "Messages that wait before each function, are being tried (or wait for their next try), or"
        " are for later; the oldest; dead letters; and how often it ran in the last minute.",
        "dim",
    )
    title = f"The path of an order: {stage}"
    return Panel(Group(table, note), title=title, title_align="left")


def _errors(part: Part) -> Text:
    return Text(_count(part.errors or 0), "bold red" if part.errors else "")


def _count(number: int) -> str:
    return f"{number:,}" if number else "·"


def _alarms_panel(alarms: Sequence[Alarm]) -> Panel:
    promises = [alarm for alarm in alarms if alarm.promise is not None]
    others = [alarm for alarm in alarms if alarm.promise is None]
    table = Table.grid(padding=(0, 2))
    # Of the others only those that ring: a promise is shown also when it is kept.
    for alarm in (*promises, *(other for other in others if other.state == "ALARM")):
        table.add_row(*_alarm_row(alarm))
    quiet = sum(other.state != "ALARM" for other in others)
    if quiet:
        table.add_row("", Text(f"{quiet} others are quiet", "dim"), "")
    if not alarms:
        table.add_row("", Text("This stage has no alarms.", "yellow"), "")
    return Panel(table, title="The promises, by their alarms", title_align="left")


def _alarm_row(alarm: Alarm) -> tuple[Text, Text, Text]:
    name = alarm.name if alarm.promise is None else alarm.promise.value
    if alarm.state == "ALARM":
        since = "" if alarm.since is None else f"since {alarm.since.astimezone():%d %b %H:%M}"
        return Text("✘", "bold red"), Text(name, "bold red"), Text(since, "red")
    if alarm.state == "OK":
        return Text("✔", "green"), Text(name), Text("")
    return Text("?", "yellow"), Text(name), Text("nothing measured yet", "dim")


def _next_step(parts: Sequence[Part], alarms: Sequence[Alarm], options: str) -> Text:
    ringing = [alarm for alarm in alarms if alarm.state == "ALARM"]
    if ringing:
        # Alarms may share a page: each is named once.
        pages = "".join(f"\n  {page}" for page in dict.fromkeys(a.runbook for a in ringing))
        return Text(f"What to do now:{pages}", "bold red")
    if any(part.dead_letters for part in parts):
        return Text(f"Dead letters, and why: `spillway redrive --dry-run{options}`.", "bold yellow")
    return Text("No alarm rings.", "bold green")


def listed_view(listed: Listed, now: float, nothing: str) -> RenderableType:
    """`now` is Unix seconds; `nothing` is said of an empty list."""
    if not listed.orders:
        found = nothing if listed.complete else f"{nothing[:-1]} in the part that was looked at."
        return Text(found, "bold green" if listed.complete else "yellow")
    table = Table(box=None, padding=(0, 1), header_style="dim")
    for heading in ("order", "status", "age"):
        table.add_column(heading, no_wrap=True)
    table.add_column("waits for", overflow="fold")
    for order in listed.orders:
        table.add_row(
            order.order_id,
            Text(order.status, _STATUS_STYLES.get(order.status, "")),
            age(now - order.accepted_at / 1000),
            _waits(order.owed),
        )
    note = f"From {listed.source}." + ("" if listed.complete else " There are more: see --limit.")
    return Group(table, Text(note, "dim"))


def _waits(owed: Sequence[str]) -> str:
    return ", ".join(f"{DOWNSTREAM_OF[Step(step)]} ({step})" for step in owed)


def life_view(life: Life, now: float, options: str) -> RenderableType:
    """`now` is Unix seconds; `options` as for `status_view`."""
    parts = [_order_panel(life, now), _steps_panel(life)]
    if life.summary.owed:
        parts.append(_why_panel(life, options))
    parts.append(_said_panel(life))
    return Group(*parts)


def _order_panel(life: Life, now: float) -> Panel:
    record, summary = life.record, life.summary
    table = Table.grid(padding=(0, 2))
    told = Text(summary.status, _STATUS_STYLES.get(summary.status, ""))
    if summary.reason:
        told.append(f" ({summary.reason})")
    if summary.owed:
        told.append("  not settled yet", "bold yellow")
    table.add_row("status", told)
    if record.accepted_at is None:
        table.add_row("order", Text("not in the table: only its progress is", "bold red"))
    else:
        since = age(now - record.accepted_at / 1000)
        table.add_row("accepted", f"{date_and_clock(record.accepted_at)}, {since} ago")
    if record.size is not None:
        size = record.size
        table.add_row("comes to", f"{size.units:,} units, {size.amount:,} {size.currency} minor")
    wish = record.facts.cancellation
    if wish is not None:
        outcome = cancellation_outcome(record.facts)
        table.add_row("cancellation", f"asked for at {date_and_clock(wish.at)}: {outcome}")
    table.add_row("customer", f"{record.key.customer_id} (in logs: {record.key.customer_hash})")
    table.add_row("trace", life.trace_id)
    return Panel(table, title=f"Order {record.key.order_id}", title_align="left")


def _steps_panel(life: Life) -> Panel:
    table = Table(box=None, padding=(0, 1), header_style="dim")
    for heading in ("step", "downstream", "outcome", "at", "tries", "its own record"):
        table.add_column(heading)
    facts = life.record.facts
    for step, outcome in sorted(facts.outcomes.items(), key=lambda fact: fact[1].at):
        told = Text("done", "green") if outcome.done else Text(f"refused: {outcome.refusal}", "red")
        table.add_row(*_step_row(life, step, told, clock(outcome.at)))
    for name in life.summary.owed:
        table.add_row(*_step_row(life, Step(name), Text("owed", "bold yellow"), ""))
    return Panel(table, title="What was done for it", title_align="left")


def _step_row(life: Life, step: Step, outcome: Text, at: str) -> tuple[Any, ...]:
    tries = life.attempts.get(step.value)
    downstream = DOWNSTREAM_OF[step]
    effects = life.effects[downstream]
    if effects is None:
        own: Text = Text("not ours to read", "dim")
    else:
        found = [effect for effect in effects if effect.step == step.value]
        own = Text(", ".join("done" if e.done else f"refused: {e.code}" for e in found) or "none")
    return step.value, downstream, outcome, at, "" if tries is None else str(tries), own


def _why_panel(life: Life, options: str) -> Panel:
    table = Table.grid(padding=(0, 2))
    for step in life.summary.owed:
        told = Text("\n").join(_why(step, life, options))
        table.add_row(Text(step, "bold yellow"), told)
    return Panel(table, title="Why it has not settled", title_align="left")


def _why(step: str, life: Life, options: str) -> Iterator[Text]:
    downstream = DOWNSTREAM_OF[Step(step)]
    trouble = life.last_trouble.get(step)
    if trouble is None:
        yield Text(f"No delivery to {downstream} has told of a try yet.")
        yield Text(
            f"See `spillway status{options}`: does {downstream}'s queue hold messages, does its"
            " function run? The watchdog sends a lost command again after a quarter of an hour; for"
            " an order that is older, this has it done now: `spillway orders resume"
            f" {life.record.key.order_id}{options}`.",
            "dim",
        )
        return
    tries = trouble.fields.get("attempt", 1)
    why = trouble.fields.get("detail") or trouble.fields.get("error") or trouble.outcome
    yield Text(f"{downstream}, try {tries}, {clock(trouble.at)}: {why}")
    if trouble.outcome in ("set_aside", "contradicted"):
        yield Text(
            "It lies with the dead letters. Mend the cause, then"
            f" `spillway redrive {downstream}{options}`.",
            "bold red",
        )
    else:
        yield Text("It is tried again by itself, ever less often, at most 15 min apart.", "dim")


def _said_panel(life: Life) -> Panel:
    table = Table.grid(padding=(0, 1))
    for line in life.said.lines:
        table.add_row(*_line_cells(line))
    if not life.said.lines:
        table.add_row(Text("Nothing: the logs may have been forgotten (see `logs` in the stage)."))
    if not life.said.complete:
        table.add_row(Text("There are older lines, too many to show.", "yellow"))
    return Panel(table, title="What the functions said", title_align="left")


def line_text(line: Line, *, with_order: bool) -> Text:
    """One line of log on one line of a terminal."""
    time, function, outcome, rest = _line_cells(line)
    order = f"  {line.fields['order_id']}" if with_order and "order_id" in line.fields else ""
    return Text("  ").join([time, function, outcome]) + Text(order) + Text("  ") + rest


def _line_cells(line: Line) -> tuple[Text, Text, Text, Text]:
    if "message" in line.fields:
        return (
            Text(clock(line.at), "dim"),
            Text(f"{line.function:<18}"),
            Text("Lambda", "bold red"),
            Text(str(line.fields["message"])),
        )
    told = " ".join(
        str(line.fields[name]) for name in ("command",) if line.fields.get(name) is not None
    )
    more = "  ".join(
        f"{_label(name)} {_value(name, value)}"
        for name, value in line.fields.items()
        if name not in _SAID_FIRST and value != []
    )
    return (
        Text(clock(line.at), "dim"),
        Text(f"{line.function:<18}"),
        Text(f"{told} {line.outcome}".strip(), _outcome_style(line.outcome)),
        Text(more, "dim"),
    )


def _outcome_style(outcome: str) -> str:
    if outcome in _WELL:
        return "green"
    return "yellow" if outcome in (*_EXPECTED, "postponed", "stuck") else "bold red"


def _label(name: str) -> str:
    return name.removesuffix("_ms").removesuffix("_s").replace("_", " ")


def _value(name: str, value: Any) -> str:
    if isinstance(value, list):
        return ",".join(str(one) for one in value)
    if name.endswith("_ms"):
        return milliseconds(float(value))
    return age(float(value)) if name.endswith("_s") else str(value)
