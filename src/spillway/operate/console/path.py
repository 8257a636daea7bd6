"""What the live path shows: each part with its numbers, each promise with its state. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from orders.domain.promises import Promise
from spillway.operate.status.alarms import Alarm
from spillway.operate.status.parts import Part
from spillway.operate.status.state import Status
from spillway.ui.formatting import age

Tone = Literal["calm", "busy", "warn", "bad"]
PromiseState = Literal["kept", "in danger", "not known"]

MEANINGS: Mapping[Promise, str] = {
    Promise.ACKNOWLEDGED_IS_DURABLE: "Every acknowledged order is stored.",
    Promise.ONE_ORDER_PER_ID: "An order that is sent several times is one order.",
    Promise.ONE_EFFECT_PER_STEP: "One reservation, one shipment, one posting, one refund.",
    Promise.ALWAYS_SETTLES: "Every order reaches a final state without help.",
    Promise.NEVER_HALF_DONE: "A final state agrees with all three downstreams.",
    Promise.OWN_ORDERS_ONLY: "Customers see and cancel only their own orders.",
    Promise.FAILURE_STAYS_LOCAL: "A downstream that is down delays only its own step.",
    Promise.ZERO_IDLE: "Without orders, nothing runs.",
}

#: A queue with an older message is behind: a healthy queue is empty within seconds.
SLOW_SECONDS = 10
SPARK_SAMPLES = 60
SPARK_WIDTH, SPARK_HEIGHT = 120, 24

_NO_DATA = "Its alarm has no data yet."
_NO_DATA_HERE = "Measured on AWS only, not on this machine."


@dataclass(frozen=True, slots=True)
class Box:
    """One part as it is drawn.

    `oldest` is a formatted age, "" where nothing waits. `spark` are the points of an SVG polyline,
    "" where nothing has waited lately.
    """

    part: Part
    tone: Tone
    oldest: str
    spark: str


@dataclass(frozen=True, slots=True)
class PromiseRow:
    """`alarm` is the promise's own, None where the stage has none."""

    promise: Promise
    alarm: Alarm | None
    state: PromiseState
    reason: str

    @property
    def meaning(self) -> str:
        return MEANINGS[self.promise]


@dataclass(frozen=True, slots=True)
class PathView:
    boxes: Mapping[str, Box]
    promises: Sequence[PromiseRow]
    headline: str
    tone: Tone


def path_view(status: Status, samples: Sequence[Status]) -> PathView:
    boxes = {part.name: _box(part, samples) for part in status.parts}
    no_data = _NO_DATA if status.faults is None else _NO_DATA_HERE
    rows = [_promise_row(*promise, no_data) for promise in status.promises.items()]
    endangered = [row.promise for row in rows if row.state == "in danger"]
    tone: Tone = "warn" if status.ringing else "calm"
    if endangered or status.dead_letters:
        tone = "bad"
    return PathView(boxes, rows, _headline(status, rows, endangered), tone)


def _box(part: Part, samples: Sequence[Status]) -> Box:
    oldest = "" if part.oldest_seconds is None else age(part.oldest_seconds)
    shown = oldest if part.held or part.name == "relay" else ""
    return Box(part, _tone(part), shown, _spark(part.name, samples))


def _tone(part: Part) -> Tone:
    if part.dead_letters or part.errors:
        return "bad"
    # The watchdog's messages are for later by design.
    slow = (part.oldest_seconds or 0) > SLOW_SECONDS and part.name != "watchdog"
    if slow and (part.held or part.name == "relay"):
        return "warn"
    return "busy" if part.held or part.runs else "calm"


def _spark(name: str, samples: Sequence[Status]) -> str:
    waited = [
        part.held
        for sample in list(samples)[-SPARK_SAMPLES:]
        for part in sample.parts
        if part.name == name
    ]
    highest = max(waited, default=0)
    if not highest or len(waited) < 2:
        return ""
    step = SPARK_WIDTH / (SPARK_SAMPLES - 1)
    first = SPARK_WIDTH - step * (len(waited) - 1)
    points = (
        f"{first + step * n:.1f},{SPARK_HEIGHT - 1 - (SPARK_HEIGHT - 2) * count / highest:.1f}"
        for n, count in enumerate(waited)
    )
    return " ".join(points)


def _promise_row(promise: Promise, alarm: Alarm | None, no_data: str) -> PromiseRow:
    if alarm is None:
        missing = "This stage has no alarm for it: deploy its operations stack."
        return PromiseRow(promise, None, "not known", missing)
    if alarm.rings:
        return PromiseRow(promise, alarm, "in danger", alarm.reason)
    if alarm.state == "OK":
        return PromiseRow(promise, alarm, "kept", "")
    return PromiseRow(promise, alarm, "not known", no_data)


def _headline(status: Status, rows: Iterable[PromiseRow], endangered: Sequence[Promise]) -> str:
    """A sentence that changes only when something happens, because screen readers read it out."""
    if endangered:
        sentence = f"In danger: {', '.join(endangered)}."
    elif all(row.state == "not known" for row in rows):
        sentence = "No promise has been measured yet."
    else:
        sentence = "Every promise is kept."
    if status.dead_letters:
        return f"{sentence} There are dead letters."
    if status.ringing and not endangered:
        return f"{sentence} Ringing: {', '.join(alarm.name for alarm in status.ringing)}."
    return sentence
