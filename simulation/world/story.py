"""What happened, in order: kept only when somebody wants to read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulation.world.calls import Site
    from simulation.world.faults import Fault


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

    def called(
        self, at: int, who: str, site: Site, about: str, fault: Fault | None, outcome: str
    ) -> None:
        what = f"{site.service} {site.call}" + (f" {about}" if about else "")
        self.lines.append(Line(at, who, what, outcome, "" if fault is None else fault.value))

    def tell(self, at: int, who: str, what: str, outcome: str = "", fault: str = "") -> None:
        self.lines.append(Line(at, who, what, outcome, fault))
