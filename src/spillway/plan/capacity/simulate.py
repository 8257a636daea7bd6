"""A spike: a flow of orders through the service against AWS's limits, step by step.

Orders are a fluid, rates and backlogs instead of single orders, so an hour of 50,000 orders/s takes
seconds. In each step clients send new and refused orders, the API's token bucket and Lambda's
concurrency let some through, the table takes what it can and the rest overflows, relay reads the
stream's shards, deliveries empty the queues, and every recorded fact passes table and stream again.

Stricter than AWS on purpose: the table doubles its throughput only every 30 minutes, though it is
often faster, and bursts beyond that do not count. Left out: cancellations, refusals, reads,
failures (see `spillway chaos`), and the watchdog, which delays nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from orders.domain.saga import DOWNSTREAMS, Downstream
from spillway.plan.capacity.service import RESEND_FIRST_SECONDS, RESEND_MAX_SECONDS, Service
from spillway.plan.limits import limits
from spillway.plan.profile import Profile

#: An order's changes in the stream.
CHANGES = ("order", "reserve", "ship", "post")
_AFTER: Mapping[Downstream, str] = {
    "inventory": "reserve",
    "fulfilment": "ship",
    "accounting": "post",
}

_STEP_FIRST_SECONDS = 0.25
_STEP_FIRST_UNTIL = 90.0
_STEP_SECONDS = 1.0
_STEP_MAX_SECONDS = 60.0
#: A backlog that takes longer than this to work off has a bottleneck.
_BACKLOG_SECONDS = 2.0
_NOTHING = 0.01
#: Clients' jitter is split into so many parts; after so many attempts pauses no longer grow.
_JITTERS = 16
_ATTEMPTS_COUNTED = 8
HORIZON_SECONDS = 60 * 24 * 60 * 60


@dataclass(slots=True)
class Series:
    """A running total over time."""

    seconds: list[float] = field(default_factory=lambda: [0.0])
    totals: list[float] = field(default_factory=lambda: [0.0])

    @property
    def total(self) -> float:
        return self.totals[-1]

    def add(self, second: float, amount: float) -> None:
        """So much more until this second."""
        self.seconds.append(second)
        self.totals.append(self.total + amount)

    def when(self, nth: float) -> float:
        """The second at which the nth has passed."""
        place = min(bisect_left(self.totals, nth), len(self.totals) - 1)
        if place == 0:
            return self.seconds[0]
        (t0, n0), (t1, n1) = (
            (self.seconds[place - 1], self.totals[place - 1]),
            (self.seconds[place], self.totals[place]),
        )
        return t1 if n1 <= n0 else t0 + (t1 - t0) * min(1.0, (nth - n0) / (n1 - n0))

    def passed(self, second: float) -> float:
        """How much has passed by this second."""
        place = min(bisect_left(self.seconds, second), len(self.seconds) - 1)
        if place == 0:
            return self.totals[0]
        t0, t1 = self.seconds[place - 1], self.seconds[place]
        n0, n1 = self.totals[place - 1], self.totals[place]
        return n0 + (n1 - n0) * min(1.0, (second - t0) / (t1 - t0))


@dataclass(frozen=True, slots=True)
class Sample:
    """The state at the end of a step. Rates are per second over the step."""

    second: float
    offered: float
    acknowledged: float
    buffered: float
    refused: float
    clients_waiting: float
    overflow: float
    stream: float
    queues: Mapping[Downstream, float]
    settled: float
    write_units_max: float
    pollers: Mapping[Downstream, float]
    binding: Mapping[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Flow:
    """The result of a simulation. Series count orders; `environments` are intake's cold starts;
    `relay_delay_seconds_max` is the longest that a record stayed in the stream."""

    profile: Profile
    service: Service
    samples: tuple[Sample, ...]
    offered: Series
    acknowledged: Series
    at_once: Series
    into_overflow: Series
    out_of_overflow: Series
    refused_first: Series
    resent: Series
    placed: Series
    relayed: Mapping[str, Series]
    settled: Series
    buffered: float
    resent_into_overflow: float
    environments: float
    relay_delay_seconds_max: float
    queue_delay_seconds_max: float
    finished: bool


def simulate(profile: Profile, service: Service) -> Flow:
    """Run a profile until the last order has settled, or `HORIZON_SECONDS`."""
    return _Run(profile, service).flow()


@dataclass(slots=True)
class _Resends:
    """Refused clients, waiting before they send again: a queue for each attempt and each part of
    its jitter, so that every queue is in order."""

    lines: dict[tuple[int, int], deque[tuple[float, float]]] = field(default_factory=dict)
    waiting: float = 0.0

    def refuse(self, now: float, attempt: int, amount: float) -> None:
        attempt = min(attempt, _ATTEMPTS_COUNTED)
        delay = min(RESEND_MAX_SECONDS, RESEND_FIRST_SECONDS * 2**attempt)
        for part in range(_JITTERS):
            line = self.lines.setdefault((attempt, part), deque())
            # The lower half is kept, the upper half is at random.
            share = 0.5 + 0.5 * (part + 0.5) / _JITTERS
            line.append((now + delay * share, amount / _JITTERS))
        self.waiting += amount

    def due(self, until: float) -> dict[int, float]:
        """How many send again by then, by their next attempt."""
        due: dict[int, float] = {}
        for (attempt, _), line in self.lines.items():
            while line and line[0][0] <= until:
                due[attempt + 1] = due.get(attempt + 1, 0.0) + line.popleft()[1]
        self.waiting -= sum(due.values())
        return due


@dataclass(slots=True)
class _Environments:
    """Intake's environments: how many are ready or starting, how many more may start."""

    ready: float = 0.0
    starting: deque[tuple[float, float]] = field(default_factory=deque)
    allowance: float = field(
        default_factory=lambda: limits().lambda_environments_per_10_seconds.value
    )
    ever: float = 0.0

    @property
    def not_ready(self) -> float:
        return sum(number for _, number in self.starting)

    def pass_time(self, until: float, step: float) -> None:
        most = limits().lambda_environments_per_10_seconds.value
        self.allowance = min(most, self.allowance + most / 10 * step)
        while self.starting and self.starting[0][0] <= until:
            self.ready += self.starting.popleft()[1]

    def start(self, ready_at: float, number: float) -> None:
        self.allowance -= number
        self.ever += number
        self.starting.append((ready_at, number))


