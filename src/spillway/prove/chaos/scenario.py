"""What a scenario is, and a control of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from spillway.prove.mutants.mutations import Mutant

if TYPE_CHECKING:
    from spillway.prove.chaos.context import ScenarioContext
    from spillway.prove.chaos.expected_violations import ExpectedViolation

Steps = Callable[["ScenarioContext"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Control:
    """The scenario without one of its guards, which must come to the accident it prevents.

    `without` says what is missing, in a few words: a guard of ours (these `mutants` are deployed),
    or of another system: a downstream without idempotency keys (`fault_settings`), an AWS service
    that does not answer (`faults`, rules of the proxy).
    """

    without: str
    expected_violation: ExpectedViolation
    mutants: tuple[Mutant, ...] = ()
    fault_settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    faults: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way in which things go wrong. `done` says what is done to the system, in one sentence.

    `copies`: how often each order is sent at once. `statuses`: all that customers may be answered,
    where that is part of the promise; None where it is not. `more_orders`: so many more than asked
    for, as a share, that go before for comparison. `control_orders`: how many a control needs for
    its accident.
    """

    name: str
    done: str
    steps: Steps
    controls: tuple[Control, ...] = ()
    copies: int = 1
    statuses: frozenset[int] | None = None
    more_orders: float = 0.0
    control_orders: int = 24
