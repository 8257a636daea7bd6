"""The watchdog's looks during a spike: what they cost, and how many wait in flight.

They delay nothing, so they are counted after the flow. An order has a check where it has not
settled when its batch of the stream ends: hardly any where all is well, and nearly all in a crowd's
backlog, where a shard fills a batch in seconds. The first check comes in a batch message when the
queue's delay is over. An order that has not settled by then is requeued alone, and each later look
that finds it unsettled postpones its message, with doubling waits. Two things limit these looks:
the watchdog's own concurrency, and SQS, which hands out no more while 120,000 messages of a queue
are in flight, as every postponed message is. What these limits hold back is looked at later, and
less often: it is not counted here.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count

from infra.event_sources import WATCH_BATCH_SIZE, QueueSource
from orders.domain.backoff import WATCH_MAX_SECONDS, Backoff
from spillway.plan.capacity.outcome import delays
from spillway.plan.capacity.simulate import CHANGES, Flow, Series
from spillway.plan.work import Work
from spillway.target import limits

#: How finely looks and waiting messages are counted.
_BIN_SECONDS = 60.0
#: In the middle of what jitter allows.
_JITTER = 0.5


@dataclass(frozen=True, slots=True)
class Checks:
    """`set`: orders that have a check. `requeued`: those that had not settled at their first one.
    `postponed`: later looks that found one unsettled. `in_flight_max`: messages that wait for their
    next look at one time, if SQS let them all."""

    set: float
    requeued: float
    postponed: float
    in_flight_max: float

    @property
    def looks(self) -> float:
        """Of single messages: those that were postponed, and the one that found each settled."""
        return self.postponed + self.requeued


def checks_of(
    flow: Flow, source: QueueSource, stream_window_seconds: float, single: Work
) -> Checks:
    """`source` is the watchdog's queue; `stream_window_seconds`: how long it collects changes of
    the stream; `single`: its time for messages of one order each, each of which is postponed."""
    backoff = Backoff(source.delay_seconds, WATCH_MAX_SECONDS)
    waits = [backoff.delay_seconds(attempt, _JITTER) for attempt in range(1, 10)]
    batches = _Batches(flow, stream_window_seconds)
    set_ = requeued = 0.0
    looked: defaultdict[int, float] = defaultdict(float)
    waiting: defaultdict[int, float] = defaultdict(float)
    for each, unsettled, began in _unsettled(flow):
        lasted = batches.seconds(began)
        set_ += each * min(1.0, unsettled / lasted) if lasted else each
        first = lasted / 2 + source.delay_seconds + source.window_seconds / 2
        if unsettled <= first:
            continue
        requeued += each
        looks = [*_looks(first, unsettled, waits)]
        for look in looks:
            looked[_bin(began + look)] += each
        if looks:
            for bin_ in range(_bin(began + looks[0]), _bin(began + unsettled) + 1):
                waiting[bin_] += each
    by_watchdog = source.concurrency_max * single.rate(source.batch_size) * _BIN_SECONDS
    postponed = sum(_handed_out(looked, by_watchdog, waits[0]))
    return Checks(set_, requeued, postponed, max(waiting.values(), default=0.0))


def _unsettled(flow: Flow) -> Iterator[tuple[float, float, float]]:
    """How many orders, how long they were unsettled, and when they were placed."""
    for share, settled in flow.ways:
        placed = flow.placed.part(share)
        found = delays(placed, settled)
        for waited, began in found:
            each = min(placed.total, settled.total) / len(found)
            yield each, waited + flow.service.healthy_settle_seconds, began


class _Batches:
    """How long the watch collects changes of a shard: until it has a batch, or its window ends."""

    def __init__(self, flow: Flow, window_seconds: float) -> None:
        recorded = [flow.recorded[change] for change in CHANGES]
        # All have a value for each step.
        totals = [sum(each) for each in zip(*(one.totals for one in recorded), strict=True)]
        self._changes = Series(recorded[0].seconds, totals)
        self._flow, self._window_seconds = flow, window_seconds
        self._seconds = [sample.second for sample in flow.samples]

    def seconds(self, began: float) -> float:
        flow, changes = self._flow, self._changes
        sample = flow.samples[min(bisect_left(self._seconds, began), len(self._seconds) - 1)]
        shards = flow.service.shards(sample.write_units_max)
        full = changes.passed(began) + WATCH_BATCH_SIZE * shards
        if full > changes.total:
            return self._window_seconds
        return min(self._window_seconds, changes.when(full) - began)


def _looks(first: float, unsettled: float, waits: list[int]) -> Iterator[float]:
    """When a single message's looks find the order unsettled, in seconds after its check was sent.

    Requeued, it waits as after a first attempt, and its own first attempt follows.
    """
    at = first + waits[0]
    for attempt in count():
        if at >= unsettled:
            return
        yield at
        at += waits[min(attempt, len(waits) - 1)]


def _handed_out(due: Mapping[int, float], most: float, wait_seconds: float) -> Iterator[float]:
    """Of the looks that are due in each bin, those that there is room for: the watchdog gets
    through `most`, and each has its place in flight for as long as the shortest wait."""
    room, before = float(limits.SQS_IN_FLIGHT_MAX), 0
    for bin_ in sorted(due):
        back = (bin_ - before) * _BIN_SECONDS * limits.SQS_IN_FLIGHT_MAX / wait_seconds
        room, before = min(limits.SQS_IN_FLIGHT_MAX, room + back), bin_
        looked = min(due[bin_], most, room)
        room -= looked
        yield looked


def _bin(second: float) -> int:
    return int(second / _BIN_SECONDS)
