"""The state of a service, for a terminal of any width and as JSON. Times are RFC 3339 in UTC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from infra.alarms import page_of
from spillway.operate.status.alarms import Alarm
from spillway.operate.status.outages import Outage
from spillway.operate.status.parts import Part
from spillway.operate.status.state import Status
from spillway.target.service import Service
from spillway.ui.formatting import age, date_and_clock, rfc3339
from spillway.ui.panels import Column, grid, mark, panel

_NOTE = (
    "Messages that wait before each function, that are in flight (being handled, or waiting for"
    " their next attempt), and that are due later; the oldest message; dead letters; and how often"
    " the function ran in the last minute."
)


def view(status: Status, service: Service) -> RenderableType:
    path = _path_panel(status.parts, f"The path of an order: {service.stage}")
    unmeasured = "not measured yet" if service.emulator is None else "measured on AWS only"
    return Group(path, _alarms_panel(status, unmeasured), *_next_steps(status, service.options))


def document(status: Status, *, stage: str) -> dict[str, Any]:
    return {
        "stage": stage,
        "parts": [_part(part) for part in status.parts],
        "alarms": [_alarm(status, alarm) for alarm in status.alarms],
        "outages": [_outage(outage) for outage in status.outages],
    }


def _part(part: Part) -> dict[str, Any]:
    queue = None
    if part.queue is not None:
        queue = asdict(part.queue)
        queue = {"name": queue.pop("queue"), **queue}
    return {
        "part": part.name,
        "queue": queue,
        "oldest_seconds": part.oldest_seconds,
        "dead_letters": part.dead_letters,
        "runs_per_minute": part.runs,
        "errors_per_minute": part.errors,
        "trigger": part.trigger,
        "stream_trigger": part.stream_trigger,
    }


def _outage(outage: Outage) -> dict[str, Any]:
    back = outage.answers_since
    return {
        "downstream": outage.downstream,
        "since": rfc3339(outage.since),
        "answers_since": None if back is None else rfc3339(back),
        "partial": outage.partial,
        "trouble": outage.trouble,
        "misconfigured": outage.misconfigured,
        "orders": outage.orders,
        "exact": outage.exact,
    }


def _alarm(status: Status, alarm: Alarm) -> dict[str, Any]:
    return {
        "alarm": alarm.name,
        "state": alarm.state,
        "since": None if alarm.since is None else rfc3339(alarm.since),
        "meaning": alarm.meaning,
        "reason": alarm.reason,
        "explained_by_outages": alarm.name in status.explained,
        "promise": alarm.promise,
        "runbook": alarm.runbook,
    }


def _path_panel(parts: Sequence[Part], title: str) -> Panel:
    headings = ["", "waiting", "in flight", "later", "oldest", "dead", "runs"]
    rows = [_part_cells(part) for part in parts]
    # The emulator counts no errors.
    if any(part.errors is not None for part in parts):
        headings.append("errors")
        rows = [[*row, _alarming(part.errors or 0)] for row, part in zip(rows, parts, strict=True)]
    numbers: list[Column] = ["number"] * (len(headings) - 1)
    table = grid(rows, ["text", *numbers], headings)
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


def _alarms_panel(status: Status, unmeasured: str) -> Panel:
    """A promise is shown even when it is kept, another alarm only when it rings."""
    others = status.other_alarms
    rows = [
        (mark(None), Text(promise.value), Text(status.unwatched(promise), "yellow"))
        if alarm is None
        else _alarm_row(status, promise.value, alarm, unmeasured)
        for promise, alarm in status.promises.items()
    ]
    rows += [_alarm_row(status, one.name, one, unmeasured) for one in others if one.rings]
    quiet = sum(not other.rings for other in others)
    if quiet:
        rows.append((Text(), Text(f"{quiet} other alarms are quiet", "dim"), Text()))
    return panel("The promises, by their alarms", rows, ("text", "id"))


def _alarm_row(status: Status, name: str, alarm: Alarm, unmeasured: str) -> tuple[Text, Text, Text]:
    if alarm.rings:
        since = "" if alarm.since is None else f"since {date_and_clock(alarm.since)}"
        if not status.endangers(alarm):
            return Text("…", "yellow"), Text(name, "yellow"), Text(f"delayed {since}", "yellow")
        return mark(False), Text(name, "bold red"), Text(since, "red")
    note = "" if alarm.kept else unmeasured
    return mark(alarm.kept), Text(name), Text(note, "dim")


def _next_steps(status: Status, options: str) -> list[Text]:
    page = page_of("relay-stopped")
    steps = [Text(f"{one.sentence} {one.waiting}", "bold yellow") for one in status.outages]
    steps += [Text(f"{part.stopped} See {page}.", "bold red") for part in status.stopped]
    if status.ringing:
        # Alarms may share a page: each is named once.
        pages = "".join(f"\n  {page}" for page in dict.fromkeys(a.runbook for a in status.ringing))
        steps.append(Text(f"What to do now:{pages}", "bold red"))
    elif status.dead_letters:
        command = f"spillway redrive --dry-run{options}"
        steps.append(Text(f"There are dead letters. To see why: `{command}`.", "bold yellow"))
    return steps or [Text("No alarm rings.", "bold green")]
