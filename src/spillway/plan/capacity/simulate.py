"""A spike: a flow of orders through the service against AWS's limits, step by step.

Orders are a fluid, rates and backlogs instead of single orders, so an hour of 50,000 orders/s takes
seconds. In each step clients send new and refused orders, the API's token bucket and Lambda's
concurrency let some through, the table takes what it can and the rest overflows, relay reads the
stream's shards, deliveries empty the queues, and each write of facts passes table and stream again.
By the express path that is one write of all three, for which relay has nothing to send.

Stricter than AWS on purpose: the table doubles its throughput only every 30 minutes, though it is
often faster, and bursts beyond that do not count. Customers look at their orders as the service
asks them to, and what serves their looks does not serve orders. Left out: cancellations, refusals,
failures (see `spillway chaos`), and the watchdog, which delays nothing: `checks` counts its looks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from orders.domain.looks import FIRST_SECONDS, wait_seconds
from orders.domain.saga import DOWNSTREAMS, Downstream
from orders.domain.waits import PARAMETER_INIT_WAIT_MS, PARAMETER_WAIT_MS
from spillway.plan.capacity.service import RESEND_FIRST_SECONDS, RESEND_MAX_SECONDS, Looks, Service
from spillway.plan.profile import Profile
from spillway.target import limits

#: An order's changes in the stream. `express`: the three facts in one, after which nothing is owed.
CHANGES = ("order", "express", "reserve", "ship", "post")

#: Short steps while the spike begins; the longer it goes on, the longer they get.
_STEP_FIRST_SECONDS = 0.25
_STEP_FIRST_UNTIL = 90.0
_STEP_SECONDS = 1.0
_STEP_MAX_SECONDS = 60.0
#: A backlog that takes longer than this to work off has a bottleneck.
_BACKLOG_SECONDS = 2.0
_NOTHING = 0.01
#: Counters hold orders up when more than this share of them finds none free.
_REFUSED_MIN = 0.01
#: How long a new environment and its first request wait for the receipt keys.
_PARAMETER_WAIT_SECONDS = (PARAMETER_INIT_WAIT_MS + PARAMETER_WAIT_MS) / 1000
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
        return _interpolated(nth, self.totals, self.seconds)

    def passed(self, second: float) -> float:
        """How much has passed by this second."""
        return _interpolated(second, self.seconds, self.totals)

    def part(self, share: float) -> Series:
        """So much of it, at all times."""
        return Series(self.seconds, [total * share for total in self.totals])


def _interpolated(x: float, xs: Sequence[float], ys: Sequence[float]) -> float:
    if x > xs[-1]:
        return ys[-1]
    right = bisect_left(xs, x)
    if right == 0:
        return ys[0]
    share = (x - xs[right - 1]) / (xs[right] - xs[right - 1])
    return ys[right - 1] + (ys[right] - ys[right - 1]) * share


@dataclass(frozen=True, slots=True)
class Sample:
    """The state at the end of a step. `binding`: demand and limit of what held orders up.
    `before_table`: orders that wait for it in the overflow queue or, with a limited coupon, with
    their clients."""

    second: float
    clients_waiting: float
    before_table: float
    overflow: float
    stream: float
    queues: Mapping[Downstream, float]
    write_units_max: float
    pollers: Mapping[Downstream, float]
    binding: Mapping[str, tuple[float, float]]


@dataclass(slots=True)
class _Resends:
    """Refused clients, waiting before they send again: a heap of when, which attempt, how many."""

    heap: list[tuple[float, int, float]] = field(default_factory=list)
    waiting: float = 0.0

    def refuse(self, now: float, attempt: int, amount: float) -> None:
        attempt = min(attempt, _ATTEMPTS_COUNTED)
        delay = min(RESEND_MAX_SECONDS, RESEND_FIRST_SECONDS * 2**attempt)
        for part in range(_JITTERS):
            # The lower half is kept, the upper half is at random.
            share = 0.5 + 0.5 * (part + 0.5) / _JITTERS
            heappush(self.heap, (now + delay * share, attempt + 1, amount / _JITTERS))
        self.waiting += amount

    def due(self, until: float) -> dict[int, float]:
        """How many send again by then, by their next attempt."""
        due: defaultdict[int, float] = defaultdict(float)
        while self.heap and self.heap[0][0] <= until:
            _, attempt, amount = heappop(self.heap)
            due[attempt] += amount
        self.waiting -= sum(due.values())
        return due


@dataclass(slots=True)
class _Watchers:
    """Customers who look at their orders. Orders settle oldest first, so a group of them is two
    numbers: the first and the last in the order of their acknowledgements."""

    groups: list[tuple[float, float, float, float]] = field(default_factory=list)

    @property
    def waiting(self) -> float:
        """How many will look once more."""
        return sum(last - first for _, _, first, last in self.groups)

    def add(self, at: float, acknowledged_at: float, first: float, last: float) -> None:
        if last - first > _NOTHING:
            heappush(self.groups, (at, acknowledged_at, first, last))

    def due(self, until: float, reserved: float, settled: float, watched_seconds: float) -> float:
        """How many look by then; who finds an order unsettled looks again. So many orders are
        `reserved` and `settled`."""
        looks = 0.0
        while self.groups and self.groups[0][0] <= until:
            at, acknowledged_at, first, last = heappop(self.groups)
            looks += last - first
            first = max(first, settled)
            middle = min(last, max(first, reserved))
            for begin, end, is_reserved in ((first, middle, True), (middle, last, False)):
                again = at + wait_seconds(at - acknowledged_at, reserved=is_reserved)
                if again - acknowledged_at <= watched_seconds:
                    self.add(again, acknowledged_at, begin, end)
        return looks


@dataclass(slots=True)
class _Environments:
    """Intake's environments: how many are ready, starting, or started and still reading the receipt
    keys, and how many more may start."""

    ready: float = 0.0
    reading: float = 0.0
    starting: deque[tuple[float, float]] = field(default_factory=deque)
    allowance: float = limits.LAMBDA_ENVIRONMENTS_PER_10_SECONDS
    ever: float = 0.0

    @property
    def not_ready(self) -> float:
        return self.reading + sum(number for _, number in self.starting)

    def pass_time(self, until: float, step: float, reads_per_second: float) -> None:
        most = limits.LAMBDA_ENVIRONMENTS_PER_10_SECONDS
        self.allowance = min(most, self.allowance + most / 10 * step)
        while self.starting and self.starting[0][0] <= until:
            self.reading += self.starting.popleft()[1]
        read = min(self.reading, reads_per_second * step)
        self.reading -= read
        self.ready += read

    def start(self, ready_at: float, number: float) -> None:
        self.allowance -= number
        self.ever += number
        self.starting.append((ready_at, number))


class _Throughput:
    """What a table takes: what it started with, or twice the peak of half an hour ago."""

    def __init__(self, warm: float) -> None:
        self._peak = warm / 2
        self._peaks: deque[tuple[float, float]] = deque()

    def units(self, now: float) -> float:
        """A second."""
        seasoned = now - limits.TABLE_DOUBLING_SECONDS
        while self._peaks and self._peaks[0][0] <= seasoned:
            self._peak = max(self._peak, self._peaks.popleft()[1])
        return 2 * self._peak

    def remember(self, end: float, rate: float) -> None:
        if rate > self._peak and (not self._peaks or rate > self._peaks[-1][1]):
            self._peaks.append((end, rate))


def simulate(profile: Profile, service: Service) -> Flow:
    """Run a profile until the last order has settled, or `HORIZON_SECONDS`."""
    flow = Flow(profile, service)
    for step in flow.steps():
        flow.step(step)
    return flow


class Flow:
    """A profile's orders on their way through a service. Series count orders."""

    def __init__(self, profile: Profile, service: Service) -> None:
        self.profile = profile
        self.service = service
        self.now = 0.0
        self.samples: list[Sample] = []
        self.offered, self.acknowledged, self.at_once = Series(), Series(), Series()
        self.refused_first, self.resent = Series(), Series()
        self.into_overflow, self.out_of_overflow = Series(), Series()
        self.placed, self.settled = Series(), Series()
        #: Orders whose stock is reserved, and those that settled by a queue for each step.
        self.reserved, self.queued = Series(), Series()
        self.recorded = {change: Series() for change in CHANGES}
        self.relayed = {change: Series() for change in CHANGES}
        self.buffered = self.resent_into_overflow = 0.0
        self.looked = Series()
        self.environments = _Environments()
        self._watchers = _Watchers()
        self._tokens = service.api_burst
        self._resends = _Resends()
        self._pollers = dict.fromkeys(DOWNSTREAMS, 0.0)
        self._overflow = 0.0
        self._stream = dict.fromkeys(CHANGES, 0.0)
        self._queues = dict.fromkeys(DOWNSTREAMS, 0.0)
        self._table = _Throughput(service.warm_write_units)
        claims = service.claims
        self._coupons = _Throughput(claims.warm_write_units if claims else 0.0)
        self.claim_tries = 0.0  # transactions, cancelled ones too
        self._busy: dict[str, float] = {}  # environments behind intake, in the last step
        self._taken = 1.0  # the share of writes that the table took in the last step
        self._binding: dict[str, tuple[float, float]] = {}

    def steps(self) -> Iterator[float]:
        while self.now < self.profile.seconds or not self.finished:
            if self.now > HORIZON_SECONDS:
                return
            if self.now < _STEP_FIRST_UNTIL:
                yield _STEP_FIRST_SECONDS
            else:
                yield min(_STEP_MAX_SECONDS, max(_STEP_SECONDS, self.now / 1_000))

    @property
    def finished(self) -> bool:
        return self.offered.total - self.settled.total <= _NOTHING

    def step(self, step: float) -> None:
        end, service = self.now + step, self.service
        self._binding = {}
        new = self.profile.orders(self.now, end)
        self.offered.add(end, new)
        through = self._through_intake({0: new, **self._resends.due(end)}, step, end)
        before = self.acknowledged.total
        self._write(through, step, end)
        if service.looks is not None:
            self._look(service.looks, before, step, end)
        self._relay(step, end)
        self.now = end
        self.samples.append(
            Sample(
                second=end,
                clients_waiting=self._resends.waiting,
                before_table=self._overflow if service.claims is None else self._resends.waiting,
                overflow=self._overflow,
                stream=sum(self._stream.values()),
                queues={**self._queues},
                write_units_max=self._write_units_max(),
                pollers={**self._pollers},
                binding=self._binding,
            )
        )

    @property
    def ways(self) -> list[tuple[float, Series]]:
        """How orders settled: the share of them, and when they did."""
        left = self.service.left_over
        ways = [(1 - left, self.recorded["express"]), (left, self.queued)]
        return [(share, settled) for share, settled in ways if share]

    @property
    def looks(self) -> float:
        """Those that found the order settled after the last step included."""
        return self.looked.total + self._watchers.waiting

    def _look(self, looks: Looks, before: float, step: float, end: float) -> None:
        """`before`: how many orders were acknowledged before this step."""
        self._watchers.add(end + FIRST_SECONDS, end, before, self.acknowledged.total)
        reserved, settled = self.reserved.total, self.settled.total
        due = self._watchers.due(end, reserved, settled, looks.watched_seconds)
        served = min(due, looks.per_second * step)
        self.looked.add(end, served)
        self._busy["reads"] = served / step / looks.each_environment

    # --- the front: API and intake -----------------------------------------------------------

    def _through_intake(
        self, arriving: Mapping[int, float], step: float, end: float
    ) -> dict[int, float]:
        """Of each attempt's orders, those that intake handles; the others wait and resend."""
        total = sum(arriving.values())
        served = self._served(self._through_api(total, step), step, end)
        share = served / total if total else 0.0
        self._refuse(arriving, 1 - share, end)
        return {attempt: amount * share for attempt, amount in arriving.items()}

    def _refuse(self, arriving: Mapping[int, float], share: float, end: float) -> None:
        """So many of each attempt's orders wait with their clients, who send again."""
        for attempt, amount in arriving.items():
            refused = amount * share
            if refused <= 0:
                continue
            if attempt == 0:
                self.refused_first.add(end, refused)
            self._resends.refuse(end, attempt, refused)

    def _through_api(self, arriving: float, step: float) -> float:
        """A token bucket: so many a second, and a burst on top."""
        service = self.service
        tokens = min(service.api_burst, self._tokens) + service.api_requests_per_second * step
        passed = min(arriving, tokens)
        self._tokens = tokens - passed
        if passed < arriving:
            self._binding["api"] = (arriving / step, service.api_requests_per_second)
        return passed

    def _served(self, passed: float, step: float, end: float) -> float:
        """Requests find a ready environment, or start one and wait for it, or are refused. One that
        started its environment is refused, too, when that cannot read the receipt keys in time."""
        service, environments = self.service, self.environments
        environments.pass_time(end, step, service.parameter_reads_per_second)
        seconds = service.intake.seconds(1) + (1 - self._taken) * service.buffering_seconds
        each = min(limits.LAMBDA_REQUESTS_PER_ENVIRONMENT_AND_SECOND, 1 / seconds)
        free = max(0.0, service.concurrency - sum(self._busy.values()))
        by_ready = min(passed, min(environments.ready, free) * each * step)
        wanted = passed - by_ready
        not_ready = environments.not_ready
        room = max(0.0, free - environments.ready - not_ready)
        started = min(wanted, environments.allowance, room)
        if started > 0:
            environments.start(end + service.intake_init_seconds, started)
        if wanted - started > _NOTHING:
            if room <= environments.allowance:
                self._binding["concurrency"] = (passed / step / each, free)
            else:
                most = limits.LAMBDA_ENVIRONMENTS_PER_10_SECONDS
                self._binding["lambda_ramp"] = (wanted, most)
        soon = service.parameter_reads_per_second * _PARAMETER_WAIT_SECONDS - not_ready
        in_time = min(started, max(0.0, soon))
        if started - in_time > _NOTHING:
            self._binding["parameters"] = (started / step, service.parameter_reads_per_second)
        return by_ready + in_time

    # --- the table ---------------------------------------------------------------------------

    def _write(self, arriving: Mapping[int, float], step: float, end: float) -> None:
        """All writes of a step share what the table takes: orders, drained ones, facts."""
        service = self.service
        drain_rate = service.drain_concurrency * service.drain.rate(service.drain_batch)
        draining = min(self._overflow, drain_rate * step)
        self._busy["drain"] = service.drain_concurrency * draining / (drain_rate * step)
        delivering = {name: self._delivering(name, step) for name in DOWNSTREAMS}
        first_try, later = arriving[0], sum(arriving.values()) - arriving[0]
        claiming, claimed = self._claim(first_try + later, step)
        wanted = (draining + claiming) * service.order_write_units + sum(delivering.values())
        capacity = self._write_units_max() * step
        taken = self._taken = min(1.0, capacity / wanted) if wanted else 1.0
        if taken < 1:
            self._binding["table"] = (wanted / step, capacity / step)
        self._table.remember(end, wanted * taken / step)
        if service.claims is None:
            self._place(first_try, later, draining, taken, end)
        else:
            # Where the table is busy such an order is refused: it cannot wait without its claim.
            placed = claimed * taken
            self.claim_tries += claiming * taken
            units = claiming * taken * service.claims.write_units
            self._coupons.remember(end, units / step)
            self._refuse(arriving, 1 - placed, end)
            self._place(first_try * placed, later * placed, 0.0, 1.0, end)
        if taken == 1 and self._overflow > drain_rate * _BACKLOG_SECONDS:
            self._binding["drain"] = (self._overflow, drain_rate)
        for name, amount in delivering.items():
            # What the table did not take is delivered again later.
            self._queues[name] -= amount * taken
        reserved, left = delivering["inventory"] * taken, service.left_over
        self.reserved.add(end, reserved)
        self._into_stream("express", reserved * (1 - left), end)
        self._into_stream("reserve", reserved * left, end)
        self._into_stream("ship", delivering["fulfilment"] * taken, end)
        self._into_stream("post", delivering["accounting"] * taken, end)
        queued = min(self.recorded["ship"].total, self.recorded["post"].total)
        self.queued.add(end, queued - self.queued.total)
        settled = self.recorded["express"].total + queued
        self.settled.add(end, settled - self.settled.total)

    def _place(
        self, first_try: float, later: float, draining: float, taken: float, end: float
    ) -> None:
        throttled = 1 - taken
        into_overflow = (first_try + later) * throttled
        out = draining * taken
        self._overflow += into_overflow - out
        self.acknowledged.add(end, first_try + later)
        self.at_once.add(end, first_try * taken)
        self.buffered += first_try * throttled
        self.resent_into_overflow += later * throttled
        self.resent.add(end, later)
        self.into_overflow.add(end, into_overflow)
        self.out_of_overflow.add(end, out)
        placed = (first_try + later) * taken + out
        self.placed.add(end, placed)
        self._into_stream("order", placed, end)

    def _write_units_max(self) -> float:
        """The table's throughput now."""
        return min(self.service.table_write_units_max, self._table.units(self.now))

    def _claim(self, orders: float, step: float) -> tuple[float, float]:
        """How many transactions so many orders make, and the share of the orders whose coupon is
        claimed: those that find a counter free, in a coupons table that takes them."""
        claims = self.service.claims
        if claims is None:
            return orders, 1.0
        met = claims.met(orders / step)
        refused = claims.refused(met)
        if refused > _REFUSED_MIN:
            self._binding["counters"] = (orders / step, orders * (1 - refused) / step)
        tried = orders * claims.tries(met)
        wanted, capacity = tried * claims.write_units, self._coupons.units(self.now) * step
        taken = min(1.0, capacity / wanted) if wanted else 1.0
        if taken < 1:
            self._binding["coupons"] = (wanted / step, capacity / step)
        return tried * taken, (1 - refused) * taken

    # --- the stream and the queues -----------------------------------------------------------

    def _into_stream(self, change: str, amount: float, end: float) -> None:
        self.recorded[change].add(end, amount)
        express = self.service.express
        if change == "express" and express is not None and not express.relayed:
            self.relayed[change].add(end, amount)
        else:
            self._stream[change] += amount

    def _relay(self, step: float, end: float) -> None:
        """Relays all kinds of changes in proportion, which is close to oldest first."""
        service, backlog = self.service, sum(self._stream.values())
        lanes = service.relay_lanes(self._write_units_max())
        batch = min(float(service.relay_batch), max(1.0, backlog / lanes))
        rate = lanes * service.relay.rate(batch)
        share = min(1.0, rate * step / backlog) if backlog else 0.0
        self._busy["relay"] = lanes * backlog * share / (rate * step)
        sent = {change: amount * share for change, amount in self._stream.items()}
        for change, amount in sent.items():
            self._stream[change] -= amount
            self.relayed[change].add(end, amount)
        self._queues["inventory"] += sent["order"]
        self._queues["fulfilment"] += sent["reserve"]
        self._queues["accounting"] += sent["reserve"]
        if backlog * (1 - share) > rate * _BACKLOG_SECONDS:
            self._binding["relay"] = (backlog, rate)

    def _delivering(self, name: Downstream, step: float) -> float:
        """How many the downstream's function delivers in a step."""
        service, backlog = self.service, self._queues[name]
        most = service.deliver_concurrency[name]
        pollers = self._pollers[name] = self._adapted(self._pollers[name], backlog, most, step)
        self._busy[name] = 0.0
        if backlog <= 0:
            return 0.0
        batch = min(float(service.deliver_batch), max(1.0, backlog / pollers))
        rate = pollers * service.delivering(name, batch)
        if backlog > rate * max(step, _BACKLOG_SECONDS):
            ramping = pollers < min(most, limits.SQS_POLLERS_MAX)
            self._binding["pollers_ramp" if ramping else f"deliver_{name}"] = (backlog, rate)
        done = min(backlog, rate * step)
        self._busy[name] = pollers * done / (rate * step)
        return done

    def _adapted(self, pollers: float, backlog: float, most: float, step: float) -> float:
        """A queue's pollers: more of them while the queue has more than they can take."""
        first, batch = min(limits.SQS_POLLERS_FIRST, most), self.service.deliver_batch
        if backlog <= first * batch or pollers < first:
            return first
        if backlog > pollers * batch:
            gained = limits.SQS_POLLERS_PER_MINUTE / 60 * step
            return min(limits.SQS_POLLERS_MAX, most, pollers + gained)
        return pollers
