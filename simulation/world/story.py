"""What happened, in order: kept only when somebody wants to read it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened at `at` (virtual Unix ms).

    `who` is the strand, the queue or the customer; `fault` says what went wrong with it.
    """

    at: int
    who: str
    what: str
    outcome: str = ""
    fault: str = ""


@dataclass(slots=True)
class Story:
    lines: list[Line] = field(default_factory=list)

    def tell(self, at: int, who: str, what: str, outcome: str = "", fault: str = "") -> None:
        self.lines.append(Line(at, who, what, outcome, fault))
