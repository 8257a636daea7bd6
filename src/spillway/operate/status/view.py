"""The state of a service, for a terminal of any width and as JSON. Times are RFC 3339 in UTC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from spillway.operate.status.alarms import Alarm
from spillway.operate.status.parts import Part
from spillway.ui.formatting import age, rfc3339
from spillway.ui.panels import mark, panel

_NOTE = (
    "Messages that wait before each function, that are in flight (being handled, or waiting for"
    " their next attempt), and that are due later; the oldest message; dead letters; and how often"
    " the function ran in the last minute."
)


@dataclass(frozen=True, slots=True)
class State:
    """What was read. `options` name the service on a command line, see `Service.options`."""

    stage: str
    parts: Sequence[Part]
    alarms: Sequence[Alarm]
    options: str


def show(state: State, console: Console) -> None:
    console.print(view(state))


def view(state: State) -> RenderableType:
    return Group(_path_panel(state), _alarms_panel(state.alarms), _next_step(state))


def document(state: State) -> dict[str, Any]:
    return {
        "stage": state.stage,
        "parts": [_part(part) for part in state.parts],
        "alarms": [_alarm(alarm) for alarm in state.alarms],
    }


def _part(part: Part) -> dict[str, Any]:
    queue = part.queue
    return {
        "part": part.name,
        "queue": None
        if queue is None
        else {
            "name": queue.queue,
            "visible": queue.visible,
            "in_flight": queue.in_flight,
            "delayed": queue.delayed,
        },
        "oldest_seconds": part.oldest_seconds,
        "dead_letters": part.dead_letters,
        "runs_per_minute": part.runs,
        "errors_per_minute": part.errors,
    }


def _alarm(alarm: Alarm) -> dict[str, Any]:
    return {
        "alarm": alarm.name,
        "state": alarm.state,
        "since": None if alarm.since is None else rfc3339(int(alarm.since.timestamp() * 1000)),
        "reason": alarm.reason,
        "promise": None if alarm.promise is None else alarm.promise.value,
        "runbook": alarm.runbook,
    }


def _path_panel(state: State) -> Panel:
    # The emulator counts no errors.
    with_errors = any(part.errors is not None for part in state.parts)
    table = Table(box=None, padding=(0, 1), header_style="dim")
    table.add_column("", no_wrap=True)
    headings = ["waiting", "in flight", "later", "oldest", "dead", "runs"]
    for heading in (*headings, "errors") if with_errors else headings:
        table.add_column(heading, justify="right")
    for part in state.parts:
        cells = _part_cells(part)
        table.add_row(*cells, *([_alarming(part.errors or 0)] if with_errors else []))
    title = f"The path of an order: {state.stage}"
    return Panel(Group(table, Text(_NOTE, "dim")), title=title, title_align="left")


def _part_cells(part: Part) -> list[RenderableType]:
    queue = part.queue
    waiting = ("", "", "")
    if queue is not None:
        waiting = (_count(queue.visible), _count(queue.in_flight), _count(queue.delayed))
    oldest = "" if part.oldest_seconds is None else age(part.oldest_seconds)
    return [part.name, *waiting, oldest, _alarming(part.dead_letters), _count(part.runs)]


def _alarming(number: int) -> Text:
    return Text(_count(number), "bold red" if number else "")


def _count(number: int) -> str:
    return f"{number:,}" if number else "·"


def _alarms_panel(alarms: Sequence[Alarm]) -> Panel:
    promises = [alarm for alarm in alarms if alarm.promise is not None]
    others = [alarm for alarm in alarms if alarm.promise is None]
    # A promise is shown even when it is kept, another alarm only when it rings.
    shown = [*promises, *(other for other in others if other.state == "ALARM")]
    rows = [_alarm_row(alarm) for alarm in shown]
    quiet = sum(other.state != "ALARM" for other in others)
    if quiet:
        rows.append((Text(), Text(f"{quiet} other alarms are quiet", "dim"), Text()))
    if not alarms:
        rows.append((Text(), Text("This stage has no alarms.", "yellow"), Text()))
    return panel("The promises, by their alarms", rows)


def _alarm_row(alarm: Alarm) -> tuple[Text, Text, Text]:
    name = alarm.name if alarm.promise is None else alarm.promise.value
    if alarm.state == "ALARM":
        since = "" if alarm.since is None else f"since {alarm.since.astimezone():%d %b %H:%M}"
        return mark(False), Text(name, "bold red"), Text(since, "red")
    if alarm.state == "OK":
        return mark(True), Text(name), Text()
    return mark(None), Text(name), Text("not measured yet", "dim")


def _next_step(state: State) -> Text:
    ringing = [alarm for alarm in state.alarms if alarm.state == "ALARM"]
    if ringing:
        # Alarms may share a page: each is named once.
        pages = "".join(f"\n  {page}" for page in dict.fromkeys(a.runbook for a in ringing))
        return Text(f"What to do now:{pages}", "bold red")
    if any(part.dead_letters for part in state.parts):
        command = f"spillway redrive --dry-run{state.options}"
        return Text(f"There are dead letters. To see why: `{command}`.", "bold yellow")
    return Text("No alarm rings.", "bold green")
