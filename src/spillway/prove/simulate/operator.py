"""The operator: what a person does to a running stack, rightly or wrongly."""

from __future__ import annotations

from contextlib import suppress

from botocore.exceptions import BotoCoreError, ClientError

from orders.domain.order import OrderKey
from orders.domain.promises import Promise
from simulation.world.chance import Chance
from simulation.world.scheduler import Process
from simulation.world.sqs import Queue
from simulation.world.world import World
from spillway.errors import SpillwayError
from spillway.operate.orders.resuming import hand_over
from spillway.operate.redrive.dead_letters import SOURCES, source_of
from spillway.operate.redrive.moving import Redrive

#: How long a redrive may take before the terminal is closed.
PATIENCE_MS = 10 * 60 * 1000


def redrive(world: World) -> None:
    """`spillway redrive`, at a moment when nothing goes wrong."""
    _command(world, sleep=lambda _: None)


def redrive_meanwhile(world: World) -> None:
    """The same while everything goes on, the network to it included: it may end half way."""
    scheduler = world.scheduler

    def sleep(seconds: float) -> None:
        scheduler.sleep(round(seconds * 1000))

    def work() -> None:
        with suppress(ClientError, BotoCoreError):
            _command(world, sleep)

    process = Process("operator", scheduler.now + PATIENCE_MS, lambda _: None)
    scheduler.start("operator", process, Chance(world.seed, "operator"), work)


def force(world: World, key: OrderKey) -> None:
    """`spillway orders resume`, at a moment when nothing goes wrong: what it owes is sent again,
    what is true is announced again."""
    try:
        hand_over(world.client("sqs"), world.queues["watchdog"].url, [key])
    except SpillwayError as error:
        order = (key.customer_id, key.order_id)
        world.invariants.breaks(Promise.ALWAYS_SETTLES, order, str(error))


def discard(dead_letters: Queue, body: str) -> None:
    """Delete by hand the messages that no redrive can finish. While they are there, the watchdog
    assumes that whatever it misses is among them (decision 0009)."""
    for dead_letter in list(dead_letters.messages.values()):
        if dead_letter.body == body:
            dead_letters.delete(dead_letter)


def purge(world: World, queue: str) -> None:
    """Empty a command queue by mistake. SQS has a button for it."""
    world.invariants.purged = True
    for message in list(world.queues[queue].messages.values()):
        world.queues[queue].delete(message)


def _command(world: World, sleep: object) -> None:
    queues = {
        name.replace("-dead-letters", "_dead_letter"): queue.url
        for name, queue in world.queues.items()
    }
    command = Redrive(
        world.client("sqs"),
        world.client("dynamodbstreams"),
        [source_of(queues, name) for name in SOURCES],
        dry_run=False,
        sleep=sleep,  # type: ignore[arg-type]
    )
    command.run()
