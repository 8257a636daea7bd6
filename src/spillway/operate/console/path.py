"""What the live path shows: each part with its numbers, each promise with its state. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from orders.domain.book import Coupon
from orders.domain.promises import Promise
from spillway.operate.status.alarms import Alarm
from spillway.operate.status.history import with_gaps
from spillway.operate.status.parts import Part, dead_letters_by_source
from spillway.operate.status.state import Status
from spillway.ui.formatting import age, counted

Tone = Literal["calm", "busy", "warn", "bad"]

MEANINGS: Mapping[Promise, str] = {
    Promise.ACKNOWLEDGED_IS_DURABLE: "Every acknowledged order is stored.",
    Promise.ONE_ORDER_PER_ID: "An order that is sent several times is one order.",
    Promise.ONE_EFFECT_PER_STEP: "One reservation, one shipment, one posting, one refund.",
    Promise.ALWAYS_SETTLES: "Every order reaches a final state without help.",
    Promise.NEVER_HALF_DONE: "A final state agrees with all three downstreams.",
    Promise.OWN_ORDERS_ONLY: "Customers see and cancel only their own orders.",
    Promise.FAILURE_STAYS_LOCAL: "A downstream that is down delays only its own step.",
    Promise.ZERO_IDLE: "Without orders, nothing runs.",
    Promise.PRICED_BY_THE_STORE: "Every order costs what the store says.",
    Promise.COUPON_WITHIN_LIMITS: "A limited coupon is used no more often than it may be.",
    Promise.PAID_IS_ORDERED_OR_REFUNDED: "Each payment is ordered, or goes back.",
}

#: A queue with an older message is behind: a healthy queue is empty within seconds.
SLOW_SECONDS = 10
SPARK_SAMPLES = 60
SPARK_WIDTH, SPARK_HEIGHT = 120, 24


def shown_age(part: Part) -> str:
    """The age of the oldest message, "" where nothing waits."""
    waits = part.held or part.name == "relay"
    return age(part.oldest_seconds) if waits and part.oldest_seconds is not None else ""


def tone(part: Part) -> Tone:
    if part.dead_letters or part.errors or part.stopped:
        return "bad"
    # The watchdog's messages are for later by design.
    slow = (part.oldest_seconds or 0) > SLOW_SECONDS and part.name != "watchdog"
    if slow and (part.held or part.name == "relay"):
        return "warn"
    return "busy" if part.held or part.runs else "calm"


def spark(name: str, samples: Sequence[Status], pause_seconds: float) -> str:
    """The path of an SVG line over the last `SPARK_SAMPLES` pauses, "" where nothing has waited.

    It has a gap where no sample was taken, which is while no page was open.
    """
    lasts = SPARK_SAMPLES * pause_seconds
    until = samples[-1].at if samples else 0.0
    latest = [sample for sample in samples if sample.at > until - lasts]
    waited = [
        (sample.at, float(part.held))
        for sample in latest
        for part in sample.parts
        if part.name == name
    ]
    highest = max((held for _, held in waited), default=0.0)
    if not highest or len(waited) < 2:
        return ""
    drawn, pen = [], "M"
    for at, held in with_gaps(waited, apart=3 * pause_seconds):
        if held is None:
            pen = "M"
            continue
        x = SPARK_WIDTH * (1 - (until - at) / lasts)
        y = SPARK_HEIGHT - 1 - (SPARK_HEIGHT - 2) * held / highest
        drawn.append(f"{pen}{x:.1f},{y:.1f}")
        pen = "L"
    return "".join(drawn)


def limits(coupon: Coupon) -> str:
    """Who gets a limited coupon."""
    parts = (
        (f"the first {coupon.limit or 0:,}", coupon.limit is not None),
        ("each customer once", coupon.once_per_customer),
        ("each code once", coupon.single_use_codes),
    )
    return ", ".join(text for text, holds in parts if holds)


def headline(status: Status) -> tuple[Tone, str]:
    """A sentence that changes only when something happens, because screen readers read it out.

    Red is for a promise that is broken or about to be. A downstream that is down is what the
    promises provide for.
    """
    kept = {promise: alarm and alarm.kept for promise, alarm in status.promises.items()}
    endangered = [
        promise
        for promise, alarm in status.promises.items()
        # A dead letter is said as one: it may be of no order, and of no coupon.
        if alarm and status.endangers(alarm) and not alarm.counts_dead_letters
    ]
    others = [alarm.name for alarm in status.other_alarms if alarm.rings]
    dead = status.dead_letters
    sentences = [
        *([f"In danger: {', '.join(endangered)}."] if endangered else []),
        *(str(part.stopped) for part in status.stopped),
        *([needed(dead_letters_by_source(status.parts))] if dead else []),
        *(outage.sentence for outage in status.outages),
    ]
    if not any(state is not None for state in kept.values()):
        sentences.append("No promise has been measured yet.")
    elif not sentences:
        sentences.append("Every promise is kept.")
    if others and not dead:
        sentences.append(f"Ringing: {', '.join(others)}.")
    tone: Tone = "calm"
    if endangered or status.stopped:
        tone = "bad"
    elif status.outages or others or dead:
        tone = "warn"
    return tone, " ".join(sentences)


def needed(dead_letters: Mapping[str, int]) -> str:
    """`dead_letters`: how many, by the queue that they came from."""
    holding = {name: count for name, count in dead_letters.items() if count}
    total = sum(holding.values())
    *others, last = holding
    names = f"{', '.join(others)} and {last}" if others else last
    needs = "needs" if total == 1 else "need"
    return f"{counted(total, 'failed message')} of {names} {needs} your attention."


def figures(status: Status) -> str:
    """What belongs to the headline and changes all the time."""
    return " ".join(outage.waiting for outage in status.outages)


#: A promise's state, and what it is called.
State = Literal["kept", "delayed", "in danger", "not known"]


def state(status: Status, alarm: Alarm | None) -> State:
    """Delayed: its orders wait for a downstream that is down, and go on when it is back."""
    if alarm is None or alarm.kept is None:
        return "not known"
    if status.endangers(alarm):
        return "in danger"
    return "delayed" if alarm.rings and status.outages else "kept"


def reason(status: Status, alarm: Alarm) -> str:
    """Why it rings, for people; `alarm.reason` has CloudWatch's figures."""
    if status.endangers(alarm):
        return alarm.meaning or alarm.reason
    names = " and ".join(outage.downstream for outage in status.outages)
    if not names:
        return "The orders that rang it have settled. It is over within half an hour."
    return f"Its orders wait for {names}, and go on by themselves: you need do nothing."
