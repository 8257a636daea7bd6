"""From a measurement to what AWS bills, and what a month uses whether orders come or not.

Lambda's polls of a queue pass no proxy, so they are derived here:

| a poll's request | one for | source |
| --- | --- | --- |
| ReceiveMessage | each started 10 messages of a batch | SQS hands over at most 10 at once |
| DeleteMessageBatch | each started 10 messages of a batch | the same |
| ReceiveMessage that finds nothing | see `idle` | |
| GetRecords | nothing: Lambda's reads of a stream are free | DynamoDB's price list |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from infra.metrics import DELIVERIES
from infra.stage import TableClass
from orders.aws.parameters import FRESH_FOR_MS
from orders.aws.price_books import LOOK_AGAIN_MS
from spillway.plan.cost.batches import SEND_BATCH
from spillway.plan.cost.deployed import ACCESS_LOG_BYTES, Deployed
from spillway.plan.cost.measurement import Measurement
from spillway.plan.cost.meter import LOG_EVENT_BYTES
from spillway.plan.price_list import Usage, Use
from spillway.plan.work import Work
from spillway.target import limits

MONTH_SECONDS = 30 * 24 * 60 * 60
GB = 1_000_000_000
#: What no other design would save: `plan.cost.alternatives` leaves it out.
REQUESTS_TO_DOWNSTREAMS = "downstreams: requests to them"
_ANSWERS = "API: answers to customers"
#: What DynamoDB adds to each item for keeping it.
STORED_ITEM_OVERHEAD_BYTES = 100
_ITEMS_PER_ORDER = 2
#: Functions that read a secret: intake, and a delivery for each downstream.
_WITH_SECRETS = ("intake", *DELIVERIES)


def usage_of(measurement: Measurement, times: Mapping[str, Work], stage: Deployed) -> Usage:
    """What all that was measured uses, once: without keeping the orders. `times` are by function,
    for batches as full as those measured."""
    return Usage(
        (
            *_api(measurement),
            *_functions(measurement, times, stage),
            *_table(measurement, stage.table_class),
            *_queues(measurement),
            *_logs(measurement, stage),
        )
    )


def kept(measurement: Measurement, table_class: TableClass) -> Usage:
    """What keeping one order for a month uses."""
    stored = measurement.order_bytes + measurement.progress_bytes
    overhead = STORED_ITEM_OVERHEAD_BYTES * _ITEMS_PER_ORDER
    gb = (stored / measurement.orders + overhead) / GB
    return Usage(
        (
            Use("table: kept a month", table_price("storage", table_class), gb),
            Use("table: kept recoverable", "dynamodb.recovery", gb),
        )
    )


def idle(stage: Deployed) -> Usage:
    """A month without any order. No function runs, but Lambda keeps polling the queues.

    Counted with the longest long poll that SQS allows.
    """
    polls = limits.SQS_POLLERS_IDLE * MONTH_SECONDS / limits.SQS_POLL_SECONDS
    return _monthly(
        ("queues: polls that find nothing", "sqs.requests", len(stage.sources) * polls),
        ("alarms", "cloudwatch.alarms", stage.alarms),
        ("dashboard", "cloudwatch.dashboards", stage.dashboards),
    ) + network(stage.interface_endpoints, stage.nat_gateways)


def network(interface_endpoints: int, nat_gateways: int) -> Usage:
    """A month of what deliveries in a VPC reach AWS by. A NAT gateway has a public address, which
    has a price of its own. What passes is not counted."""
    hours = MONTH_SECONDS / 3_600
    return _monthly(
        ("VPC: interface endpoints", "vpc.endpoint_hours", interface_endpoints * hours),
        ("VPC: NAT gateways", "vpc.nat_hours", nat_gateways * hours),
        ("VPC: their addresses", "vpc.address_hours", nat_gateways * hours),
    )


def working(stage: Deployed) -> Usage:
    """What a month with orders adds: metrics, charged once they have data, and secrets and the list
    of price books, which each working environment reads again when they are no longer fresh.

    Counted with one environment of each busy function all month.
    """
    decrypted = len(_WITH_SECRETS) * MONTH_SECONDS / (FRESH_FOR_MS / 1_000)
    return _monthly(
        ("secrets: decrypted", "kms.requests", decrypted),
        ("price books: looked for", "s3.gets", MONTH_SECONDS / (LOOK_AGAIN_MS / 1_000)),
        ("metrics", "cloudwatch.metrics", stage.custom_metrics),
    )


def _monthly(*uses: tuple[str, str, float]) -> Usage:
    return Usage(
        tuple(Use(name, price, units, per_month=True) for name, price, units in uses if units)
    )


def _api(measurement: Measurement) -> Iterator[Use]:
    yield Use("API: requests", "http_api.requests", measurement.requests)
    yield Use(_ANSWERS, "transfer.out", measurement.response_bytes / GB)
    # Nothing where they are in the same Region's network, reached by private addresses.
    yield Use(REQUESTS_TO_DOWNSTREAMS, "transfer.out", measurement.downstream_bytes / GB)


def through_cloudfront(usage: Usage, measurement: Measurement, looks: float) -> Usage:
    """The same order by way of the store's own address, as a browser sends it. CloudFront fetches
    the answers from the API for nothing, and has its own price for handing them on."""
    answers = sum(use.units for use in usage if use.name == _ANSWERS)
    orders = measurement.request_bytes / measurement.orders / GB
    return Usage(
        (
            *(use for use in usage if use.name != _ANSWERS),
            Use("CloudFront: requests", "cloudfront.requests", 1 + looks),
            Use("CloudFront: answers to customers", "cloudfront.out", answers),
            Use("CloudFront: orders to the API", "cloudfront.to_origin", orders),
        )
    )


def _functions(
    measurement: Measurement, times: Mapping[str, Work], stage: Deployed
) -> Iterator[Use]:
    for name, use in measurement.functions.items():
        if not use.invocations:
            continue
        yield Use(f"{name}: invocations", "lambda.requests", use.invocations)
        seconds = times[name].seconds(use.records / use.invocations)
        gb_seconds = use.invocations * billed(seconds) * stage.memory_mb[name] / 1024
        yield Use(f"{name}: time", "lambda.gb_seconds", gb_seconds)


def billed(seconds: float) -> float:
    """Lambda bills each started millisecond: on average half a millisecond more."""
    return seconds + 0.0005


def table_price(what: str, table_class: TableClass) -> str:
    """The name of a price of the orders table: of its `write_units`, `read_units` or `storage`."""
    return f"dynamodb.{'ia_' if table_class == 'infrequent_access' else ''}{what}"


def _table(measurement: Measurement, table_class: TableClass) -> Iterator[Use]:
    for operation, kind, name in (
        ("PutItem", "write_units", "orders written"),
        ("UpdateItem", "write_units", "facts"),
        ("GetItem", "read_units", "orders read"),
        ("Query", "read_units", "orders looked up"),
        ("BatchGetItem", "read_units", "progress checked"),
    ):
        units = measurement.total(kind, service="dynamodb", operation=operation)
        if units:
            yield Use(f"table: {name}", table_price(kind, table_class), units)


def _queues(measurement: Measurement) -> Iterator[Use]:
    for calls in measurement.calls(service="sqs"):
        what = "checks" if calls.resource == "watchdog" else "commands"
        is_send = calls.operation.startswith("SendMessage")
        name = f"queues: {what} sent" if is_send else "queues: retries"
        yield Use(name, "sqs.requests", calls.chunks)
    for name, use in measurement.functions.items():
        if not use.messages or not (name.startswith("deliver-") or name in ("watchdog", "drain")):
            continue
        what = "checks" if name == "watchdog" else "commands"
        polls = use.messages / min(SEND_BATCH, use.messages / use.invocations)
        yield Use(f"queues: {what} received", "sqs.requests", polls)
        yield Use(f"queues: {what} deleted", "sqs.requests", polls)
    published = measurement.total("chunks", service="sns")
    if published:
        yield Use("topic: events published", "sns.requests", published)


def _logs(measurement: Measurement, stage: Deployed) -> Iterator[Use]:
    functions = sum(
        use.log_bytes + use.log_lines * LOG_EVENT_BYTES for use in measurement.functions.values()
    )
    access = measurement.requests * (ACCESS_LOG_BYTES + LOG_EVENT_BYTES)
    yield Use("logs: of the functions", "logs.ingested", functions / GB)
    yield Use("logs: of the API", "logs.ingested_infrequent", access / GB)
    months = stage.log_days / 30
    yield Use("logs: kept", "logs.stored", (functions + access) / GB * months)
