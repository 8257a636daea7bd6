"""Where it is small, everything: each fault at each place of one order's way, one at a time.

An order with every expected outcome runs once without a fault, which lists the places where
something can go wrong; then once more for each of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from simulation.catalogue import ExpectedOutcome, draft
from simulation.world.faults import Fault
from spillway.prove.simulate.plan import HOUR, Ordered, Plan, fault_settings_for
from spillway.prove.simulate.schedule import Result, run

CRASHES = frozenset({Fault.CRASH_BEFORE, Fault.CRASH_AFTER})
#: The cases that are tried with every two crashes.
PAIRED = ("confirmed", "blocked", "confirmed, cancelled after 60 ms")

#: When the customer cancels, in ms after the order: while it is placed, before, while and after its
#: stock is reserved, while it ships, and long after it is confirmed.
CANCEL_AT = (None, 10, 35, 60, 90, 130, 5_000)
EXPECTED_OUTCOMES: Mapping[str, ExpectedOutcome] = {
    "confirmed": ExpectedOutcome(),
    "out of stock": ExpectedOutcome(out_of_stock=True),
    "undeliverable": ExpectedOutcome(undeliverable=True),
    "blocked": ExpectedOutcome(blocked=True),
    "undeliverable and blocked": ExpectedOutcome(undeliverable=True, blocked=True),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One order's way: `name` says which."""

    name: str
    plan: Plan


@dataclass(frozen=True, slots=True)
class Tried:
    """One run: a case with these faults, by place."""

    case: Case
    faults: Mapping[str, Fault]
    result: Result


def cases() -> Iterator[Case]:
    """One order of every expected outcome, retail and too large to travel, cancelled at every
    moment; and one whose shipment can no longer be stopped."""
    for name, expected_outcome in EXPECTED_OUTCOMES.items():
        for cancel_at in CANCEL_AT:
            cancellation = "" if cancel_at is None else f", cancelled after {cancel_at} ms"
            yield Case(f"{name}{cancellation}", _plan(expected_outcome, cancel_at))
    yield Case("cancelled too late", _plan(ExpectedOutcome(), 5_000, too_late=True))
    large = Ordered("order 1", draft(0, "large", ExpectedOutcome()), ExpectedOutcome(), place_at=0)
    yield Case("too large to travel", replace(_plan(ExpectedOutcome(), None), orders=(large,)))
    yield Case(
        "without keys", _plan(ExpectedOutcome(blocked=True), None, without_keys="fulfilment")
    )


def each_fault(kinds: frozenset[Fault] | None = None, only: Sequence[str] = ()) -> Iterator[Tried]:
    """Every case (of these names) with every single fault (of these kinds) at every place that its
    order passes."""
    for case in cases():
        if only and case.name not in only:
            continue
        healthy = run(case.plan, forced={})
        yield Tried(case, {}, healthy)
        for place, possible in healthy.visited:
            for kind in possible:
                if kinds is None or kind in kinds:
                    yield _tried(case, {place: kind})


def each_pair(kinds: frozenset[Fault], only: Sequence[str]) -> Iterator[Tried]:
    """The cases of these names with every two faults: the second at every place that is passed
    after the first was injected."""
    for case in cases():
        if case.name not in only:
            continue
        healthy = run(case.plan, forced={})
        for place, possible in healthy.visited:
            for kind in possible:
                if kind not in kinds:
                    continue
                once = _tried(case, {place: kind})
                passed = [visited for visited, _ in once.result.visited]
                if place not in passed:
                    continue
                after = once.result.visited[passed.index(place) + 1 :]
                for second, possible_then in after:
                    for kind_then in possible_then:
                        if kind_then in kinds:
                            yield _tried(case, {place: kind, second: kind_then})


def _tried(case: Case, faults: Mapping[str, Fault]) -> Tried:
    return Tried(case, faults, run(case.plan, forced=faults))


def _plan(
    expected_outcome: ExpectedOutcome,
    cancel_at: int | None,
    *,
    too_late: bool = False,
    without_keys: str = "",
) -> Plan:
    order = Ordered(
        "order 1",
        draft(0, "retail", expected_outcome),
        expected_outcome,
        place_at=0,
        cancel_at=cancel_at,
    )
    keyless = frozenset({without_keys}) if without_keys else frozenset[str]()
    return Plan(
        seed=0,
        orders=(order,),
        fault_settings=fault_settings_for(
            (order,), keyless, too_late=too_late, leaves_after_ms=None
        ),
        heal_after=HOUR,
        without_keys=keyless,
    )
