"""How full batches are: the one thing in an order's price that depends on how many come at a time.

At a trickle every stream record is an invocation and every message a send, a receipt and a deletion
of its own; in a crowd a hundred records, and ten messages, share one. In between, what a poll finds
follows from the rate alone:

| batch | holds | source |
| --- | --- | --- |
| relay | what a shard got between two polls, four a second | Lambda with DynamoDB streams |
| deliver | what a relay batch sent to that queue; more once concurrency is used up | SQS, Lambda |
| watchdog | what came in its window | the mapping's own window |

How many commands a message holds follows from relay's batch: it packs what goes to one queue.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from orders.aws.queues import CHECKS_BATCHED_MAX, COMMANDS_BATCHED_MAX
from spillway.plan.cost.measurement import Measurement
from spillway.plan.limits import limits

#: Records that Lambda hands over at once at most, as infra.constructs has it (a test compares).
RELAY_BATCH = 200
DELIVER_BATCH = 10
WATCHDOG_BATCH = 100
WATCHDOG_WINDOW_SECONDS = 60.0
WATCHDOG_POLLERS = 2
#: Messages and events that one send takes.
SEND_BATCH = 10


@dataclass(frozen=True, slots=True)
class Fills:
    """In a batch, on average: relay's records, the others' messages."""

    relay: float
    deliver: float
    watchdog: float


TRICKLE = Fills(relay=1.0, deliver=1.0, watchdog=1.0)
CROWD = Fills(relay=RELAY_BATCH, deliver=DELIVER_BATCH, watchdog=WATCHDOG_BATCH)


@dataclass(frozen=True, slots=True)
class Packing:
    """How many commands, and watches, travel in one message at most."""

    commands: int
    checks: int

    def of(self, queue: str) -> int:
        return self.checks if queue == "watchdog" else self.commands


PACKED = Packing(COMMANDS_BATCHED_MAX, CHECKS_BATCHED_MAX)
NOT_PACKED = Packing(1, 1)


def fills_of(measurement: Measurement) -> Fills:
    """How full the batches of a run were."""

    def fill(*names: str) -> float:
        uses = [measurement.functions[name] for name in names]
        return sum(use.messages for use in uses) / sum(use.invocations for use in uses)

    delivers = [name for name in measurement.functions if name.startswith("deliver-")]
    return Fills(fill("relay"), fill(*delivers), fill("watchdog"))


def fills_at(
    orders_per_second: float,
    records_per_order: float,
    delivery_seconds: float,
    concurrency_max: float,
    packing: Packing,
) -> Fills:
    """How full batches are at a steady rate.

    `records_per_order` are those in the stream, `delivery_seconds` how long one delivery takes,
    `concurrency_max` how many run at once.
    """
    records = orders_per_second * records_per_order
    known = limits()
    shards = (
        max(known.table_new_write_units_per_second.value, 2 * records)
        / known.partition_write_units_per_second.value
    )
    between_polls = records / shards / known.stream_polls_per_second.value
    relay = min(float(RELAY_BATCH), _when_not_empty(between_polls))
    share = 1 / records_per_order
    burst = parcels(relay, share, packing.commands)
    crowded = orders_per_second * delivery_seconds / concurrency_max
    crowded /= per_message(relay, share, packing.commands)
    deliver = min(float(DELIVER_BATCH), max(1.0, burst, crowded))
    window = orders_per_second * WATCHDOG_WINDOW_SECONDS / WATCHDOG_POLLERS
    window /= per_message(relay, share, packing.checks)
    return Fills(relay, deliver, min(float(WATCHDOG_BATCH), 1 + window))


def _when_not_empty(mean: float) -> float:
    """The mean of a Poisson number that is not zero: an empty poll is no batch."""
    return mean / -math.expm1(-mean) if mean else 1.0


def per_message(records: float, share: float, packed_max: int) -> float:
    """Commands in a message, on average, of those that a relay batch of so many records sends."""
    return records * share / parcels(records, share, packed_max)


def parcels(records: float, share: float, most: int) -> float:
    """What a relay batch of so many records makes for a queue, when each record has something for
    it with this probability, and up to `most` go into one: messages of commands, or sends of
    messages.

    A binomial number. For batches of a size between two whole numbers, in between.
    """
    low = math.floor(records)
    between = records - low
    made = _parcels(low, share, most)
    return made if between == 0 else (1 - between) * made + between * _parcels(low + 1, share, most)


def _parcels(records: int, share: float, most: int) -> float:
    share = min(share, 1.0)
    probability = (1 - share) ** records
    if share >= 1:
        return float(-(-records // most))
    total = 0.0
    for one in range(records + 1):
        total += probability * -(-one // most)
        probability *= (records - one) / (one + 1) * share / (1 - share)
    return total
