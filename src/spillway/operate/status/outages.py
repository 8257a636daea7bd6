"""Which downstreams do not answer, or not what they are asked, since when, and which ringing alarms
that explains.

A queue's depth says that something waits, not why. The deliveries' lines do: a failed attempt has
the downstream's last answer and the order's age. They are read only while messages are held for
that downstream: on AWS about four requests to FilterLogEvents a minute for each, which are free,
and some more for the ringing alarms. Where good news is sampled, a process that has seen a failure
logs every answer for as long as is looked back here (orders.telemetry).

An order that waits for a downstream that is down is what `always_settles` and `never_half_done`
provide for: commands are retried for a day. So their alarms, which rightly ring, do not mean that
the promise is in danger before most of that day has gone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from infra.alarms import LOGGED_EVERY_SECONDS
from infra.event_sources import OUTAGE_SECONDS_MAX
from infra.metrics import HALF_DONE, UNSETTLED
from orders.domain.saga import DOWNSTREAM_OF, DOWNSTREAMS, ONCE_RESERVED, Downstream, Step
from spillway.operate.logs.reading import Line, lines, trouble_of
from spillway.operate.orders.reading import last_unsettled
from spillway.operate.status.alarms import Alarm
from spillway.operate.status.messages import peek
from spillway.operate.status.parts import Part
from spillway.target.service import Service
from spillway.ui.formatting import clock, counted, date_and_clock

#: A downstream that has many commands to retry fails at one every minute. With few, each of them is
#: retried several times in this (orders.domain.backoff.DELIVER).
RECENT_SECONDS = 60
RETRIED_SECONDS = LOGGED_EVERY_SECONDS + 60
#: On the emulator the orders in more messages are not counted: every page would wait for it.
COUNTED_MAX = 1_000
#: One failed attempt alone is a hiccup.
FAILURES_MIN = 2
#: So many answers between failures are not those that were under way when an outage began.
ANSWERS_BETWEEN_MIN = 3
#: After it has answered again: what waits longer than this waits for its next attempt.
WAITS_SECONDS = 10
#: When an outage has lasted so long, its orders' commands will soon have had their last attempt.
LONG_SECONDS = OUTAGE_SECONDS_MAX * 3 // 4
#: The outcomes of attempts that a downstream let down.
FAILED = ("postponed", "misconfigured")
#: The alarms that an outage rings, with the line's field that they look at.
RUNG_BY_OUTAGES: Mapping[str, str] = {
    "always-settles": UNSETTLED.value.removeprefix("$."),
    "never-half-done": HALF_DONE.value.removeprefix("$."),
}

_HALF_DONE = RUNG_BY_OUTAGES["never-half-done"]


@dataclass(frozen=True, slots=True)
class Outage:
    """A downstream that has done nothing since `since`, and the `trouble` of the last attempt, at
    `tried_at`. `misconfigured`: its answer was not about the order, so somebody must fix something.
    `orders` is how many wait for it, at the least unless `exact`. `answers_since`: it
    has answered again, and they wait for their next attempt. `partial`: it answers others. Times
    are Unix milliseconds."""

    downstream: Downstream
    since: int
    tried_at: int
    trouble: str
    orders: int
    exact: bool
    answers_since: int | None = None
    partial: bool = False
    misconfigured: bool = False

    @property
    def answers(self) -> bool:
        """Some requests, or all of them again."""
        return self.answers_since is not None or self.partial

    @property
    def sentence(self) -> str:
        """Without the figure, which changes all the time."""
        name = self.downstream.capitalize()
        if self.answers_since is not None:
            again = clock(self.answers_since)[:8]
            return f"{name} answers again since {again} UTC; nothing is lost."
        what = "has not answered" if not self.partial else "fails some attempts"
        if self.misconfigured:
            what = "takes no order" if not self.partial else "turns some orders away"
        since, tried = date_and_clock(self.since), date_and_clock(self.tried_at)
        if since[:10] == tried[:10]:
            since = since[11:]
        fix = "; its key, its address or it needs a fix" if self.misconfigured else ""
        return f"{name} {what} since {since} ({self.trouble}){fix}; nothing is lost."

    @property
    def waiting(self) -> str:
        waits = "waits" if self.orders == 1 else "wait"
        number = counted(self.orders, "order") if self.exact else f"{self.orders:,} orders or more"
        if self.answers:
            return f"{number} {waits} for {self.downstream}'s next attempt, within 3 minutes."
        goes = "goes" if self.orders == 1 else "go"
        when = "that is done" if self.misconfigured else "it answers"
        return f"{number} {waits} for {self.downstream} and {goes} on when {when}."

    def is_long(self, now: float) -> bool:
        """Its orders' commands will soon be dead letters. `now` is Unix seconds."""
        return not self.answers and now - self.since / 1000 >= LONG_SECONDS


def read_outages(
    service: Service, parts: Iterable[Part], now: float, before: Iterable[Outage] = ()
) -> list[Outage]:
    """Of the downstreams that messages are held for. `now` is Unix seconds. `before`: what an
    earlier look found."""
    held = {part.name.removeprefix("deliver-"): part.held for part in parts}
    known = {outage.downstream: outage.since for outage in before if not outage.answers}
    found = (
        _read(service, name, held[name], now, known.get(name))
        for name in DOWNSTREAMS
        if held.get(name)
    )
    return [outage for outage in found if outage is not None]


