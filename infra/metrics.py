"""Every metric that anything here looks at: the dashboard, the alarms, the commands, the docs.

What AWS measures for nothing comes first. A metric of our own is 0.30 dollars a month for each name
that has data in it, beyond the first ten of the account, and an embedded metric is log bytes on top
of that. So of our own there are only those that AWS cannot know, told from lines that are written
anyway (a metric filter costs nothing), and nearly all of them have data only while something is
wrong: a month without trouble has one (docs/decisions/0013-what-is-measured.md).
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
    """One that a service of AWS measures. `dimension` says of what: a queue, a function..."""

    namespace: str
    name: str
    dimension: str
    statistic: Statistic
    meaning: str


@dataclass(frozen=True, slots=True)
class ToldByLogs:
    """One of our own, from log lines. `pattern` is CloudWatch's; each line that fits adds `value`:
    a field of it, or 1."""

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
    "messages that wait in a queue; in a dead-letter queue, for a person",
)
OLDEST: Final = Metric(
    "AWS/SQS",
    "ApproximateAgeOfOldestMessage",
    "QueueName",
    "Maximum",
    "age in seconds of the oldest message that has been received less than three times",
)
SENT: Final = Metric(
    "AWS/SQS",
    "NumberOfMessagesSent",
    "QueueName",
    "Sum",
    "messages sent to a queue: commands or packs of up to six, orders that overflowed",
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
    "runs that ended in an error; ours do only in relay, or where they are killed",
)
DURATION: Final = Metric("AWS/Lambda", "Duration", "FunctionName", "p99", "run time in ms")
BEHIND: Final = Metric(
    "AWS/Lambda",
    "IteratorAge",
    "FunctionName",
    "Maximum",
    "age in ms of the latest change that relay was given: how far it is behind the table",
)
REQUESTS: Final = Metric("AWS/ApiGateway", "Count", "ApiId", "Sum", "requests of customers")
CLIENT_ERRORS: Final = Metric(
    "AWS/ApiGateway", "4xx", "ApiId", "Sum", "requests refused: bad token, broken rule, not found"
)
SERVER_ERRORS: Final = Metric(
    "AWS/ApiGateway", "5xx", "ApiId", "Sum", "requests answered with an honest no, or not at all"
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
    "AWS/DynamoDB", "ConsumedWriteCapacityUnits", "TableName", "Sum", "write units paid for"
)
THROTTLED: Final = Metric(
    "AWS/DynamoDB", "WriteThrottleEvents", "TableName", "Sum", "writes the table did not take"
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

SETTLE_TIME: Final = ToldByLogs(
    "SettleMs",
    DELIVERIES,
    "{ $.settle_ms >= 0 }",
    "$.settle_ms",
    "p99",
    "from the customer's last wish to the outcome that settled the order, in ms",
)
BUFFERED: Final = ToldByLogs(
    "BufferedSeconds",
    ("drain",),
    "{ $.buffered_s >= 0 }",
    "$.buffered_s",
    "Maximum",
    "age of an acknowledged order that is not in the table yet",
)
UNSETTLED: Final = ToldByLogs(
    "UnsettledSeconds",
    (*DELIVERIES, "watchdog"),
    "{ $.unsettled_s >= 0 }",
    "$.unsettled_s",
    "Maximum",
    "age of an order that has not settled: the oldest is the oldest unsettled one",
)
HALF_DONE: Final = ToldByLogs(
    "HalfDoneSeconds",
    (*DELIVERIES, "watchdog"),
    "{ $.half_done_s >= 0 }",
    "$.half_done_s",
    "Maximum",
    "the same, for orders of which one step is known and another is owed",
)
CONTRADICTIONS: Final = ToldByLogs(
    "Contradictions",
    DELIVERIES,
    '{ $.outcome = "contradicted" }',
    "1",
    "Sum",
    "a downstream answered otherwise than it did before, under the same idempotency key",
)
FOREIGN_ORDERS: Final = ToldByLogs(
    "ForeignOrders",
    ("reads",),
    '{ $.outcome = "foreign_order" }',
    "1",
    "Sum",
    "another customer's order was about to be shown, and was not",
)
ID_CLASHES: Final = ToldByLogs(
    "IdClashes",
    ("intake",),
    '{ $.rules[0] = "order_id_taken" }',
    "1",
    "Sum",
    "orders refused because their id already holds another order",
)
BUGS: Final = ToldByLogs(
    "Bugs",
    EVERY_FUNCTION,
    '{ $.outcome = "bug" }',
    "1",
    "Sum",
    "faults of our own; what they met with comes again or is set aside",
)
TOLD_BY_LOGS: Final = (
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
    """Our own metrics' namespace. They have no dimensions: each value of one is another metric."""
    return f"Spillway/{stage}"


def told_by(function: str) -> tuple[ToldByLogs, ...]:
    """The metrics that a function's lines tell."""
    return tuple(metric for metric in TOLD_BY_LOGS if function in metric.functions)
