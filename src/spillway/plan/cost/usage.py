"""From a measurement to what AWS bills, for batches of any size.

An order's records, commands, events, units and bytes do not depend on how they are batched, so they
stay as counted. Messages, sends, publishes and invocations are derived for other batches, and so
are the polls that Lambda makes for us, which no proxy sees:

| a poll's request | one for | source |
| --- | --- | --- |
| ReceiveMessage | each started 10 messages of a batch | SQS hands over at most 10 at once |
| DeleteMessageBatch | each started 10 messages of a batch | the same |
| ReceiveMessage that finds nothing | see `spillway.plan.cost.idle` | |
| GetRecords | nothing: Lambda's reads of a stream are free | DynamoDB's price list |

A test compares both: a crowd's measurement, rebatched to one record each, equals what was measured
one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from spillway.plan.cost.batches import SEND_BATCH, BatchFill, batched_max, parts
from spillway.plan.cost.durations import Calibration, Processor, work
from spillway.plan.cost.measurement import Calls, FunctionUse, Measurement
from spillway.plan.cost.meter import LOG_EVENT_BYTES
from spillway.plan.prices import Usage, Use
from spillway.plan.work import Work

_GB = 1_000_000_000
_SENDS = frozenset({"SendMessage", "SendMessageBatch"})
#: What DynamoDB adds to each item for keeping it.
STORED_ITEM_OVERHEAD_BYTES = 100
_ITEMS_PER_ORDER = 2


@dataclass(frozen=True, slots=True)
class Settings:
    """What a stage decides: functions' memory by name, days that logs are kept, the bytes of a line
    in the API's access log, and that line's price."""

    memory_mb: Mapping[str, float]
    log_days: float
    access_log_bytes: float
    access_log_price: str = "logs.ingested"


def usage_of(
    measurement: Measurement,
    fill: BatchFill,
    settings: Settings,
    processor: Mapping[str, Processor],
    figures: Calibration,
) -> Usage:
    """What one order uses, once: without keeping it, and without customers who look at it."""
    taken = rebatched(_without(measurement, "reads"), fill)
    uses = (
        *_api(taken),
        *_functions(taken, works(taken, settings, processor, figures), settings),
        *_table(taken),
        *_queues(taken),
        *_logs(taken, settings),
    )
    return Usage(uses).scaled(1 / measurement.orders)


def a_look(
    measurement: Measurement,
    settings: Settings,
    processor: Mapping[str, Processor],
    figures: Calibration,
) -> Usage:
    """What a customer's look at an order uses, as it was counted for `reads`."""
    reads = measurement.functions["reads"]
    looks = msgspec.structs.replace(
        measurement, functions={"reads": reads}, requests=reads.records, response_bytes=0.0
    )
    times = works(measurement, settings, processor, figures)
    uses = (
        *_api(looks),
        *_functions(looks, times, settings),
        *_table(looks),
        *_logs(looks, settings),
    )
    return Usage(tuple(use for use in uses if use.units)).scaled(1 / reads.records)


def _without(measurement: Measurement, name: str) -> Measurement:
    others = {one: use for one, use in measurement.functions.items() if one != name}
    return msgspec.structs.replace(measurement, functions=others)


def kept(measurement: Measurement) -> Usage:
    """What keeping one order for a month uses."""
    stored = measurement.order_bytes + measurement.progress_bytes
    overhead = STORED_ITEM_OVERHEAD_BYTES * _ITEMS_PER_ORDER
    gb = (stored / measurement.orders + overhead) / _GB
    return Usage(
        (
            Use("table: kept a month", "dynamodb.storage", gb),
            Use("table: kept recoverable", "dynamodb.recovery", gb),
        )
    )


def works(
    measurement: Measurement,
    settings: Settings,
    processor: Mapping[str, Processor],
    figures: Calibration,
) -> Mapping[str, Work]:
    """How long each function that ran takes for a batch as full as those measured."""
    return {
        name: work(name, use, processor[name], settings.memory_mb[name], figures)
        for name, use in measurement.functions.items()
        if use.invocations and name in processor
    }


def rebatched(measurement: Measurement, fill: BatchFill) -> Measurement:
    """The same run with batches as full as `fill` says, and messages as full as follows from it."""
    functions = dict(measurement.functions)
    relay = functions["relay"]
    for name, use in measurement.functions.items():
        own = _fill_of(name, fill)
        if own is None or not use.records:
            continue
        messages = relay.records / fill.relay
        messages *= parts(fill.relay, use.records / relay.records, batched_max(name))
        functions[name] = _function_rebatched(use, messages, own)
    functions["relay"] = _relay_rebatched(measurement, fill)
    return msgspec.structs.replace(measurement, functions=functions)


