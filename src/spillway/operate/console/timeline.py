"""One order's life as it is drawn: a lane for each step, and the events in the order of time.

Pure. Times are Unix milliseconds; positions are on the drawing's width, 0 to 1000.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from orders.domain.saga import DOWNSTREAM_OF, Facts, Step, owed
from orders.domain.status import cancellation_outcome
from spillway.operate.logs.reading import Line
from spillway.operate.orders.reading import Life
from spillway.ui.formatting import duration, milliseconds

WIDTH = 1000
_ANSWERED = frozenset({"done", "refused"})
#: Outcomes that the order's own record has too.
_IS_THE_FACT = frozenset({"accepted", "placed"})
_TICKS = 4

MarkKind = Literal["again", "done", "refused", "dead"]


@dataclass(frozen=True, slots=True)
class Mark:
    """An attempt of a step, at `x`."""

    x: float
    kind: MarkKind
    label: str


@dataclass(frozen=True, slots=True)
class Lane:
    """One step, from when it was owed to its outcome, or to now."""

    step: str
    downstream: str
    state: Literal["done", "refused", "owed"]
    x: float
    width: float
    marks: Sequence[Mark]
    label: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One event. `after` is the time since the order was accepted."""

    at: int
    after: str
    who: str
    what: str
    detail: str
    tone: Literal["good", "plain", "again", "bad"]


@dataclass(frozen=True, slots=True)
class Timeline:
    """`ticks` are the labels of the time axis, at equal distances from 0 to its end."""

    lanes: Sequence[Lane]
    entries: Sequence[Entry]
    ticks: Sequence[str]
    lasted: str


def timeline(life: Life, now: int) -> Timeline:
    """`now` is Unix milliseconds: the end of the axis while the order has not settled."""
    times = [at for at in (life.record.changed_at, *(line.at for line in life.logged.lines)) if at]
    began = life.record.accepted_at or min(times, default=now)
    ended = max([*times, began + 1]) if life.summary.settled else max(now, began + 1)
    scale = _Scale(began, ended)
    return Timeline(
        [_lane(life, step, scale) for step in _steps_of(life)],
        sorted(_entries(life, began), key=lambda entry: entry.at),
        [_span((ended - began) * n / _TICKS) for n in range(_TICKS + 1)],
        _span(ended - began),
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
    return [step for step in Step if step in seen]


def _lane(life: Life, step: Step, scale: _Scale) -> Lane:
    attempts = [line for line in life.logged.lines if line.fields.get("command") == step.value]
    outcome = life.record.facts.outcomes.get(step)
    ended = scale.ended if outcome is None else outcome.at
    # Facts may arrive out of order: such a step has only its outcome.
    began = min(_owed_since(life.record.facts, scale.began).get(step, ended), ended)
    x = scale.x(began)
    marks = [_mark(line, scale) for line in attempts if line.outcome not in _ANSWERED]
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
        _lane_label(life, step, began, ended),
    )


def _owed_since(facts: Facts, began: int) -> dict[Step, int]:
    """When each step became owed, by adding the facts one after the other."""
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
        request = facts.cancellation
        known = request if request is not None and request.at <= until else None
        yield until, Facts(outcomes, known)


def _lane_label(life: Life, step: Step, began: int, ended: int) -> str:
    attempts = life.attempts.get(step.value, 0)
    lasted = _span(ended - began)
    outcome = life.record.facts.outcomes.get(step)
    counted = f", {attempts} attempts" if attempts > 1 else ""
    if outcome is None:
        return f"owed for {lasted}{counted}"
    return f"{outcome.refusal or 'done'} after {lasted}{counted}"


def _mark(line: Line, scale: _Scale) -> Mark:
    kind: MarkKind = "dead" if line.is_dead_letter else "again"
    return Mark(scale.x(line.at), kind, f"attempt {line.attempt}: {line.why}")


def _entries(life: Life, began: int) -> Iterable[Entry]:
    record = life.record
    if record.accepted_at is not None:
        by = next((line.function for line in life.logged.lines if line.outcome in _IS_THE_FACT), "")
        yield Entry(record.accepted_at, "0 ms", by or "orders table", "accepted", "", "good")
    request = record.facts.cancellation
    if request is not None:
        outcome = f"outcome: {cancellation_outcome(record.facts)}"
        after = _span(request.at - began)
        yield Entry(request.at, after, "customer", "requested cancellation", outcome, "plain")
    answers = {
        line.fields["command"]: line
        for line in life.logged.lines
        if line.outcome in _ANSWERED and "command" in line.fields
    }
    for step, outcome_of in record.facts.outcomes.items():
        yield Entry(
            outcome_of.at,
            _span(outcome_of.at - began),
            DOWNSTREAM_OF[step],
            f"{step.value}: {outcome_of.refusal or 'done'}",
            _how(answers.get(step.value), outcome_of.reference),
            "good" if outcome_of.done else "bad",
        )
    for line in life.logged.lines:
        if line not in answers.values() and not (record.stored and line.outcome in _IS_THE_FACT):
            yield _line_entry(line, began)


def _how(line: Line | None, reference: str | None) -> str:
    details = [] if reference is None else [reference]
    if line is not None:
        if line.attempt > 1:
            details.append(f"attempt {line.attempt}")
        if "duration_ms" in line.fields:
            details.append(milliseconds(line.fields["duration_ms"]))
    return " · ".join(details)


def _line_entry(line: Line, began: int) -> Entry:
    after = _span(line.at - began)
    if "message" in line.fields:
        return Entry(line.at, after, line.function, "Lambda", str(line.fields["message"]), "bad")
    command = line.fields.get("command")
    detail = line.fields.get("detail") or line.fields.get("error") or ""
    facts = [str(detail)] if detail else []
    if line.attempt > 1:
        facts.append(f"attempt {line.attempt}")
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
    "dead_lettered": "bad",
    "contradicted": "bad",
    "bug": "bad",
}


def _span(milliseconds_: float) -> str:
    return duration(milliseconds_ / 1000)
