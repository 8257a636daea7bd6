"""Lines of log for a terminal, and as JSON."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from spillway.operate.logs.reading import Line
from spillway.ui.formatting import age, clock, duration, rfc3339

_STYLES = {"good": "green", "plain": "yellow", "again": "yellow", "bad": "bold red"}
#: Fields that have a place of their own in a line. The others follow, each with its name.
_PLACED = ("at", "step", "outcome", "order_id", "customer", "downstream", "command", "trace")


def no_lines(about: str) -> str:
    """Why there may be none. `about` begins with a space."""
    return (
        f"No lines{about}: they have expired, or all went well, which a stage logs of one order in"
        " `good_news_one_in` (`[logs]` of its settings)."
    )


def line_document(line: Line) -> dict[str, Any]:
    return {"time": rfc3339(line.at), "function": line.function, **line.fields}


def line_text(line: Line, *, with_order: bool) -> Text:
    time, function, outcome, rest = line_cells(line)
    order = f"  {line.fields['order_id']}" if with_order and "order_id" in line.fields else ""
    return Text("  ").join([time, function, outcome]) + Text(order) + Text("  ") + rest


def line_cells(line: Line) -> tuple[Text, Text, Text, Text]:
    """The time, the function, what came of it, and all other fields."""
    time, function = Text(clock(line.at), "dim"), Text(f"{line.function:<18}")
    if "message" in line.fields:
        return time, function, Text("Lambda", "bold red"), Text(str(line.fields["message"]))
    others = "  ".join(
        f"{name.removesuffix('_ms').removesuffix('_s').replace('_', ' ')} {_value(name, value)}"
        for name, value in line.fields.items()
        # That the express path was tried and got no answer in time is worth a word.
        if name not in _PLACED and (value != [] or name == "express")
    )
    outcome = f"{line.fields.get('command') or ''} {line.outcome}".strip()
    return time, function, Text(outcome, _STYLES[line.tone]), Text(others, "dim")


def _value(name: str, value: Any) -> str:
    if isinstance(value, list):
        return ",".join(str(one) for one in value) or "none"
    if name.endswith("_ms"):
        return duration(float(value) / 1000)
    return age(float(value)) if name.endswith("_s") else str(value)
