"""One order's life as it is drawn: a lane for each step, and the events in the order of time.

Pure. Times are Unix milliseconds; positions are on the drawing's width, 0 to 1000.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from orders.domain.events import settled_at
from orders.domain.parcels import What, in_order
from orders.domain.saga import DOWNSTREAM_OF, Facts, Step, owed
from orders.domain.status import cancellation_outcome
from spillway.operate.logs.reading import ANSWERED, Line, Tone
from spillway.operate.orders.reading import Life
from spillway.ui.formatting import counted, duration

WIDTH = 1000
#: Outcomes that the order's own record has too.
_IS_THE_FACT = frozenset({"accepted", "placed"})
_TICKS = 4

LaneState = Literal["done", "refused", "owed"]


@dataclass(frozen=True, slots=True)
class Mark:
    """An attempt of a step, at `x`."""

    x: float
    kind: Literal["again", "dead", "done", "refused"]
    label: str


@dataclass(frozen=True, slots=True)
class Lane:
    """One step, from when it was owed to its outcome, or to now."""

    step: Step
    state: LaneState
    x: float
    width: float
    marks: Sequence[Mark]
    label: str


@dataclass(frozen=True, slots=True)
class Entry:
    at: int
    who: str
    what: str
    detail: str = ""
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True)
class Timeline:
    """`ticks` are the labels of the time axis, at equal distances from `began` to its end.
    `lasted`: until it settled, or until now."""

    began: int
    lanes: Sequence[Lane]
    entries: Sequence[Entry]
    ticks: Sequence[str]
    lasted: str


def timeline(life: Life, now: int) -> Timeline:
    """`now` is Unix milliseconds: the end of the axis while the order is owed something."""
    facts = life.record.facts
    # News of parcels come days later and would leave the lanes no room.
    lines = [line for line in life.logged.lines if not _is_news(line)]
    changed_at = replace(life.record, facts=replace(facts, news={})).changed_at
    times = [at for at in (changed_at, *(line.at for line in lines)) if at]
    began = life.record.accepted_at or min(times, default=now)
    ended = max(now, began + 1) if life.summary.owed else max([*times, began + 1])
    settled = settled_at(facts)
    seen = {*facts.outcomes, *life.summary.owed}
    return Timeline(
        began,
        [_lane(life, step, began, ended) for step in Step if step in seen],
        sorted(_entries(life), key=lambda entry: entry.at),
        [span((ended - began) * n / _TICKS) for n in range(_TICKS + 1)],
        span((ended if settled is None else settled) - began),
    )


def span(milliseconds: float) -> str:
    return duration(milliseconds / 1000)


def _x(began: int, ended: int, at: int) -> float:
    share = (at - began) / (ended - began)
    return round(min(1.0, max(0.0, share)) * WIDTH, 1)


def _lane(life: Life, step: Step, began: int, ended: int) -> Lane:
    x: Callable[[int], float] = partial(_x, began, ended)
    facts = life.record.facts
    attempts = [line for line in life.logged.lines if line.command == step]
    marks = [
        Mark(
            x(line.at),
            "dead" if line.is_dead_letter else "again",
            f"attempt {line.attempt}: {line.why}",
        )
        for line in attempts
        if line.outcome not in ANSWERED
    ]
    outcome = facts.outcomes.get(step)
    state: LaneState = "owed"
    if outcome is not None:
        state, ended = "done" if outcome.done else "refused", outcome.at
        marks.append(Mark(x(ended), state, outcome.refusal or "done"))
    # Facts may arrive out of order: such a step has only its outcome.
    since = min(_owed_since(facts, began).get(step, ended), ended)
    lasted = span(ended - since)
    label = (
        f"owed for {lasted}" if outcome is None else f"{outcome.refusal or 'done'} after {lasted}"
    )
    if step in life.record.express:
        label += ", express path"
    tries = life.attempts.get(step, 0)
    if tries > 1:
        label += f", {tries} attempts"
    return Lane(step, state, x(since), max(3.0, x(ended) - x(since)), marks, label)


def _owed_since(facts: Facts, began: int) -> dict[Step, int]:
    """When each step became owed, by adding the facts one after the other."""
    since = dict.fromkeys(owed(Facts(held_until=facts.held_until)), began)
    request, approval = facts.cancellation, facts.approval
    known = (*facts.outcomes.values(), *facts.news.values(), request, approval)
    times = [one.at for one in known if one is not None]
    for until in sorted(times):
        outcomes = {step: one for step, one in facts.outcomes.items() if one.at <= until}
        requested = request if request is not None and request.at <= until else None
        approved = approval if approval is not None and approval.at <= until else None
        news = {key: one for key, one in facts.news.items() if one.at <= until}
        for step in owed(Facts(outcomes, requested, facts.held_until, approved, news)):
            since.setdefault(step, until)
    return since


def _requests(facts: Facts) -> Iterator[Entry]:
    """What people have asked for since the order was placed."""
    request = facts.cancellation
    if request is not None:
        outcome = f"outcome: {cancellation_outcome(facts)}"
        yield Entry(request.at, "customer", "requested cancellation", outcome)
    approval = facts.approval
    if approval is not None:
        who = "watchdog" if approval.by is None else "approver"
        tone: Tone = "good" if approval.verdict == "released" else "bad"
        yield Entry(approval.at, who, approval.verdict, "held for approval until then", tone)


def _news(facts: Facts) -> Iterator[Entry]:
    """What fulfilment has told of the order's parcels."""
    for one in in_order(facts.news):
        about = f"parcel {one.parcel}" if one.parcel else "the whole order"
        details = [text for text in (one.carrier, one.tracking_number) if text]
        if one.parcels is not None:
            details.append(f"of {counted(one.parcels, 'parcel')}")
        tone: Tone = "plain" if one.what is What.RETURNED else "good"
        yield Entry(one.at, "fulfilment", f"{about}: {one.what}", " · ".join(details), tone)