@dataclass(slots=True)
class _Pollers:
    """A queue's pollers. Their number grows while the queue has more than they can take."""

    number: float = 0.0

    def adapt(self, backlog: float, batch: float, concurrency_max: float, step: float) -> None:
        first = min(limits().sqs_pollers_first.value, concurrency_max)
        most = min(limits().sqs_pollers_max.value, concurrency_max)
        if backlog <= first * batch or self.number < first:
            self.number = first
        elif backlog > self.number * batch:
            gained = limits().sqs_pollers_per_minute.value / 60 * step
            self.number = min(most, self.number + gained)


class _Run:
    """The state between two steps. `_step` is one step; all other methods are parts of it."""

    def __init__(self, profile: Profile, service: Service) -> None:
        self.profile = profile
        self.service = service
        self.now = 0.0
        self.tokens = service.api_burst
        self.resends = _Resends()
        self.environments = _Environments()
        self.pollers = {name: _Pollers() for name in DOWNSTREAMS}
        self.overflow = 0.0
        self.stream = dict.fromkeys(CHANGES, 0.0)
        self.queues = dict.fromkeys(DOWNSTREAMS, 0.0)
        self.peak_write_units = service.warm_write_units / 2
        self.peaks: deque[tuple[float, float]] = deque()
        self.busy: dict[str, float] = {}  # environments behind intake
        self.taken = 1.0  # the share of writes that the table took in the last step
        self.series = {
            name: Series()
            for name in (
                *("offered", "acknowledged", "at_once", "into_overflow", "out_of_overflow"),
                *("refused_first", "resent", "placed", "settled"),
            )
        }
        self.relayed = {change: Series() for change in CHANGES}
        self.recorded = {change: Series() for change in CHANGES}
        self.buffered = self.resent_into_overflow = 0.0
        self.samples: list[Sample] = []
        self.binding: dict[str, tuple[float, float]] = {}

    def flow(self) -> Flow:
        for step in self._steps():
            self._step(step)
        return self.flow_so_far()

    def flow_so_far(self) -> Flow:
        series = self.series
        return Flow(
            profile=self.profile,
            service=self.service,
            samples=tuple(self.samples),
            relayed=self.relayed,
            buffered=self.buffered,
            resent_into_overflow=self.resent_into_overflow,
            environments=self.environments.ever,
            relay_delay_seconds_max=max(
                _delay_max(self.recorded[change], self.relayed[change]) for change in CHANGES
            ),
            queue_delay_seconds_max=max(
                _delay_max(self.relayed["order"], self.recorded["reserve"]),
                _delay_max(self.relayed["reserve"], self.recorded["ship"]),
                _delay_max(self.relayed["reserve"], self.recorded["post"]),
                _delay_max(series["into_overflow"], series["out_of_overflow"]),
            ),
            finished=not self._unfinished(),
            **series,
        )

    def _steps(self) -> Iterator[float]:
        """Short steps while the spike begins; the longer it goes on, the longer they get."""
        while self.now < self.profile.seconds or self._unfinished():
            if self.now > HORIZON_SECONDS:
                return
            if self.now < _STEP_FIRST_UNTIL:
                yield _STEP_FIRST_SECONDS
            else:
                yield min(_STEP_MAX_SECONDS, max(_STEP_SECONDS, self.now / 1_000))

    def _unfinished(self) -> bool:
        series = self.series
        return series["offered"].total - series["settled"].total > _NOTHING

    def _step(self, step: float) -> None:
        end = self.now + step
        self.binding = {}
        new = self.profile.orders(self.now, end)
        again = self.resends.due(end)
        arriving = {0: new, **again}
        self._offer(end, new)
        through = self._through_intake(arriving, step, end)
        first_try, later = through.get(0, 0.0), sum(through.values()) - through.get(0, 0.0)
        before = self.series["acknowledged"].total
        self._write(first_try, later, step, end)
        self._relay(step, end)
        self.now = end
        refused = sum(arriving.values()) - sum(through.values())
        self._note(step, new, self.series["acknowledged"].total - before, refused)

    def _offer(self, end: float, new: float) -> None:
        self.series["offered"].add(end, new)

    # --- the front: API and intake -----------------------------------------------------------

    def _through_intake(
        self, arriving: Mapping[int, float], step: float, end: float
    ) -> dict[int, float]:
        """Of each attempt's orders, those that intake handles; the others wait and resend."""
        total = sum(arriving.values())
        passed = self._through_api(total, step)
        served = self._served(passed, step, end)
        share = served / total if total else 0.0
        for attempt, amount in arriving.items():
            refused = amount * (1 - share)
            if refused <= 0:
                continue
            if attempt == 0:
                self.series["refused_first"].add(end, refused)
            self.resends.refuse(end, attempt, refused)
        return {attempt: amount * share for attempt, amount in arriving.items()}

    def _through_api(self, arriving: float, step: float) -> float:
        """A token bucket: so many a second, and a burst on top."""
        service = self.service
        tokens = min(service.api_burst, self.tokens) + service.api_requests_per_second * step
        passed = min(arriving, tokens)
        self.tokens = tokens - passed
        if passed < arriving:
            self.binding["api"] = (arriving / step, service.api_requests_per_second)
        return passed

    def _served(self, passed: float, step: float, end: float) -> float:
        """Requests find a ready environment, or start one and wait for it, or are refused."""
        service, environments = self.service, self.environments
        environments.pass_time(end, step)
        seconds = service.intake.seconds(1) + (1 - self.taken) * service.buffering_seconds
        each = min(limits().lambda_requests_per_environment.value, 1 / seconds)
        free = max(0.0, self._concurrency_left())
        ready = min(environments.ready, free)
        by_ready = min(passed, ready * each * step)
        wanted = passed - by_ready
        room = max(0.0, free - environments.ready - environments.not_ready)
        started = min(wanted, environments.allowance, room)
        if started > 0:
            environments.start(end + service.intake_init_seconds, started)
        if wanted - started > _NOTHING:
            if room <= environments.allowance:
                self.binding["concurrency"] = (passed / step / each, free)
            else:
                self.binding["lambda_ramp"] = (
                    wanted,
                    limits().lambda_environments_per_10_seconds.value,
                )
        return by_ready + started

    def _concurrency_left(self) -> float:
        return self.service.concurrency - self._concurrency_behind()

    def _concurrency_behind(self) -> float:
        """What relay, deliver and drain used in the last step."""
        return sum(self.busy.values())

    # --- the table ---------------------------------------------------------------------------

    def _write(self, first_try: float, later: float, step: float, end: float) -> None:
        """All writes of a step share what the table takes: orders, drained ones, facts."""
        service = self.service
        draining = min(self.overflow, self._drain_rate() * step)
        self.busy["drain"] = service.drain_concurrency * draining / (self._drain_rate() * step)
        delivering = {name: self._delivering(name, step) for name in DOWNSTREAMS}
        orders = first_try + later + draining
        wanted = orders * service.order_write_units + sum(delivering.values())
        capacity = self._write_units_max() * step
        taken = self.taken = min(1.0, capacity / wanted) if wanted else 1.0
        if taken < 1:
            self.binding["table"] = (wanted / step, capacity / step)
        self._remember_peak(end, wanted * taken / step)
        self._place(first_try, later, draining, taken, end)
        if self.overflow > self._drain_rate() * _BACKLOG_SECONDS and "table" not in self.binding:
            self.binding["drain"] = (self.overflow, self._drain_rate())
        for name, amount in delivering.items():
            self._record(name, amount * taken, end)

    def _place(
        self, first_try: float, later: float, draining: float, taken: float, end: float
    ) -> None:
        series = self.series
        throttled = 1 - taken
        into_overflow = (first_try + later) * throttled
        out = draining * taken
        self.overflow += into_overflow - out
        series["acknowledged"].add(end, first_try + later)
        series["at_once"].add(end, first_try * taken)
        self.buffered += first_try * throttled
        self.resent_into_overflow += later * throttled
        series["resent"].add(end, later)
        series["into_overflow"].add(end, into_overflow)
        series["out_of_overflow"].add(end, out)
        placed = (first_try + later) * taken + out
        series["placed"].add(end, placed)
        self._into_stream("order", placed, end)

    def _drain_rate(self) -> float:
        service = self.service
        return service.drain_concurrency * service.drain.rate(service.drain_batch)

    def _write_units_max(self) -> float:
        """Its throughput now: what it started with, or twice the peak of half an hour ago."""
        seasoned = self.now - limits().table_doubling_seconds.value
        while self.peaks and self.peaks[0][0] <= seasoned:
            self.peak_write_units = max(self.peak_write_units, self.peaks.popleft()[1])
        quota = self.service.quotas.get("table", limits().table_write_units_per_second.value)
        return min(quota, 2 * self.peak_write_units)

    def _remember_peak(self, end: float, rate: float) -> None:
        if rate > self.peak_write_units and (not self.peaks or rate > self.peaks[-1][1]):
            self.peaks.append((end, rate))

    # --- the stream and the queues -----------------------------------------------------------

    def _into_stream(self, change: str, amount: float, end: float) -> None:
        self.stream[change] += amount
        self.recorded[change].add(end, amount)

    def _lanes(self) -> float:
        return self.service.relay_lanes(self._write_units_max())

    def _relay_rate(self, backlog: float) -> float:
        service, lanes = self.service, self._lanes()
        batch = min(float(service.relay_batch), max(1.0, backlog / lanes))
        return lanes * service.relay.rate(batch)

    def _relay(self, step: float, end: float) -> None:
        """Relays the four kinds of changes in proportion, which is close to oldest first."""
        backlog = sum(self.stream.values())
        rate = self._relay_rate(backlog)
        share = min(1.0, rate * step / backlog) if backlog else 0.0
        self.busy["relay"] = self._lanes() * backlog * share / (rate * step)
        sent = {change: amount * share for change, amount in self.stream.items()}
        for change, amount in sent.items():
            self.stream[change] -= amount
            self.relayed[change].add(end, amount)
        self.queues["inventory"] += sent["order"]
        self.queues["fulfilment"] += sent["reserve"]
        self.queues["accounting"] += sent["reserve"]
        if backlog * (1 - share) > rate * _BACKLOG_SECONDS:
            self.binding["relay"] = (backlog, rate)

    def _delivering(self, name: Downstream, step: float) -> float:
        """How many the downstream's function delivers in a step."""
        service, pollers, backlog = self.service, self.pollers[name], self.queues[name]
        most = service.deliver_concurrency[name]
        pollers.adapt(backlog, service.deliver_batch, most, step)
        self.busy[name] = 0.0
        if backlog <= 0:
            return 0.0
        batch = min(float(service.deliver_batch), max(1.0, backlog / pollers.number))
        rate = pollers.number * service.deliver[name].rate(batch)
        if backlog > rate * max(step, _BACKLOG_SECONDS):
            ramping = pollers.number < min(most, limits().sqs_pollers_max.value)
            cause = "pollers_ramp" if ramping else f"deliver_{name}"
            self.binding[cause] = (backlog, rate)
        done = min(backlog, rate * step)
        self.busy[name] = pollers.number * done / (rate * step)
        return done

    def _record(self, name: Downstream, amount: float, end: float) -> None:
        """Deliveries with an outcome that the table took; the others are delivered again later."""
        self.queues[name] -= amount
        self._into_stream(_AFTER[name], amount, end)
        if name == DOWNSTREAMS[-1]:
            settled = min(self.recorded["ship"].total, self.recorded["post"].total)
            self.series["settled"].add(end, settled - self.series["settled"].total)

    def _note(self, step: float, new: float, acknowledged: float, refused: float) -> None:
        series = self.series
        self.samples.append(
            Sample(
                second=self.now,
                offered=new / step,
                acknowledged=acknowledged / step,
                buffered=(series["into_overflow"].total - series["into_overflow"].totals[-2])
                / step,
                refused=refused / step,
                clients_waiting=self.resends.waiting,
                overflow=self.overflow,
                stream=sum(self.stream.values()),
                queues={**self.queues},
                settled=series["settled"].total,
                write_units_max=self._write_units_max(),
                pollers={name: pollers.number for name, pollers in self.pollers.items()},
                binding=self.binding,
            )
        )


def _delay_max(into: Series, out: Series) -> float:
    """The longest delay between two series."""
    if not into.total:
        return 0.0
    samples = min(1_000, len(into.totals))
    return max(
        out.when(into.total * sample / samples) - into.when(into.total * sample / samples)
        for sample in range(1, samples + 1)
    )
