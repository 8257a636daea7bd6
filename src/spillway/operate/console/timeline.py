"""One order's life as it is drawn: a lane for each step, and what happened in the order of time.

Pure. Times are Unix milliseconds; places are shares of the drawing's width, 0 to 1000.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from orders.domain.saga import DOWNSTREAM_OF, Facts, Step, owed
from orders.domain.status import cancellation_outcome
from spillway.operate.logs import Line
from spillway.operate.orders import Life
from spillway.ui.formatting import age, milliseconds

WIDTH = 1000
#: In the order of an order's way.
_STEPS = tuple(Step)
_WELL = frozenset({"done", "refused"})
#: What the order's own record says as well.
_IS_THE_FACT = frozenset({"accepted", "placed"})
_TICKS = 4

MarkKind = Literal["again", "done", "refused", "dead"]


@dataclass(frozen=True, slots=True)
class Mark:
    """A try of a step, at `x`."""

    x: float
    kind: MarkKind
    told: str


@dataclass(frozen=True, slots=True)
class Lane:
    """One step, from when it was owed to its outcome, or to now."""

    step: str
    downstream: str
    state: Literal["done", "refused", "owed"]
    x: float
    width: float
    marks: Sequence[Mark]
    told: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. `tone` is how it went."""

    at: int
    after: str
    who: str
    what: str
    detail: str
    tone: Literal["good", "plain", "again", "bad"]


@dataclass(frozen=True, slots=True)
class Timeline:
    """`ticks` are labels of the time axis, at equal distances from 0 to the right end."""

    lanes: Sequence[Lane]
    entries: Sequence[Entry]
    ticks: Sequence[str]
    lasted: str


