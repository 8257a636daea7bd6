"""Every metric that the dashboard, the alarms, the commands and the docs use.

The metrics that AWS measures for free come first. A metric of our own costs 0.30 dollars a month
for each name with data, beyond the first ten of the account, and an embedded metric adds log bytes.
So our own metrics are only those that AWS cannot know. Metric filters, which are free, read them
from lines that are logged anyway. Nearly all have data only while something is wrong: a month
without problems has one (decision 0013).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Final, Literal

from orders.domain.saga import DOWNSTREAMS

DELIVERIES: Final = tuple(f"deliver-{downstream}" for downstream in DOWNSTREAMS)
#: Those of an order's path. A stage on which orders leave the table also has `ARCHIVE`, one with a
#: downstream that tells what it decides later `OUTCOMES`.
EVERY_FUNCTION: Final = ("intake", "drain", "relay", *DELIVERIES, "watchdog", "reads")
ARCHIVE: Final = "archive"
#: A stage with `[payments]` has it too.
PAYMENTS: Final = "payments"
OUTCOMES: Final = "outcomes"
#: Those that have a downstream's answer.
_DECIDED: Final = (*DELIVERIES, OUTCOMES)

Statistic = Literal["Maximum", "Sum", "SampleCount", "p50", "p99"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric that AWS measures. `dimension` names what is measured: a queue, a function..."""

    namespace: str
    dimension: str
    name: str
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


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Metric math of two metrics: 1 while `cause` has happened and `effect` has not, both counted
    since the first period that the alarm looks at, else 0.

    Counted so, an effect that follows a moment later, in the next period, ends it, and one cause
    alone is enough. Each metric counts what happened to the thing named beside it.
    """

    name: str
    cause: tuple[Metric, str]
    effect: tuple[Metric, str]

    statistic: ClassVar[Statistic] = "Maximum"
    #: With FILL, because neither has data while nothing happens. See "Using math expressions with
    #: CloudWatch metrics" in the CloudWatch User Guide.
    expression: ClassVar[str] = (
        "IF(RUNNING_SUM(FILL(cause, 0)) > 0 AND RUNNING_SUM(FILL(effect, 0)) == 0, 1, 0)"
    )


_queue = partial(Metric, "AWS/SQS", "QueueName")
_function = partial(Metric, "AWS/Lambda", "FunctionName")
_api = partial(Metric, "AWS/ApiGateway", "ApiId")
_table = partial(Metric, "AWS/DynamoDB", "TableName")
_topic = partial(Metric, "AWS/SNS", "TopicName")

WAITING: Final = _queue(
    "ApproximateNumberOfMessagesVisible",
    "Maximum",
    "messages that wait in a queue; in a dead-letter queue, for manual action",
)
OLDEST: Final = _queue(
    "ApproximateAgeOfOldestMessage",
    "Maximum",
    "age in seconds of the oldest message that was received fewer than three times",
)
SENT: Final = _queue(
    "NumberOfMessagesSent",
    "Sum",
    "messages sent to a queue: commands or batches of up to six (with `[express]` to fulfilment and"
    " accounting only those that inventory's delivery has left), orders that overflowed",
)
FINISHED: Final = _queue(
    "NumberOfMessagesDeleted",
    "Sum",
    "messages that a function has finished with: commands tried or delivered, orders drained",
)
RUNS: Final = _function("Invocations", "Sum", "how often it ran")
ERRORS: Final = _function(
    "Errors",
    "Sum",
    "runs that failed: only relay fails on purpose, others only when they are killed",
)
DURATION: Final = _function("Duration", "p99", "run time in ms")
BEHIND: Final = _function(
    "IteratorAge",
    "Maximum",
    "age in ms of the latest change that relay received: how far it is behind the table",
)
REQUESTS: Final = _api("Count", "Sum", "customers' requests")
CLIENT_ERRORS: Final = _api("4xx", "Sum", "requests refused: bad token, broken rule, not found")
SERVER_ERRORS: Final = _api(
    "5xx", "Sum", "requests that the service could not answer (503), or that failed"
)
LATENCY: Final = _api("Latency", "p99", "time to answer in ms")
PLACED: Final = _table(
    "SuccessfulRequestLatency",
    "SampleCount",
    "with Operation PutItem: orders placed by intake and drain, but those with a limited coupon",
)
UNRELAYED: Final = Unanswered("PlacedNotRelayed", (PLACED, "orders"), (RUNS, "relay"))
WRITE_UNITS: Final = _table("ConsumedWriteCapacityUnits", "Sum", "write units that are billed")
THROTTLED: Final = _table("WriteThrottleEvents", "Sum", "writes that the table refused")
ANNOUNCED: Final = _topic("NumberOfMessagesPublished", "Sum", "order events announced")
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


def _field(
    name: str,
    functions: tuple[str, ...],
    field: str,
    meaning: str,
    statistic: Statistic = "Maximum",
) -> LogMetric:
    return LogMetric(name, functions, f"{{ $.{field} >= 0 }}", f"$.{field}", statistic, meaning)


def _count(name: str, functions: tuple[str, ...], condition: str, meaning: str) -> LogMetric:
    return LogMetric(name, functions, f"{{ $.{condition} }}", "1", "Sum", meaning)


SETTLE_TIME: Final = _field(
    "SettleMs",
    _DECIDED,
    "settle_ms",
    "ms from the customer's last request to the outcome that settled the order, of those in the"
    " sample where [good news is sampled](logs.md#good-news)",
    "p99",
)
BUFFERED: Final = _field(
    "BufferedSeconds",
    ("drain",),
    "buffered_s",
    "age of an acknowledged order that is not in the table yet",
)
UNSETTLED: Final = _field(
    "UnsettledSeconds",
    (*DELIVERIES, "watchdog"),
    "unsettled_s",
    "age of an order that has not settled; the maximum is the oldest one",
)
HALF_DONE: Final = _field(
    "HalfDoneSeconds",
    (*DELIVERIES, "watchdog"),
    "half_done_s",
    "the same, for orders with one step done and another owed",
)
CONTRADICTIONS: Final = _count(
    "Contradictions",
    _DECIDED,
    'outcome = "contradicted"',
    "a downstream gave two different answers under one idempotency key",
)
FOREIGN_ORDERS: Final = _count(
    "ForeignOrders",
    ("reads",),
    'outcome = "foreign_order"',
    "another customer's order was about to be shown; it was not",
)
FORGED: Final = _count(
    "ForgedOutcomes",
    (OUTCOMES,),
    'outcome = "forged"',
    "callbacks whose signature did not hold",
)
ID_CLASHES: Final = _count(
    "IdClashes",
    ("intake",),
    'rules[0] = "order_id_taken"',
    "orders refused because their id already holds another order",
)
PRICE_BOOKS_UNREAD: Final = _count(
    "PriceBooksUnread",
    ("intake",),
    'outcome = "price_book_unread"',
    "the list of price books, or a book, could not be read; the last one stays in force",
)
PAYMENTS_FOR_A_PERSON: Final = _field(
    "PaymentsForAPerson",
    (PAYMENTS,),
    "for_a_person",
    "payments that are neither ordered nor given back until a person has looked at them",
)
#: One for both: a metric and an alarm more are 0.40 dollars a month. The line says which it is.
NEEDS_FIX: Final = LogMetric(
    "NeedsFix",
    # Of payments, which run once an hour, `payments-stopped` rings until a run succeeds.
    (*EVERY_FUNCTION, ARCHIVE, OUTCOMES),
    '{ ($.outcome = "bug") || ($.outcome = "misconfigured") }',
    "1",
    "Sum",
    "our code failed (`bug`), or a downstream's answer says nothing of the order, as 401"
    " (`misconfigured`); the message is retried, a bug's in the end dead-lettered",
)
LOG_METRICS: Final = (
    SETTLE_TIME,
    BUFFERED,
    UNSETTLED,
    HALF_DONE,
    CONTRADICTIONS,
    FOREIGN_ORDERS,
    FORGED,
    ID_CLASHES,
    PRICE_BOOKS_UNREAD,
    PAYMENTS_FOR_A_PERSON,
    NEEDS_FIX,
)


def namespace(stage: str) -> str:
    """The namespace of our own metrics. They have no dimensions, because each value of a dimension
    is billed as another metric."""
    return f"Spillway/{stage}"


def log_metrics_of(function: str) -> tuple[LogMetric, ...]:
    """The metrics that are read from a function's log lines."""
    return tuple(metric for metric in LOG_METRICS if function in metric.functions)
