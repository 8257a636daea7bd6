"""How full batches are: what an order costs depends on how many orders come at a time.

When orders come one by one, every stream record is an invocation and every message has a send, a
receipt and a deletion of its own. In a crowd, hundreds of records share an invocation and ten
messages share a request. In between, the rate decides what a poll finds:

| batch | holds | source |
| --- | --- | --- |
| relay | the records of a shard between two polls, four a second | Lambda with DynamoDB streams |
| deliver | what a relay batch sent to that queue; more once concurrency is used up | SQS, Lambda |
| watch | a shard's records of its window, an order's own at least | the mapping's own window |
| watchdog | the checks that came in its window | the mapping's own window |

Relay's batch also decides how many commands a message holds: relay puts several for one queue into
one message. The watch's decides how many orders have a check: those that have not settled when it
ends. One by one that is none; in a crowd batches fill faster than orders settle, and it is all.

An order's records, commands, events, units and bytes do not depend on how they are batched, so
`rebatched` keeps them as counted. It derives messages, sends, publishes, invocations and, from a
crowd's, checks. A test compares both: a crowd's measurement, rebatched to one record each, equals
what was measured one by one.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

import msgspec

from infra.event_sources import (
    DELIVER_BATCH_SIZE,
    RELAY_BATCH_SIZE,
    WATCH_BATCH_SIZE,
    WATCHDOG_BATCH_SIZE,
    WATCHDOG_CONCURRENCY_MAX,
)
from orders.aws.queues import CHECKS_BATCHED_MAX, COMMANDS_BATCHED_MAX
from orders.settings import EventName
from spillway.plan.cost.measurement import Calls, FunctionUse, Measurement
from spillway.target import limits

#: Messages and events that one send takes.
SEND_BATCH = 10
#: Every order of a measurement was confirmed.
_EVENTS_OF_CONFIRMED: tuple[EventName, ...] = ("accepted", "confirmed")


@dataclass(frozen=True, slots=True)
class BatchFill:
    """In a batch, on average: records of relay's and the watch's, messages of the others.

    `checked`: the share of orders that have not settled when their batch of the watch's ends.
    """

    relay: float
    deliver: float
    watch: float
    watchdog: float
    checked: float


ONE_BY_ONE = BatchFill(relay=1.0, deliver=1.0, watch=1.0, watchdog=1.0, checked=0.0)
CROWD = BatchFill(
    RELAY_BATCH_SIZE, DELIVER_BATCH_SIZE, WATCH_BATCH_SIZE, WATCHDOG_BATCH_SIZE, checked=1.0
)


def fill_at(
    orders_per_second: float,
    *,
    records_per_order: float,
    relayed_per_order: float,
    delivery_seconds: float,
    concurrency_max: float,
    window_seconds: float,
    stream_window_seconds: float,
    settle_seconds: float,
) -> BatchFill:
    """How full batches are at a steady rate.

    `records_per_order`: in the stream, of which relay gets `relayed_per_order`. `delivery_seconds`:
    how long one delivery takes, of which `concurrency_max` run at once. `window_seconds` and
    `stream_window_seconds`: how long batches of checks, and of the watch, are filled.
    `settle_seconds`: how long an order takes.
    """
    records = orders_per_second * records_per_order
    write_units = max(limits.TABLE_NEW_WRITE_UNITS_PER_SECOND, 2 * records)
    shards = write_units / limits.PARTITION_WRITE_UNITS_PER_SECOND
    between_polls = orders_per_second * relayed_per_order / shards / limits.STREAM_POLLS_PER_SECOND
    relay = min(float(RELAY_BATCH_SIZE), _when_not_empty(between_polls))
    burst = parts(relay, 1 / relayed_per_order, COMMANDS_BATCHED_MAX)
    crowded = orders_per_second * delivery_seconds / concurrency_max
    crowded /= per_message(relay, 1 / relayed_per_order, COMMANDS_BATCHED_MAX)
    deliver = min(float(DELIVER_BATCH_SIZE), max(1.0, burst, crowded))
    in_window = records / shards * stream_window_seconds
    watch = min(float(WATCH_BATCH_SIZE), records_per_order + in_window)
    checked = min(1.0, settle_seconds * records / shards / watch)
    checks = orders_per_second * checked * window_seconds / WATCHDOG_CONCURRENCY_MAX
    if checks:
        checks /= per_message(watch, checked / records_per_order, CHECKS_BATCHED_MAX)
    return BatchFill(relay, deliver, watch, min(float(WATCHDOG_BATCH_SIZE), 1 + checks), checked)


def _when_not_empty(mean: float) -> float:
    """The mean of a Poisson number that is not zero: an empty poll is no batch."""
    return mean / -math.expm1(-mean) if mean else 1.0


def per_message(records: float, share: float, batched: int) -> float:
    """Commands, or checks, in a message, on average, of those that a batch of so many records
    sends."""
    return records * share / parts(records, share, batched)


def parts(records: float, share: float, most: int) -> float:
    """Into how many parts of up to `most` relay, or the watch, divides what it has for a queue:
    messages of commands, or sends of messages. Each record has something for the queue with this
    probability, so the number is binomial. Between two whole numbers of records it is interpolated.
    """
    if records > _MANY:
        # Whatever the number is, the last part is half full on average.
        return records * share / most + (1 - 1 / most) / 2 if share else 0.0
    low = math.floor(records)
    between = records - low
    made = _parts(low, share, most)
    return made if between == 0 else (1 - between) * made + between * _parts(low + 1, share, most)


#: Beyond these the binomial sum is as good as its mean, and runs out of small numbers.
_MANY = 500


@cache
def _parts(records: int, share: float, most: int) -> float:
    if share >= 1:
        return float(-(-records // most))
    probability = (1 - share) ** records
    total = 0.0
    for one in range(records + 1):
        total += probability * -(-one // most)
        probability *= (records - one) / (one + 1) * share / (1 - share)
    return total


def publishing(measurement: Measurement, published: Collection[EventName]) -> Measurement:
    """The same run on a stage that publishes only these events. Measured runs publish all of them,
    each as its own entry; `rebatched` derives the requests."""
    relay = measurement.functions["relay"]
    share = sum(name in published for name in _EVENTS_OF_CONFIRMED) / len(_EVENTS_OF_CONFIRMED)
    calls = [
        msgspec.structs.replace(calls, entries=calls.entries * share)
        if calls.service == "sns"
        else calls
        for calls in relay.calls
    ]
    functions = {**measurement.functions, "relay": msgspec.structs.replace(relay, calls=calls)}
    return msgspec.structs.replace(measurement, functions=functions)


def sampled(measurement: Measurement, good_news_one_in: int) -> Measurement:
    """The same run on a stage that logs good news of one order in so many. Measured runs log it of
    all."""
    if good_news_one_in == 1:
        return measurement
    left_out = 1 - 1 / good_news_one_in
    added = len(f',"stands_for":{good_news_one_in}')
    functions = dict(measurement.functions)
    for name, use in measurement.functions.items():
        lines = use.log_lines if use.good_lines is None else use.good_lines
        size = use.log_bytes if use.good_bytes is None else use.good_bytes
        functions[name] = msgspec.structs.replace(
            use,
            log_lines=use.log_lines - left_out * lines,
            log_bytes=use.log_bytes - left_out * size + added * (1 - left_out) * lines,
        )
    return msgspec.structs.replace(measurement, functions=functions)


def rebatched(measurement: Measurement, fill: BatchFill, unrelayed: float = 0.0) -> Measurement:
    """The same run with batches as full as `fill` says, and messages as full as follows from it.
    `unrelayed`: changes that relay is not invoked for, though measured runs did."""
    functions = dict(measurement.functions)
    functions["watchdog"] = _watchdog_rebatched(measurement, fill)
    relay = functions["relay"]
    relay = msgspec.structs.replace(relay, records=relay.records - unrelayed)
    for name, use in measurement.functions.items():
        if use.records and name.startswith("deliver-"):
            messages = relay.records / fill.relay
            messages *= parts(fill.relay, use.records / relay.records, COMMANDS_BATCHED_MAX)
            functions[name] = msgspec.structs.replace(
                use, invocations=messages / fill.deliver, messages=messages
            )
    functions["relay"] = _relay_rebatched(measurement, relay, fill)
    return msgspec.structs.replace(measurement, functions=functions)


def _watchdog_rebatched(measurement: Measurement, fill: BatchFill) -> FunctionUse:
    """Its two halves: it watches the stream, and handles the checks that it has set. Of the orders
    that had a check in this measurement, the share that still has one."""
    watchdog, records = measurement.functions["watchdog"], measurement.functions["relay"].records
    batch = max(fill.watch, records / measurement.orders)
    watched, checks = records / batch, watchdog.records * fill.checked
    messages = watched * parts(batch, checks / records, CHECKS_BATCHED_MAX)
    sends = watched * parts(batch, checks / records, CHECKS_BATCHED_MAX * SEND_BATCH)
    handled = messages / fill.watchdog

    def rebatched_(calls: Calls) -> Calls:
        if calls.service == "sqs":
            chunks = max(sends, (calls.chunks - calls.requests) * fill.checked + sends)
            return msgspec.structs.replace(calls, requests=sends, entries=messages, chunks=chunks)
        return msgspec.structs.replace(
            calls,
            requests=handled if calls.operation == "BatchGetItem" else calls.requests,
            entries=calls.entries * fill.checked,
            read_units=calls.read_units * fill.checked,
        )

    return msgspec.structs.replace(
        watchdog,
        invocations=watched + handled,
        records=checks,
        messages=messages,
        calls=[*map(rebatched_, watchdog.calls)],
    )


def _relay_rebatched(measurement: Measurement, relay: FunctionUse, fill: BatchFill) -> FunctionUse:
    invocations = relay.records / fill.relay

    def rebatched_(calls: Calls) -> Calls:
        most, carried, queue = SEND_BATCH, calls.entries, calls.resource
        if calls.service == "sqs":
            most *= COMMANDS_BATCHED_MAX
            carried = measurement.functions[f"deliver-{queue}"].records
        requests = invocations * parts(fill.relay, carried / relay.records, most)
        chunks = max(requests, calls.chunks - calls.requests + requests)
        return msgspec.structs.replace(calls, requests=requests, chunks=chunks)

    return msgspec.structs.replace(
        relay,
        invocations=invocations,
        messages=relay.records,
        calls=[*map(rebatched_, relay.calls)],
        log_lines=invocations if relay.log_lines else 0.0,
        log_bytes=relay.log_bytes / relay.log_lines * invocations if relay.log_lines else 0.0,
    )
