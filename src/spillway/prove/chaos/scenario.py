"""What a scenario is, its control, and what becomes of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orders.domain.promises import Promise
from spillway.prove.audit.verdicts import Verdict
from spillway.prove.chaos.recorder import ResponseRecorder
from spillway.prove.demo.result import Run
from spillway.prove.mutants.mutations import Mutant
from spillway.run.stack.fakes import Fakes
from spillway.target.records import Way


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
    """One way in which things go wrong. `done` says in a sentence what is done to the system;
    `steps` does it with a `ScenarioContext`.

    `copies`: how often each order is sent at once. `statuses`: all that customers may be answered;
    None: anything. `more_orders`: this share of the orders asked for is added, for a comparison.
    `both_ways`: what is done must meet orders that go by the express path, and orders that do not,
    where there is one. `only`: the fakes that it goes with, None for any.
    """

    name: str
    done: str
    steps: Callable[[Any], Awaitable[None]]
    control: Control | None = None
    copies: int = 1
    statuses: frozenset[int] | None = None
    more_orders: float = 0.0
    both_ways: bool = False
    only: Fakes | None = None


@dataclass(frozen=True, slots=True)
class Disruption:
    """Something was done to the system for a while. Times are Unix milliseconds.

    `hits`: how often it hit something, None where that cannot be counted.
    """

    what: str
    began_at: int
    ended_at: int
    hits: int | None


@dataclass(slots=True)
class Trial:
    """What becomes of a scenario. `measures`: figures by name; `seen_beside`: sentences about what
    was wrong beside the promises. `has_express`: orders may go by the express path. `control`: the
    trial on a mutant, once it has run."""

    scenario: Scenario
    run: Run
    has_express: bool = True
    recorder: ResponseRecorder = field(default_factory=ResponseRecorder)
    disruptions: list[Disruption] = field(default_factory=list)
    measures: dict[str, float] = field(default_factory=dict)
    seen_beside: list[str] = field(default_factory=list)
    control: Trial | None = None

    @property
    def statuses(self) -> Mapping[str, int]:
        return self.recorder.by_status()

    @property
    def shortcomings(self) -> list[str]:
        """Why the scenario proves nothing, and what was wrong beside the promises."""
        found = []
        if not self.run.accepted_any:
            found.append("no order was accepted")
        if not self.run.all_answered:
            found.append("some orders were never answered")
        found += self.seen_beside
        if self.scenario.both_ways and self.has_express and self.run.ways:
            whole = self.run.ways[Way.EXPRESS]
            found += ["no order went by the express path"] if not whole else []
            found += ["no order went by the queues"] if whole == self.run.ways.total() else []
        found += [f"hit nothing: {one.what}" for one in self.disruptions if one.hits == 0]
        allowed = self.scenario.statuses
        if allowed is not None:
            unexpected = self.statuses.keys() - {str(status) for status in allowed}
            found += [f"customers were answered {status}" for status in sorted(unexpected)]
        return found

    @property
    def held(self) -> bool:
        """Every promise was kept, and the scenario did what it says."""
        return self.run.proven and not self.shortcomings

    @property
    def proven(self) -> bool:
        """It held, and its control found the expected violation."""
        return self.held and (self.control is None or self.control.evidence is not None)

    @property
    def evidence(self) -> str | None:
        """Of a control: the expected violation, None when it was not found."""
        control = self.scenario.control
        return None if control is None else control.evidence(self.run.promises)