def _read(
    service: Service, downstream: Downstream, held: int, now: float, known_since: int | None
) -> Outage | None:
    function = f"deliver-{downstream}"

    def logged(outcome: str, seconds: float, without: str | None = None) -> list[Line]:
        since = int((now - seconds) * 1000)
        named = (function,)
        found = lines(service, since=since, term=outcome, without=without, functions=named).lines
        return [line for line in found if line.outcome == outcome]

    def attempts(seconds: float) -> list[Line]:
        return [line for outcome in FAILED for line in logged(outcome, seconds)]

    failed = attempts(RECENT_SECONDS)
    if len(failed) < FAILURES_MIN:
        failed = attempts(RETRIED_SECONDS)
    if not failed:
        return None
    # Its last answer may be older than what was read, but hardly than the oldest order that waits.
    waits = min(line.at - _age_ms(line) for line in failed)
    reach = min(now - waits / 1000 + 1, RETRIED_SECONDS)
    # Each failure has the field half_done_s: thousands of them would leave no room for answers.
    answered = [*logged("done", reach, _HALF_DONE), *logged("refused", reach, _HALF_DONE)]
    answered += _answered_by_express(service, downstream, int((now - reach) * 1000))
    if service.emulator is None or held > COUNTED_MAX:
        return outage_of(downstream, failed, answered, held, known_since=known_since)
    orders = {key for message in peek(service, downstream) for key in message.orders}
    return outage_of(downstream, failed, answered, len(orders), exact=True, known_since=known_since)


def _answered_by_express(service: Service, downstream: Downstream, since: int) -> list[Line]:
    """What it has answered inventory's delivery on the express path. Of the steps that it was asked
    for there and has not answered, nothing is logged: its own queue brings them to it."""
    found: list[Line] = []
    for step in ONCE_RESERVED:
        if DOWNSTREAM_OF[step] == downstream:
            read = lines(service, since=since, term=step, functions=("deliver-inventory",)).lines
            found += [
                replace(line, fields={**line.fields, "command": step})
                for line in read
                if step in (line.fields.get("express") or ())
            ]
    return found


def outage_of(
    downstream: Downstream,
    failed: Iterable[Line],
    answered: Iterable[Line],
    waiting: int,
    *,
    exact: bool = False,
    known_since: int | None = None,
) -> Outage | None:
    """What a delivery's lines of the last minutes say; None where it answers. Pure.

    `known_since`: when the outage of an earlier look began (Unix ms).
    """
    ends = {(line.fields.get("order_id"), line.command): line.at for line in answered}
    last_answer = max(ends.values(), default=0)
    about = [line for line in failed if trouble_of(line) is not None]
    open_ = [
        line for line in about if ends.get((line.fields.get("order_id"), line.command), 0) < line.at
    ]
    if not open_ or not waiting:
        return None
    last = max(about, key=lambda line: line.at)
    trouble = trouble_of(last) or ""
    to_fix = last.outcome == "misconfigured"
    since_answer = [line for line in open_ if line.at > last_answer]
    if len(since_answer) >= FAILURES_MIN:
        # Of the time before the lines that were read, its orders' ages tell.
        since = max(last_answer, min(line.at - _age_ms(line) for line in since_answer))
        if known_since is not None and known_since >= last_answer:
            since = min(since, known_since)
        return Outage(downstream, since, last.at, trouble, waiting, exact, misconfigured=to_fix)
    late = [line for line in open_ if _age_ms(line) >= WAITS_SECONDS * 1000]
    if last_answer and late:
        first = min(line.at for line in about)
        begun = first + WAITS_SECONDS * 1000
        if sum(begun < at < last.at for at in ends.values()) >= ANSWERS_BETWEEN_MIN:
            return Outage(
                downstream,
                first,
                last.at,
                trouble,
                waiting,
                exact,
                partial=True,
                misconfigured=to_fix,
            )
        back = min((at for at in ends.values() if at > last.at), default=last_answer)
        return Outage(downstream, first, last.at, trouble, waiting, exact, back)
    return None


def _age_ms(line: Line) -> int:
    return int(line.fields.get("unsettled_s", 0)) * 1000


def explained(
    service: Service, alarms: Iterable[Alarm], outages: Sequence[Outage], now: float
) -> frozenset[str]:
    """The ringing alarms that only orders have rung which wait for a downstream in an outage, or
    have settled since: an alarm rings for half an hour after that.

    Not where an outage has lasted so long that its orders' commands will soon be dead letters.
    """
    ringing = [alarm for alarm in alarms if alarm.rings and alarm.name in RUNG_BY_OUTAGES]
    if not ringing or any(outage.is_long(now) for outage in outages):
        return frozenset()
    since = int((now - 2 * LOGGED_EVERY_SECONDS) * 1000)
    unsettled = last_unsettled(service, since, UNSETTLED.functions).lines
    down = {outage.downstream for outage in outages}
    return frozenset(alarm.name for alarm in ringing if is_explained(alarm, unsettled, down))


def is_explained(alarm: Alarm, unsettled: Iterable[Line], down: Collection[Downstream]) -> bool:
    """Whether each order that rings the alarm waits for nothing but downstreams in `down`. Pure."""
    field = RUNG_BY_OUTAGES[alarm.name]
    rings = (line for line in unsettled if line.fields.get(field, 0) >= alarm.threshold)
    return all(_waits_for(line) <= set(down) for line in rings)


def _waits_for(line: Line) -> set[Downstream]:
    """From a line of the watchdog's, or of a delivery's."""
    steps = line.fields.get("owed") or [line.command]
    return {DOWNSTREAM_OF[Step(step)] for step in steps if step is not None}