def timeline(life: Life, now: int) -> Timeline:
    """`now` is Unix milliseconds: where an order that has not settled ends."""
    times = [at for at in (life.record.changed_at, *(line.at for line in life.said.lines)) if at]
    began = life.record.accepted_at or min(times, default=now)
    ended = max([*times, began + 1]) if life.summary.settled else max(now, began + 1)
    scale = _Scale(began, ended)
    return Timeline(
        [_lane(life, step, scale) for step in _steps_of(life)],
        sorted(_entries(life, began), key=lambda entry: entry.at),
        [_duration((ended - began) * n / _TICKS) for n in range(_TICKS + 1)],
        _duration(ended - began),
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    began: int
    ended: int

    def x(self, at: int) -> float:
        share = (at - self.began) / (self.ended - self.began)
        return round(min(1.0, max(0.0, share)) * WIDTH, 1)


def _steps_of(life: Life) -> list[Step]:
    seen = {*life.record.facts.outcomes, *(Step(name) for name in life.summary.owed)}
    return [step for step in _STEPS if step in seen]


def _lane(life: Life, step: Step, scale: _Scale) -> Lane:
    tries = [line for line in life.said.lines if line.fields.get("command") == step.value]
    outcome = life.record.facts.outcomes.get(step)
    ended = scale.ended if outcome is None else outcome.at
    # A step that was done out of turn (facts may come late) has only its outcome.
    began = min(_owed_since(life.record.facts, scale.began).get(step, ended), ended)
    x = scale.x(began)
    marks = [_mark(line, scale) for line in tries if line.outcome not in _WELL]
    if outcome is not None:
        kind: MarkKind = "done" if outcome.done else "refused"
        marks.append(Mark(scale.x(outcome.at), kind, outcome.refusal or "done"))
    state = "owed" if outcome is None else "done" if outcome.done else "refused"
    return Lane(
        step.value,
        DOWNSTREAM_OF[step],
        state,  # type: ignore[arg-type]
        x,
        max(3.0, scale.x(ended) - x),
        marks,
        _told(life, step, began, ended),
    )


def _owed_since(facts: Facts, began: int) -> dict[Step, int]:
    """When each step came to be owed: with which of the facts, told one after the other."""
    since = dict.fromkeys(owed(Facts()), began)
    for at, known in _growing(facts):
        for step in owed(known):
            since.setdefault(step, at)
    return since


def _growing(facts: Facts) -> Iterator[tuple[int, Facts]]:
    """The facts as they became known, one more each time."""
    times = [outcome.at for outcome in facts.outcomes.values()]
    if facts.cancellation is not None:
        times.append(facts.cancellation.at)
    for until in sorted(times):
        outcomes = {step: one for step, one in facts.outcomes.items() if one.at <= until}
        wish = facts.cancellation
        yield until, Facts(outcomes, wish if wish is not None and wish.at <= until else None)


def _told(life: Life, step: Step, began: int, ended: int) -> str:
    tries = life.attempts.get(step.value, 0)
    lasted = _duration(ended - began)
    outcome = life.record.facts.outcomes.get(step)
    counted = f", {tries} tries" if tries > 1 else ""
    if outcome is None:
        return f"owed for {lasted}{counted}"
    return f"{outcome.refusal or 'done'} after {lasted}{counted}"


def _mark(line: Line, scale: _Scale) -> Mark:
    dead = line.outcome in ("set_aside", "contradicted")
    tries = line.fields.get("attempt", 1)
    why = line.fields.get("detail") or line.fields.get("error") or line.outcome
    return Mark(scale.x(line.at), "dead" if dead else "again", f"try {tries}: {why}")


def _entries(life: Life, began: int) -> Iterable[Entry]:
    record = life.record
    if record.accepted_at is not None:
        by = next((line.function for line in life.said.lines if line.outcome in _IS_THE_FACT), "")
        yield Entry(record.accepted_at, "0 ms", by or "orders table", "accepted", "", "good")
    wish = record.facts.cancellation
    if wish is not None:
        outcome = cancellation_outcome(record.facts)
        after = _duration(wish.at - began)
        yield Entry(wish.at, after, "customer", "asked to cancel", f"outcome: {outcome}", "plain")
    told = {
        line.fields["command"]: line
        for line in life.said.lines
        if line.outcome in _WELL and "command" in line.fields
    }
    for step, outcome_of in record.facts.outcomes.items():
        yield Entry(
            outcome_of.at,
            _duration(outcome_of.at - began),
            DOWNSTREAM_OF[step],
            f"{step.value}: {outcome_of.refusal or 'done'}",
            _how(told.get(step.value), outcome_of.reference),
            "good" if outcome_of.done else "bad",
        )
    for line in life.said.lines:
        if line not in told.values() and not (record.stored and line.outcome in _IS_THE_FACT):
            yield _said(line, began)


def _how(line: Line | None, reference: str | None) -> str:
    told = [] if reference is None else [reference]
    if line is not None:
        if line.fields.get("attempt", 1) > 1:
            told.append(f"try {line.fields['attempt']}")
        if "duration_ms" in line.fields:
            told.append(milliseconds(line.fields["duration_ms"]))
    return " · ".join(told)


def _said(line: Line, began: int) -> Entry:
    after = _duration(line.at - began)
    if "message" in line.fields:
        return Entry(line.at, after, line.function, "Lambda", str(line.fields["message"]), "bad")
    command = line.fields.get("command")
    detail = line.fields.get("detail") or line.fields.get("error") or ""
    facts = [str(detail)] if detail else []
    if line.fields.get("attempt", 1) > 1:
        facts.append(f"try {line.fields['attempt']}")
    facts += [
        f"{name} {', '.join(line.fields[name])}"
        for name in ("owed", "sent", "rules")
        if line.fields.get(name)
    ]
    what = line.outcome.replace("_", " ")
    return Entry(
        line.at,
        after,
        line.function,
        f"{command}: {what}" if command else what,
        " · ".join(facts),
        _TONES.get(line.outcome, "plain"),
    )


_TONES: dict[str, Literal["good", "plain", "again", "bad"]] = {
    "postponed": "again",
    "unavailable": "again",
    "stuck": "again",
    "set_aside": "bad",
    "contradicted": "bad",
    "bug": "bad",
}


def _duration(span: float) -> str:
    if abs(span) < 10_000:
        return f"{span:,.0f} ms" if abs(span) < 1_000 else f"{span / 1000:.1f} s"
    return age(span / 1000)
