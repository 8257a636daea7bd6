"""One schedule, told as the story of an order."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from simulation.catalogue import START
from simulation.world.story import Line, Story
from spillway.prove.simulate.plan import planned
from spillway.prove.simulate.schedule import run
from spillway.prove.simulate.shrink import shrink

_CALLS = {
    "PutItem": "puts {} into the table",
    "UpdateItem": "records {}",
    "GetItem": "reads {}",
    "BatchGetItem": "glances at the facts {}",
    "Query": "reads {} with its facts",
    "PublishBatch": "announces {}",
    "ChangeMessageVisibility": "puts off {}",
    "GetQueueAttributes": "counts what waits there",
}
_REQUESTS = {
    "PUT /orders/{order_id}": "sends the order",
    "PUT /orders/{order_id}/cancellation": "asks to cancel it",
    "GET /orders/{order_id}": "reads the order",
    "GET /orders": "reads the history",
}
_OUTCOMES = {
    "ConditionalCheckFailedException": "there already",
    "InvalidParameterValue": "gone already",
}


def show_seed(seed: int, trace: bool, bug: str | None, console: Console) -> bool:
    """Run a seed; with `trace` tell its story, of a broken one only what it takes to break it.

    Returns whether it broke a promise.
    """
    plan = planned(seed)
    result = run(plan)
    if not trace:
        _summary(seed, result.broken, console)
        return bool(result.broken)
    only = None
    if result.broken:
        shrunk = shrink(plan, result)
        plan, only = shrunk.plan, shrunk.only
        console.print(
            f"\n[bold]Seed {seed}[/], shrunk from {len(result.injected)} faults to"
            f" {len(shrunk.faults)} and {len(plan.orders)} order(s)."
            f" Again: [bold]spillway simulate --seed {seed} --trace{_with(bug)}[/]"
        )
    story = Story()
    told = run(plan, only=only, story=story)
    name = told.broken[0].order if told.broken and told.broken[0].order else "order 1"
    console.print(_table(story, name))
    _summary(seed, told.broken, console)
    return bool(told.broken)


def trace_text(seed: int) -> str:
    """The whole story of a seed, line by line, with nothing left out: the same for the same seed,
    byte for byte."""
    story = Story()
    result = run(planned(seed), story=story)
    lines = [
        f"{line.at} {line.who} | {line.what} | {line.outcome} | {line.fault}"
        for line in story.lines
    ]
    return "\n".join([*lines, *map(str, result.broken), *map(str, result.injected)])


def _table(story: Story, name: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=True, header_style="dim")
    table.add_column("after", justify="right", style="dim", no_wrap=True)
    table.add_column("who", no_wrap=True)
    table.add_column("does what")
    table.add_column("and")
    for line in story.lines:
        if _is_about(line, name):
            table.add_row(*_row(line))
    return table


def _row(line: Line) -> tuple[Text, ...]:
    style = {"": "", "broken": "bold red"}.get(line.fault, "red")
    fault = f" [{line.fault}]" if line.fault and line.fault != "broken" else ""
    outcome = _OUTCOMES.get(line.outcome, line.outcome)
    return (
        Text(_elapsed(line.at)),
        Text(_who(line.who), style),
        Text(_what(line.what), style),
        Text(outcome + fault, style),
    )


def _who(who: str) -> str:
    """The function, or whoever it is; the rest of a strand's name says what it is about."""
    head, _, rest = who.partition(" ")
    try_ = f", try {rest.rpartition(' #')[2]}" if " #" in rest and not rest.endswith(" #1") else ""
    if head in ("relay", "drain", "watchdog", "reads", "intake", "operator"):
        return head + (try_ if try_[6:].isdigit() else "")
    if head.startswith("deliver-"):
        return head.replace("-", " to ", 1) + (try_ if try_[6:].isdigit() else "")
    return f"customer of {who}" if who else ""


def _what(what: str) -> str:
    if what in _REQUESTS:
        return _REQUESTS[what]
    service, _, rest = what.partition(" ")
    call, _, about = rest.partition(" ")
    if call.startswith("SendMessage"):
        queue, _, message = about.removeprefix("to ").partition(" ")
        if queue.endswith("-dead-letters"):
            return f"sets aside with the {queue.replace('-', ' ')}: {message}"
        return f"sends to the {queue} queue: {message}"
    if call == "ChangeMessageVisibility":
        about = about.partition(" ")[2].partition(" ")[2]
    if call in _CALLS:
        return _CALLS[call].format(about)
    if call == "POST":
        return f"asks {service} to {about.partition(' ')[2]}"
    if call == "GET" and service in ("inventory", "fulfilment", "accounting"):
        return f"asks {service} what is on record ({about.partition(' ')[0]})"
    return what


def _is_about(line: Line, name: str) -> bool:
    """Lines of other orders are left out, lines of none are not."""
    told = f"{line.who} {line.what}"
    if "order " not in told:
        return True
    return name in told.replace(f"{name} of another", "") or name == ""


def _elapsed(at: int) -> str:
    milliseconds = at - START
    if milliseconds < 600_000:
        return f"{milliseconds / 1000:.3f} s"
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    days = milliseconds // 86_400_000
    return (f"{days} d " if days else "") + moment.strftime("%H:%M:%S")


def _summary(seed: int, broken: tuple[object, ...], console: Console) -> None:
    if not broken:
        console.print(Text(f"Seed {seed}: every promise held.", "bold green"))
    for each in broken:
        console.print(Text(str(each), "bold red"))


def _with(bug: str | None) -> str:
    return "" if bug is None else f" --bug {bug}"
