"""What a control must come to, and how one sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from orders.domain.promises import Promise
from spillway.prove.audit.verdicts import Verdict


class Findings(Protocol):
    """What an accident is looked for in."""

    @property
    def promises(self) -> Mapping[Promise, Verdict]: ...

    @property
    def statuses(self) -> Mapping[str, int]:
        """How many answers customers got of each status; see `chaos.recorder.by_status`."""


class ExpectedViolation(Protocol):
    """`expected` says what must happen."""

    @property
    def expected(self) -> str: ...

    def found(self, findings: Findings) -> str | None:
        """The evidence, in a few words; None when it did not happen."""


@dataclass(frozen=True, slots=True)
class Broken:
    """The audit finds a promise broken; an example must say `like`, or it broke for another
    reason."""

    promise: Promise
    like: str = ""

    @property
    def expected(self) -> str:
        return f"{self.promise.value} broken"

    def found(self, findings: Findings) -> str | None:
        verdict = findings.promises[self.promise]
        example = next((text for text in verdict.examples if self.like in text), None)
        if example is None:
            return None
        times = "once" if verdict.violations == 1 else f"{verdict.violations:,} times"
        return f"{self.promise.value} broken {times}: {example}"


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """Customers are told an honest no: 503 is seen, 202 never, and no promise is broken."""

    expected: str = "503 for customers, never 202, and no order lost"

    def found(self, findings: Findings) -> str | None:
        turned_away, buffered = (findings.statuses.get(status, 0) for status in ("503", "202"))
        broken = [verdict for verdict in findings.promises.values() if not verdict.held]
        if not turned_away or buffered or broken:
            return None
        return f"503 answered {turned_away} times, 202 never, and every promise held"
