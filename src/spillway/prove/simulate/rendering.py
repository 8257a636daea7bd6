"""The trace of one schedule, rendered for people."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from simulation.catalogue import START
from simulation.world.trace import Line, Trace
from spillway.prove.simulate.plan import planned
from spillway.prove.simulate.schedule import run
from spillway.prove.simulate.shrink import shrink
from spillway.ui.formatting import age
from spillway.ui.panels import Grid, grid

_CALLS = {
    "PutItem": "puts {} into the table",
    "UpdateItem": "records {}",
    "GetItem": "reads {}",
    "BatchGetItem": "reads the facts {}",
    "Query": "reads {} with its facts",
    "PublishBatch": "announces {}",
    "ChangeMessageVisibility": "postpones {}",
    "GetQueueAttributes": "counts the messages there",
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
_FUNCTIONS = ("relay", "drain", "watchdog", "reads", "intake", "archive", "operator")
#: Up to this age a line's time has milliseconds.
_PRECISE_MS = 600_000


def show_seed(seed: int, trace: bool, mutant: str | None, console: Console) -> bool:
    """Run a seed, and show its result; with `trace` also its trace, of a broken one shrunk.

    Returns whether it broke a promise.
    """
    plan = planned(seed)
    result = run(plan)
    if trace:
        faults, only, recorded = len(result.injected), None, Trace()
        if result.broken:
            plan, only = shrink(plan, result)
        result = run(plan, only=only, trace=recorded)
        if result.broken:
            console.print(
                f"\n[bold]Seed {seed}[/], shrunk from {faults} faults to {len(result.injected)}"
                f" and {len(plan.orders)} order(s). Again: [bold]{rerun(seed, mutant)}[/]"
            )
        console.print(_table(recorded, (result.broken and result.broken[0].order) or "order 1"))
    if not result.broken:
        console.print(Text(f"Seed {seed}: every promise held.", "bold green"))
    for broken in result.broken:
        console.print(Text(str(broken), "bold red"))
    return bool(result.broken)


def rerun(seed: int, mutant: str | None = None) -> str:
    """The command that shows the trace of a seed."""
    return f"spillway simulate --seed {seed} --trace" + (f" --bug {mutant}" if mutant else "")


def _table(trace: Trace, order: str) -> Grid:
    rows = (_row(line) for line in trace.lines if _is_about(line, order))
    return grid(rows, ("number",), ("after", "who", "does what", "and"))


def _row(line: Line) -> tuple[Text, ...]:
    style = {"": "", "broken": "bold red"}.get(line.fault, "red")
    fault = f" [{line.fault}]" if line.fault and line.fault != "broken" else ""
    outcome = _OUTCOMES.get(line.outcome, line.outcome)
    return (
        Text(_elapsed(line.at - START), "dim"),
        Text(_who(line.who), style),
        Text(_what(line.what), style),
        Text(outcome + fault, style),
    )


def _who(task: str) -> str:
    """The function and its attempt, or the customer. The rest of a task's name says what it is
    about."""
    head, _, rest = task.partition(" ")
    attempt = rest.rpartition(" #")[2] if " #" in rest else ""
    again = f", attempt {attempt}" if attempt.isdigit() and attempt != "1" else ""
    if head in _FUNCTIONS:
        return head + again
    if head.startswith("deliver-"):
        return head.replace("-", " to ", 1) + again
    return f"customer of {task}" if task else ""


def _what(what: str) -> str:
    service, _, rest = what.partition(" ")
    call, _, about = rest.partition(" ")
    if call.startswith("SendMessage"):
        queue, _, message = about.removeprefix("to ").partition(" ")
        return f"sends to the queue {queue}: {message}"
    if call == "ChangeMessageVisibility":
        about = about.split(" ", 2)[-1]
    if call in _CALLS:
        return _CALLS[call].format(about)
    if call == "POST":
        return f"asks {service} to {about.partition(' ')[2]}"
    if call == "GET" and service in ("inventory", "fulfilment", "accounting"):
        return f"asks {service} what is on record ({about.partition(' ')[0]})"
    return _REQUESTS.get(what, what)


def _is_about(line: Line, order: str) -> bool:
    """Whether a line is about this order or about none."""
    text = f"{line.who} {line.what}"
    return "order " not in text or order in text.replace(f"{order} of another", "")


def _elapsed(milliseconds: int) -> str:
    if milliseconds < _PRECISE_MS:
        return f"{milliseconds / 1000:.3f} s"
    return age(milliseconds / 1000)
