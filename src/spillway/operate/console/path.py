"""What the live path shows: each part with its figures, each promise with its state. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from orders.domain.promises import Promise
from orders.domain.saga import DOWNSTREAMS
from spillway.operate.alarms import Alarm
from spillway.operate.console.status import Status
from spillway.operate.history import Sample
from spillway.operate.parts import DEAD_LETTERS_OF, Part
from spillway.ui.formatting import age

Tone = Literal["calm", "busy", "warn", "bad"]
PromiseState = Literal["kept", "in danger", "not known"]

MEANINGS: Mapping[Promise, str] = {
    Promise.ACKNOWLEDGED_IS_DURABLE: "An order that was answered as accepted is on record.",
    Promise.ONE_ORDER_PER_ID: "Sent any number of times, it is one order.",
    Promise.ONE_EFFECT_PER_STEP: "One reservation, one shipment, one posting, one refund.",
    Promise.ALWAYS_SETTLES: "Every order reaches a final state by itself.",
    Promise.NEVER_HALF_DONE: "A final state agrees with all three downstreams.",
    Promise.OWN_ORDERS_ONLY: "Customers see and cancel only their own orders.",
    Promise.FAILURE_STAYS_LOCAL: "A downstream that is down delays only its own step.",
    Promise.ZERO_IDLE: "Without orders, nothing runs.",
}

#: Older than this, what waits is behind: a healthy queue is worked off within seconds.
SLOW_SECONDS = 10
SPARK_SAMPLES = 60
SPARK_WIDTH, SPARK_HEIGHT = 120, 24

_UNHEARD = "Its alarm has heard nothing yet."
_UNHEARD_HERE = "Nobody measures this on one machine; AWS does."

_DOES = {
    "intake": "takes an order in: one write",
    "drain": "places what the table would not take",
    "relay": "sends what each change owes",
    "deliver-inventory": "reserve, release",
    "deliver-fulfilment": "ship, cancel, recall",
    "deliver-accounting": "post, refund",
    "watchdog": "looks at each order once more",
    "reads": "a customer's own orders",
}


@dataclass(frozen=True, slots=True)
class Box:
    """One part as it is drawn. `oldest` is told in words, "" where nothing waits. `dead_letters_of`
    is whose dead letters they are, None where the part has none. `spark` are an SVG polyline's
    points, "" where nothing waited in the last while."""

    name: str
    does: str
    part: Part
    tone: Tone
    oldest: str
    dead_letters_of: str | None
    spark: str

    @property
    def waiting(self) -> int:
        return 0 if self.part.queue is None else self.part.queue.visible

    @property
    def tried(self) -> int:
        return 0 if self.part.queue is None else self.part.queue.in_flight

    @property
    def later(self) -> int:
        return 0 if self.part.queue is None else self.part.queue.delayed


@dataclass(frozen=True, slots=True)
class PromiseRow:
    """`told` is the alarm's own reason, in words; `since` Unix milliseconds, None if unknown."""

    promise: Promise
    meaning: str
    state: PromiseState
    told: str
    since: int | None
    runbook: str | None


@dataclass(frozen=True, slots=True)
class PathView:
    boxes: Mapping[str, Box]
    promises: Sequence[PromiseRow]
    other_alarms: Sequence[Alarm]
    dead_letters: int
    headline: str
    tone: Tone


def path_view(status: Status, samples: Sequence[Sample]) -> PathView:
    boxes = {part.name: _box(part, samples) for part in status.parts}
    nothing_heard = _UNHEARD if status.faults is None else _UNHEARD_HERE
    rows = [_promise_row(promise, status.alarms, nothing_heard) for promise in Promise]
    dead_letters = sum(part.dead_letters for part in status.parts)
    ringing = [alarm for alarm in status.alarms if alarm.state == "ALARM"]
    endangered = [row for row in rows if row.state == "in danger"]
    return PathView(
        boxes,
        rows,
        [alarm for alarm in ringing if alarm.promise is None],
        dead_letters,
        _headline(rows, endangered, ringing, dead_letters),
        "bad" if endangered or dead_letters else "warn" if ringing else "calm",
    )


