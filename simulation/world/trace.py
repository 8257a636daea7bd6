"""What happened, in order. Kept only where a trace is wanted."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened at `at` (virtual Unix ms).

    `who` is the task, the queue or the customer; `fault` says what went wrong with it.
    """

    at: int
    who: str
    what: str
    outcome: str = ""
    fault: str = ""


@dataclass(slots=True)
class Trace:
    lines: list[Line] = field(default_factory=list)

    def add(self, at: int, who: str, what: str, outcome: str = "", fault: str = "") -> None:
        self.lines.append(Line(at, who, what, outcome, fault))
