"""How Lambda reads the queues and the stream: the numbers, apart from the CDK.

The constructs deploy them and the simulation's world keeps to them, so that the two cannot drift
apart (tests/infra/test_event_sources.py compares the templates with them).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.stage import Stage
from orders.aws import items
from orders.domain.saga import ONCE_RESERVED, Outcome, Step
from orders.domain.units import Millis

#: The longest outage that messages must outlast.
OUTAGE_SECONDS_MAX = 24 * 60 * 60
#: The largest count that SQS allows. Each receive uses up one, also one whose function died or
#: could not start.
RECEIVES_MAX = 1_000
#: Lambda ends an init after so long, and begins to count the function's timeout after it.
INIT_SECONDS_MAX = 10

#: The largest batch without a batching window, which would delay every order.
DELIVER_BATCH_SIZE = 10
DRAIN_BATCH_SIZE = 10
#: The least that Lambda offers. Each places one order after the other: a few hundred a second
#: together, where the smallest table takes 4,000. Live orders come first.
DRAIN_CONCURRENCY_MAX = 2
OUTCOMES_BATCH_SIZE = 10
#: Each takes one message after the other, some tens a second.
OUTCOMES_CONCURRENCY_MAX = 10
#: Nearly every order has settled when it is checked, and nothing is urgent. Large batches, each
#: collected for a while, make a check cost a read and hardly an invocation.
WATCHDOG_BATCH_SIZE = 100
WATCHDOG_CONCURRENCY_MAX = 2

#: Records at once. A quarter of them has a command for a given queue: fifty, which go into one send
#: of ten batch messages.
RELAY_BATCH_SIZE = 200
#: The watch reads the stream for itself. An order whose records come in one batch, and that has
#: settled by then, costs no check. Nothing waits for a batch, so it is filled for as long as Lambda
#: can. Its size is for the function's 128 MB: it takes 50 MB, 14 more for so many changes of usual
#: size (2 MB), and 29 for 4,000, which may be the 6 MB that Lambda hands over at most. A larger
#: batch would spare checks only where hundreds of orders come in the time that one takes to settle,
#: and there a check shares its requests with 99 others.
WATCH_BATCH_SIZE = 2_000
#: A record is retried for 22 of the 24 h that the stream keeps it. Then its place in the stream
#: goes to the dead letters, with two hours left to read it there.
RECORD_AGE_SECONDS_MAX = 22 * 60 * 60


@dataclass(frozen=True, slots=True)
class QueueSource:
    """A queue and the function that processes it.

    `window_seconds`: how long a batch may wait to be filled.
    """

    function: str
    function_timeout_seconds: int
    batch_size: int
    concurrency_max: int
    delay_seconds: int = 0
    window_seconds: int = 0

    @property
    def visibility_seconds(self) -> int:
        """How long a message that was received is hidden, unless the function postpones it: for as
        long as its function may take, and no longer, for a function that died tells nobody.

        AWS advises six times the timeout, in which Lambda would try a batch again that was
        throttled (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html). These
        queues have a maximum concurrency, and whatever throttles besides costs one of
        `RECEIVES_MAX` receives at a time (decision 0064).
        """
        return self.window_seconds + INIT_SECONDS_MAX + self.function_timeout_seconds


#: A filter pattern of Lambda's: https://docs.aws.amazon.com/lambda/latest/dg/with-ddb-filtering.html
Pattern = Mapping[str, Any]

_THERE = ({"exists": True},)
#: The note on a progress item when one express write has settled its order.
_SETTLED = items.express_note(
    {step: Outcome(Millis(0)) for step in (Step.RESERVE, *ONCE_RESERVED)}
)["S"]
#: What relay is invoked for where no event is published: all but the first facts of an order that
#: the express path has settled with them. Nothing is owed then.
#:
#: Lambda looks only at leaves of `dynamodb`. Only the last pattern needs that `exists` means a leaf
#: whose parents are not there either, as it does for EventBridge; if it ever did not, what relay
#: would miss are first facts, and the watch, which has no filter, would see that their order is
#: owed something.
CALLS_FOR_SOMETHING: tuple[Pattern, ...] = (
    # An item that was there before: a change, a deletion.
    {"dynamodb": {"OldImage": {"pk": {"S": _THERE}}}},
    # A new order.
    {"dynamodb": {"NewImage": {"accepted_at": {"N": _THERE}}}},
    # An order that a cancellation brings back from the archive, with all its facts.
    {"dynamodb": {"NewImage": {items.CANCELLATION: {"M": {"at": {"N": _THERE}}}}}},
    # First facts of any other order.
    {
        "dynamodb": {
            "NewImage": {items.EXPRESS: {"S": ({"exists": False}, {"anything-but": (_SETTLED,)})}}
        }
    },
)


@dataclass(frozen=True, slots=True)
class StreamSource:
    """A function that processes the table's stream. DynamoDB bears two of them: each shard may be
    read by two at a time.

    `dead_letters`: the name of the queue, without the stage and `-dead-letters`, that gets the
    places of records that have grown too old. `parallelization`: batches of one shard at a time.
    `filters`: Lambda hands over the records that match one of these patterns; all where there is
    none.
    """

    function: str
    dead_letters: str
    batch_size: int
    window_seconds: int = 0
    parallelization: int = 1
    filters: tuple[Pattern, ...] = ()


def stream_sources(stage: Stage) -> Mapping[str, StreamSource]:
    """By the function's name."""
    return {
        "relay": StreamSource(
            function="relay",
            dead_letters="relay",
            batch_size=RELAY_BATCH_SIZE,
            parallelization=stage.relay.parallelization,
            filters=() if stage.events.published else CALLS_FOR_SOMETHING,
        ),
        "watchdog": StreamSource(
            function="watchdog",
            dead_letters="watchdog",
            batch_size=WATCH_BATCH_SIZE,
            window_seconds=stage.watchdog.stream_window_seconds,
        ),
    }


def queue_sources(stage: Stage) -> Mapping[str, QueueSource]:
    """By the queue's name: one for each downstream, overflow and watchdog, and one for what each
    downstream tells that does."""
    functions = stage.functions
    return {
        **{
            name: QueueSource(
                function=f"deliver-{name}",
                function_timeout_seconds=functions.deliver.timeout_seconds,
                batch_size=DELIVER_BATCH_SIZE,
                concurrency_max=stage.deliveries_max[name],
            )
            for name in stage.deliveries_max
        },
        **{
            f"outcomes-{name}": QueueSource(
                function="outcomes",
                function_timeout_seconds=functions.outcomes.timeout_seconds,
                batch_size=OUTCOMES_BATCH_SIZE,
                concurrency_max=OUTCOMES_CONCURRENCY_MAX,
            )
            for name in stage.tellers
        },
        "overflow": QueueSource(
            function="drain",
            function_timeout_seconds=functions.drain.timeout_seconds,
            batch_size=DRAIN_BATCH_SIZE,
            concurrency_max=DRAIN_CONCURRENCY_MAX,
        ),
        "watchdog": QueueSource(
            function="watchdog",
            function_timeout_seconds=functions.watchdog.timeout_seconds,
            batch_size=WATCHDOG_BATCH_SIZE,
            concurrency_max=WATCHDOG_CONCURRENCY_MAX,
            delay_seconds=stage.watchdog.delay_seconds,
            window_seconds=stage.watchdog.window_seconds,
        ),
    }