def _box(part: Part, samples: Sequence[Sample]) -> Box:
    oldest = "" if part.oldest_seconds is None else age(part.oldest_seconds)
    waits = part.queue is not None and part.queue.visible + part.queue.in_flight > 0
    return Box(
        part.name,
        _DOES[part.name],
        part,
        _tone(part, waits=waits),
        oldest if waits or part.name == "relay" else "",
        DEAD_LETTERS_OF.get(part.name),
        _spark(part.name, samples),
    )


def _tone(part: Part, *, waits: bool) -> Tone:
    if part.dead_letters or part.errors:
        return "bad"
    # The watchdog's messages are for later by design.
    slow = (part.oldest_seconds or 0) > SLOW_SECONDS and part.name != "watchdog"
    if slow and (waits or part.name == "relay"):
        return "warn"
    return "busy" if waits or part.runs else "calm"


def _spark(name: str, samples: Sequence[Sample]) -> str:
    waited = [
        part.queue.visible + part.queue.in_flight
        for sample in list(samples)[-SPARK_SAMPLES:]
        for part in sample.parts
        if part.name == name and part.queue is not None
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


def _promise_row(promise: Promise, alarms: Iterable[Alarm], nothing_heard: str) -> PromiseRow:
    alarm = next((alarm for alarm in alarms if alarm.promise is promise), None)
    if alarm is None:
        told = "This stage has no alarm for it: deploy its operations stack."
        return PromiseRow(promise, MEANINGS[promise], "not known", told, None, None)
    state: PromiseState = {"OK": "kept", "ALARM": "in danger"}.get(alarm.state, "not known")  # type: ignore[assignment]
    since = None if alarm.since is None else int(alarm.since.timestamp() * 1000)
    told = alarm.reason if state == "in danger" else ""
    if state == "not known":
        told = nothing_heard
    return PromiseRow(promise, MEANINGS[promise], state, told, since, alarm.runbook)


def _headline(
    rows: Sequence[PromiseRow],
    endangered: Sequence[PromiseRow],
    ringing: Sequence[Alarm],
    dead_letters: int,
) -> str:
    """A sentence that changes only when something happens: it is read aloud."""
    told = []
    if endangered:
        told.append("In danger: " + ", ".join(row.promise.value for row in endangered) + ".")
    elif all(row.state == "not known" for row in rows):
        told.append("No promise is known of.")
    else:
        told.append("Every promise is kept.")
    if dead_letters:
        told.append("Dead letters wait for you.")
    elif ringing and not endangered:
        told.append("Ringing: " + ", ".join(alarm.name for alarm in ringing) + ".")
    return " ".join(told)


def fault_words(faults: Mapping[str, Any]) -> list[str]:
    """What is wrong with a downstream on purpose, in words."""
    return [_FAULTS[name](value) for name, value in faults.items() if name in _FAULTS]


_FAULTS: Mapping[str, Callable[[Any], str]] = {
    "outage": lambda _: "outage",
    "latency_ms": lambda value: f"{value:,} ms slow",
    "error_rate": lambda value: f"{value:.0%} errors",
    "lose_answers_rate": lambda value: f"{value:.0%} answers lost",
    "idempotency_keys": lambda _: "no idempotency keys",
    "refuse_rate": lambda value: f"{value:.0%} refused",
    "refuse_skus": lambda value: (
        f"{len(value)} empty shelves" if len(value) > 1 else "1 empty shelf"
    ),
    "too_late": lambda _: "too late to cancel",
    "dispatch_after_ms": lambda value: f"leaves after {value:,} ms",
}

#: How the boxes are connected, for the lines between them.
LINKS: Sequence[tuple[str, str]] = (
    ("intake", "table"),
    ("intake", "drain"),
    ("drain", "table"),
    ("table", "reads"),
    ("table", "relay"),
    *(("relay", f"deliver-{downstream}") for downstream in DOWNSTREAMS),
    ("relay", "watchdog"),
    ("relay", "topic"),
    *((f"deliver-{downstream}", downstream) for downstream in DOWNSTREAMS),
)