def _entries(life: Life) -> Iterator[Entry]:
    """What the order's record says, with what the lines add to it; then all other lines."""
    record, logged = life.record, life.logged.lines
    accepting = [line for line in logged if record.stored and line.outcome in _IS_THE_FACT]
    if record.accepted_at is not None:
        by = accepting[0].function if accepting else "orders table"
        yield Entry(record.accepted_at, by, "accepted", tone="good")
    yield from _requests(record.facts)
    yield from _news(record.facts)
    answers = {line.command: line for line in logged if line.outcome in ANSWERED and line.command}
    for step, answer in record.facts.outcomes.items():
        details = [answer.reference] if answer.reference else []
        line = answers.get(step)
        if line is not None:
            details += _attempt(line)
            if "duration_ms" in line.fields:
                details.append(span(line.fields["duration_ms"]))
            if line.fields.get("express") == []:
                details.append("express path: no further answer in time")
        if step in record.express:
            details.append("express path")
        yield Entry(
            answer.at,
            DOWNSTREAM_OF[step],
            _words(f"{step}: {answer.refusal or 'done'}"),
            " · ".join(details),
            "good" if answer.done else "bad",
        )
    for line in logged:
        if line not in accepting and line not in answers.values() and not _is_news(line):
            yield _line_entry(line)


def _is_news(line: Line) -> bool:
    return line.outcome in [*What]


def _line_entry(line: Line) -> Entry:
    if "message" in line.fields:
        return Entry(line.at, line.function, "Lambda", str(line.fields["message"]), "bad")
    why = line.fields.get("detail") or line.fields.get("error")
    details = [*([str(why)] if why else []), *_attempt(line)]
    details += [
        f"{name} {', '.join(line.fields[name])}"
        for name in ("owed", "sent", "rules")
        if line.fields.get(name)
    ]
    what = f"{line.command}: {line.outcome}" if line.command else line.outcome
    return Entry(line.at, line.function, _words(what), " · ".join(details), line.tone)


def _words(name: str) -> str:
    """Of a name of ours. A parcel's is its fulfilment's, and shown as it is."""
    return name.replace("_", " ")


def _attempt(line: Line) -> list[str]:
    return [f"attempt {line.attempt}"] if line.attempt > 1 else []
