"""Every metric that the dashboard, the alarms, the commands and the docs use.

The metrics that AWS measures for free come first. A metric of our own costs 0.30 dollars a month
for each name with data, beyond the first ten of the account, and an embedded metric adds log bytes.
So our own metrics are only those that AWS cannot know. Metric filters, which are free, read them
from lines that are logged anyway. Nearly all have data only while something is wrong: a month
without problems has one (decision 0013).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from orders.domain.saga import DOWNSTREAMS

DELIVERIES: Final = tuple(f"deliver-{downstream}" for downstream in DOWNSTREAMS)
EVERY_FUNCTION: Final = ("intake", "drain", "relay", *DELIVERIES, "watchdog", "reads")

Statistic = Literal["Maximum", "Sum", "SampleCount", "p50", "p99"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric that AWS measures. `dimension` names what is measured: a queue, a function..."""

    namespace: str
    name: str
    dimension: str
    statistic: Statistic
    meaning: str


@dataclass(frozen=True, slots=True)
class LogMetric:
    """A metric of our own, read from log lines. `pattern` is CloudWatch's; each line that matches
    adds `value`: a field of the line, or 1."""

    name: str
    functions: tuple[str, ...]
    pattern: str
    value: str
    statistic: Statistic
    meaning: str


WAITING: Final = Metric(
    "AWS/SQS",
    "ApproximateNumberOfMessagesVisible",
    "QueueName",
    "Maximum",
    "messages that wait in a queue; in a dead-letter queue, for manual action",
)
OLDEST: Final = Metric(
    "AWS/SQS",
    "ApproximateAgeOfOldestMessage",
    "QueueName",
    "Maximum",
    "age in seconds of the oldest message that was received fewer than three times",
)
SENT: Final = Metric(
    "AWS/SQS",
    "NumberOfMessagesSent",
    "QueueName",
    "Sum",
    "messages sent to a queue: commands or batches of up to six, orders that overflowed",
)
FINISHED: Final = Metric(
    "AWS/SQS",
    "NumberOfMessagesDeleted",
    "QueueName",
    "Sum",
    "messages that a function has finished with: commands tried or delivered, orders drained",
)
RUNS: Final = Metric("AWS/Lambda", "Invocations", "FunctionName", "Sum", "how often it ran")
ERRORS: Final = Metric(
    "AWS/Lambda",
    "Errors",
    "FunctionName",
    "Sum",
    "runs that failed: only relay fails on purpose, others only when they are killed",
)
DURATION: Final = Metric("AWS/Lambda", "Duration", "FunctionName", "p99", "run time in ms")
BEHIND: Final = Metric(
    "AWS/Lambda",
    "IteratorAge",
    "FunctionName",
    "Maximum",
    "age in ms of the latest change that relay received: how far it is behind the table",
)
REQUESTS: Final = Metric("AWS/ApiGateway", "Count", "ApiId", "Sum", "customers' requests")
CLIENT_ERRORS: Final = Metric(
    "AWS/ApiGateway", "4xx", "ApiId", "Sum", "requests refused: bad token, broken rule, not found"
)
SERVER_ERRORS: Final = Metric(
    "AWS/ApiGateway",
    "5xx",
    "ApiId",
    "Sum",
    "requests that the service could not answer (503), or that failed",
)
LATENCY: Final = Metric("AWS/ApiGateway", "Latency", "ApiId", "p99", "time to answer in ms")
PLACED: Final = Metric(
    "AWS/DynamoDB",
    "SuccessfulRequestLatency",
    "TableName",
    "SampleCount",
    "with Operation PutItem: orders placed, by intake and drain",
)
WRITE_UNITS: Final = Metric(
    "AWS/DynamoDB", "ConsumedWriteCapacityUnits", "TableName", "Sum", "write units that are billed"
)
THROTTLED: Final = Metric(
    "AWS/DynamoDB", "WriteThrottleEvents", "TableName", "Sum", "writes that the table refused"
)
ANNOUNCED: Final = Metric(
    "AWS/SNS", "NumberOfMessagesPublished", "TopicName", "Sum", "order events announced"
)
MEASURED_BY_AWS: Final = (
    REQUESTS,
    CLIENT_ERRORS,
    SERVER_ERRORS,
    LATENCY,
    PLACED,
    WRITE_UNITS,
    THROTTLED,
    WAITING,
    OLDEST,
    SENT,
    FINISHED,
    RUNS,
    ERRORS,
    DURATION,
    BEHIND,
    ANNOUNCED,
)

SETTLE_TIME: Final = LogMetric(
    "SettleMs",
    DELIVERIES,
    "{ $.settle_ms >= 0 }",
    "$.settle_ms",
    "p99",
    "ms from the customer's last request to the outcome that settled the order",
)
BUFFERED: Final = LogMetric(
    "BufferedSeconds",
    ("drain",),
    "{ $.buffered_s >= 0 }",
    "$.buffered_s",
    "Maximum",
    "age of an acknowledged order that is not in the table yet",
)
UNSETTLED: Final = LogMetric(
    "UnsettledSeconds",
    (*DELIVERIES, "watchdog"),
    "{ $.unsettled_s >= 0 }",
    "$.unsettled_s",
    "Maximum",
    "age of an order that has not settled; the maximum is the oldest one",
)
HALF_DONE: Final = LogMetric(
    "HalfDoneSeconds",
    (*DELIVERIES, "watchdog"),
    "{ $.half_done_s >= 0 }",
    "$.half_done_s",
    "Maximum",
    "the same, for orders with one step done and another owed",
)
CONTRADICTIONS: Final = LogMetric(
    "Contradictions",
    DELIVERIES,
    '{ $.outcome = "contradicted" }',
    "1",
    "Sum",
    "a downstream gave two different answers under one idempotency key",
)
FOREIGN_ORDERS: Final = LogMetric(
    "ForeignOrders",
    ("reads",),
    '{ $.outcome = "foreign_order" }',
    "1",
    "Sum",
    "another customer's order was about to be shown; it was not",
)
ID_CLASHES: Final = LogMetric(
    "IdClashes",
    ("intake",),
    '{ $.rules[0] = "order_id_taken" }',
    "1",
    "Sum",
    "orders refused because their id already holds another order",
)
BUGS: Final = LogMetric(
    "Bugs",
    EVERY_FUNCTION,
    '{ $.outcome = "bug" }',
    "1",
    "Sum",
    "our code failed; the message is retried or dead-lettered",
)
LOG_METRICS: Final = (
    SETTLE_TIME,
    BUFFERED,
    UNSETTLED,
    HALF_DONE,
    CONTRADICTIONS,
    FOREIGN_ORDERS,
    ID_CLASHES,
    BUGS,
)


def namespace(stage: str) -> str:
    """The namespace of our own metrics. They have no dimensions, because each value of a dimension
    is billed as another metric."""
    return f"Spillway/{stage}"


def log_metrics_of(function: str) -> tuple[LogMetric, ...]:
    """The metrics that are read from a function's log lines."""
    return tuple(metric for metric in LOG_METRICS if function in metric.functions)
