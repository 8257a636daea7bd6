"""The saga's whole state space: every answer of every downstream, in every order, and the
customer's cancellation request at every moment, of an order that is held whatever becomes of that,
and of one that comes back the news of it at every moment. A duplicate of any of them writes
nothing: its fact is on record.

An order of the express path has more states: `ship` and `post` may be under way before `reserve` is
on record, and its delivery then records any of their answers together with it.

Pure: no world, no handlers. tests/orders/domain/test_saga.py says what must hold in each state.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import get_args

from orders.domain.parcels import WHOLE_ORDER, News, What
from orders.domain.saga import (
    ONCE_RESERVED,
    REFUSABLE,
    Approval,
    Cancellation,
    Facts,
    Outcome,
    Step,
    Verdict,
    awaits_approval,
    owed,
)
from orders.domain.units import Millis


@dataclass(frozen=True)
class State:
    """What is on record, and which commands have ever been given: by relay as they became owed
    (`commanded`), and by an express delivery before (`begun`)."""

    done: frozenset[Step] = frozenset()
    refused: frozenset[Step] = frozenset()
    cancellation: Cancellation | None = None
    commanded: frozenset[Step] = frozenset()
    express: bool = False
    begun: frozenset[Step] = frozenset()
    held: bool = False
    verdict: Verdict | None = None
    returned: bool = False

    @property
    def facts(self) -> Facts:
        outcomes = {step: Outcome(at=Millis(1), reference="r") for step in self.done}
        outcomes |= {step: Outcome(at=Millis(1), refusal=f"no_{step}") for step in self.refused}
        held_until = Millis(2) if self.held else None
        approval = None if self.verdict is None else Approval(Millis(1), self.verdict)
        news = [News(WHOLE_ORDER, What.RETURNED, Millis(1))] if self.returned else []
        return Facts(
            outcomes, self.cancellation, held_until, approval, {one.key: one for one in news}
        )

    @property
    def in_flight(self) -> frozenset[Step]:
        return (self.commanded | self.begun) - self.done - self.refused

    def with_commands_after(self, before: Facts) -> State:
        return replace(self, commanded=self.commanded | (owed(self.facts) - owed(before)))


ACCEPTED = State(commanded=owed(Facts()))
HELD = State(held=True)


def answers(state: State) -> Iterator[State]:
    """Every answer that may be recorded next to a command that was given."""
    if state.begun and not state.facts.known(Step.RESERVE):
        yield from _express_writes(state)
        return
    for step in state.in_flight:
        yield replace(state, done=state.done | {step}).with_commands_after(state.facts)
        if step in REFUSABLE:
            yield replace(state, refused=state.refused | {step}).with_commands_after(state.facts)


def goes_on(state: State) -> Iterator[State]:
    """An express delivery has its reservation done, and commands what comes next."""
    if state.express and not state.begun and Step.RESERVE in state.in_flight:
        yield replace(state, begun=frozenset(ONCE_RESERVED))


def _express_writes(state: State) -> Iterator[State]:
    """The reservation with any of the answers to what was commanded on it: all of them, or none,
    as the write of a copy of the delivery that went the plain way."""
    for known in product(("unknown", "done", "refused"), repeat=len(ONCE_RESERVED)):
        answered = dict(zip(ONCE_RESERVED, known, strict=True))
        done = {Step.RESERVE, *(step for step in answered if answered[step] == "done")}
        refused = {step for step in answered if answered[step] == "refused"}
        yield replace(
            state, done=state.done | done, refused=state.refused | refused
        ).with_commands_after(state.facts)


def cancellations(state: State) -> Iterator[State]:
    if state.cancellation is None:
        comes_first = awaits_approval(state.facts) or (
            not state.express and not state.facts.known(Step.RESERVE)
        )
        cancellation = Cancellation(Millis(1), before_reservation=comes_first)
        yield replace(state, cancellation=cancellation).with_commands_after(state.facts)


def decisions(state: State) -> Iterator[State]:
    """An approver's, or nobody's in time."""
    if awaits_approval(state.facts):
        for verdict in get_args(Verdict):
            yield replace(state, verdict=verdict).with_commands_after(state.facts)


def returns(state: State) -> Iterator[State]:
    """Fulfilment tells that all of an order came back, at the soonest when it was told to ship."""
    if not state.returned and Step.SHIP in state.commanded | state.begun:
        yield replace(state, returned=True).with_commands_after(state.facts)


def reachable(
    *, express: bool = False, held: bool = False, returning: bool = False
) -> dict[State, list[State]]:
    """Every state that an order can be in, with its successors. `returning`: also once it came
    back."""
    graph: dict[State, list[State]] = {}
    frontier = [replace(HELD if held else ACCEPTED, express=express)]
    while frontier:
        state = frontier.pop()
        if state in graph:
            continue
        graph[state] = [
            *answers(state),
            *cancellations(state),
            *decisions(state),
            *goes_on(state),
            *(returns(state) if returning else ()),
        ]
        frontier += graph[state]
    return graph


def sets_of_facts() -> set[str]:
    """Those that an order can have, by its queues or by express, held for approval or not, and
    when all of it came back."""
    graphs = (
        reachable(express=express, held=held, returning=True)
        for express, held in product((False, True), repeat=2)
    )
    return {facts_name(state) for graph in graphs for state in graph}


def facts_name(state: State) -> str:
    """The state's facts as a world's invariant checker names them."""
    names = [step.value for step in state.done]
    names += [f"{step.value} refused" for step in state.refused]
    if state.held and state.verdict != "released":
        names.append(state.verdict or "held")
    if state.returned:
        names.append("returned")
    if state.cancellation is not None:
        names.append(
            "cancelled " + ("before" if state.cancellation.before_reservation else "after")
        )
    return ", ".join(sorted(names))