def _fill_of(name: str, fill: BatchFill) -> float | None:
    """None for a function that takes no messages of relay's."""
    if name.startswith("deliver-"):
        return fill.deliver
    return fill.watchdog if name == "watchdog" else None


def _function_rebatched(use: FunctionUse, messages: float, fill: float) -> FunctionUse:
    invocations = messages / fill
    calls = tuple(
        msgspec.structs.replace(calls, requests=invocations, chunks=0.0)
        if calls.operation == "BatchGetItem"
        else calls
        for calls in use.calls
    )
    return msgspec.structs.replace(use, invocations=invocations, messages=messages, calls=calls)


def _relay_rebatched(measurement: Measurement, fill: BatchFill) -> FunctionUse:
    relay = measurement.functions["relay"]
    invocations = relay.records / fill.relay

    def rebatched_(calls: Calls) -> Calls:
        most, carried = SEND_BATCH, calls.entries
        if calls.service == "sqs":
            most *= batched_max(calls.resource)
            carried = measurement.functions[_worker(calls.resource)].records
        requests = invocations * parts(fill.relay, carried / relay.records, most)
        chunks = max(requests, calls.chunks - calls.requests + requests)
        return msgspec.structs.replace(calls, requests=requests, chunks=chunks)

    return msgspec.structs.replace(
        relay,
        invocations=invocations,
        messages=relay.records,
        calls=tuple(map(rebatched_, relay.calls)),
        log_lines=invocations if relay.log_lines else 0.0,
        log_bytes=relay.log_bytes / relay.log_lines * invocations if relay.log_lines else 0.0,
    )


def _worker(queue: str) -> str:
    """The function that handles a queue's messages."""
    return queue if queue == "watchdog" else f"deliver-{queue}"


def _api(measurement: Measurement) -> Iterator[Use]:
    yield Use("API: requests", "http_api.requests", measurement.requests)
    yield Use("API: answers to customers", "transfer.out", measurement.response_bytes / _GB)


def _functions(
    measurement: Measurement, works_: Mapping[str, Work], settings: Settings
) -> Iterator[Use]:
    for name, use in measurement.functions.items():
        if not use.invocations:
            continue
        yield Use(f"{name}: invocations", "lambda.requests", use.invocations)
        seconds = works_[name].seconds(use.records / use.invocations)
        gb_seconds = use.invocations * billed(seconds) * settings.memory_mb[name] / 1024
        yield Use(f"{name}: time", "lambda.gb_seconds", gb_seconds)


def billed(seconds: float) -> float:
    """Lambda bills each started millisecond: on average half a millisecond more."""
    return seconds + 0.0005


def _table(measurement: Measurement) -> Iterator[Use]:
    for operation, name in (("PutItem", "table: orders written"), ("UpdateItem", "table: facts")):
        units = measurement.total("write_units", service="dynamodb", operation=operation)
        yield Use(name, "dynamodb.write_units", units)
    for operation, name in (
        ("GetItem", "table: orders read"),
        ("Query", "table: orders looked up"),
        ("BatchGetItem", "table: progress checked"),
    ):
        units = measurement.total("read_units", service="dynamodb", operation=operation)
        if units:
            yield Use(name, "dynamodb.read_units", units)


def _queues(measurement: Measurement) -> Iterator[Use]:
    for calls in measurement.calls(service="sqs"):
        what = "checks" if calls.resource == "watchdog" else "commands"
        name = f"queues: {what} sent" if calls.operation in _SENDS else "queues: retries"
        yield Use(name, "sqs.requests", calls.chunks)
    for name, use in measurement.functions.items():
        if not use.records or not (name.startswith("deliver-") or name in ("watchdog", "drain")):
            continue
        what = "checks" if name == "watchdog" else "commands"
        polls = use.messages / min(SEND_BATCH, use.messages / use.invocations)
        yield Use(f"queues: {what} received", "sqs.requests", polls)
        yield Use(f"queues: {what} deleted", "sqs.requests", polls)
    published = measurement.total("chunks", service="sns")
    yield Use("topic: events published", "sns.requests", published)


def _logs(measurement: Measurement, settings: Settings) -> Iterator[Use]:
    functions = sum(
        use.log_bytes + use.log_lines * LOG_EVENT_BYTES for use in measurement.functions.values()
    )
    access = measurement.requests * (settings.access_log_bytes + LOG_EVENT_BYTES)
    yield Use("logs: of the functions", "logs.ingested", functions / _GB)
    yield Use("logs: of the API", settings.access_log_price, access / _GB)
    months = settings.log_days / 30
    yield Use("logs: kept", "logs.stored", (functions + access) / _GB * months)
