"""What a scenario is, and its control."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orders.domain.promises import Promise
from spillway.prove.audit.verdicts import Verdict
from spillway.prove.mutants.mutations import Mutant

if TYPE_CHECKING:
    from spillway.prove.chaos.context import ScenarioContext

Steps = Callable[["ScenarioContext"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Control:
    """The scenario on a mutant of the service, which must break `promise`; one of the examples must
    contain `like`, or the promise broke for another reason.

    One control on the deployed service is enough to show that its audit can fail. The simulation
    kills all other mutants, also with downstreams that know no idempotency keys and AWS services
    that refuse, thousands of schedules a minute.

    `without` names the guard that the mutant lacks.
    """

    without: str
    mutant: Mutant
    promise: Promise
    like: str

    def evidence(self, promises: Mapping[Promise, Verdict]) -> str | None:
        """The expected violation, with an example; None when it was not found."""
        verdict = promises[self.promise]
        example = next((text for text in verdict.examples if self.like in text), None)
        if example is None:
            return None
        times = "once" if verdict.violations == 1 else f"{verdict.violations:,} times"
        return f"{self.promise.value} broken {times}: {example}"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way in which things go wrong. `done` says in a sentence what is done to the system.

    `copies`: how often each order is sent at once. `statuses`: all that customers may be answered;
    None: anything. `more_orders`: this share of the orders asked for is added, for a comparison.
    """

    name: str
    done: str
    steps: Steps
    control: Control | None = None
    copies: int = 1
    statuses: frozenset[int] | None = None
    more_orders: float = 0.0
