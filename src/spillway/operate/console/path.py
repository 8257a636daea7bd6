"""What the live path shows: each part with its numbers, each promise with its state. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from orders.domain.promises import Promise
from orders.domain.saga import DOWNSTREAMS
from spillway.operate.console.status import Status
from spillway.operate.status.alarms import Alarm
from spillway.operate.status.history import Sample
from spillway.operate.status.parts import DEAD_LETTERS_OF, Part
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

_DOES = {
    "intake": "accepts orders: one write",
    "drain": "stores orders from the overflow queue",
    "relay": "sends a command for each owed step",
    "deliver-inventory": "reserve, release",
    "deliver-fulfilment": "ship, cancel, recall",
    "deliver-accounting": "post, refund",
    "watchdog": "checks each order later",
    "reads": "shows customers their orders",
}


@dataclass(frozen=True, slots=True)
class Box:
    """One part as it is drawn.

    `oldest` is a formatted age, "" where nothing waits. `dead_letters_of` is the queue that its
    dead letters came from, None where it has none. `spark` are the points of an SVG polyline, ""
    where nothing has waited lately.
    """

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
    def in_flight(self) -> int:
        return 0 if self.part.queue is None else self.part.queue.in_flight

    @property
    def later(self) -> int:
        return 0 if self.part.queue is None else self.part.queue.delayed


@dataclass(frozen=True, slots=True)
class PromiseRow:
    """`reason` is the alarm's own; `since` is Unix milliseconds, None if unknown."""

    promise: Promise
    meaning: str
    state: PromiseState
    reason: str
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
    no_data = _NO_DATA if status.faults is None else _NO_DATA_HERE
    rows = [_promise_row(promise, status.alarms, no_data) for promise in Promise]
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


def _promise_row(promise: Promise, alarms: Iterable[Alarm], no_data: str) -> PromiseRow:
    alarm = next((alarm for alarm in alarms if alarm.promise is promise), None)
    if alarm is None:
        missing = "This stage has no alarm for it: deploy its operations stack."
        return PromiseRow(promise, MEANINGS[promise], "not known", missing, None, None)
    state: PromiseState = {"OK": "kept", "ALARM": "in danger"}.get(alarm.state, "not known")  # type: ignore[assignment]
    since = None if alarm.since is None else int(alarm.since.timestamp() * 1000)
    reason = {"in danger": alarm.reason, "not known": no_data}.get(state, "")
    return PromiseRow(promise, MEANINGS[promise], state, reason, since, alarm.runbook)


def _headline(
    rows: Sequence[PromiseRow],
    endangered: Sequence[PromiseRow],
    ringing: Sequence[Alarm],
    dead_letters: int,
) -> str:
    """A sentence that changes only when something happens, because screen readers read it out."""
    sentences = []
    if endangered:
        sentences.append("In danger: " + ", ".join(row.promise.value for row in endangered) + ".")
    elif all(row.state == "not known" for row in rows):
        sentences.append("No promise has been measured yet.")
    else:
        sentences.append("Every promise is kept.")
    if dead_letters:
        sentences.append("There are dead letters.")
    elif ringing and not endangered:
        sentences.append("Ringing: " + ", ".join(alarm.name for alarm in ringing) + ".")
    return " ".join(sentences)


def fault_labels(faults: Mapping[str, Any]) -> list[str]:
    """A downstream's fault settings, in words."""
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
