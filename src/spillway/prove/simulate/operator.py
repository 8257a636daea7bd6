"""The operator: what a person does to a running stack, rightly or wrongly."""

from __future__ import annotations

from contextlib import suppress

from botocore.exceptions import BotoCoreError, ClientError

from orders.aws import items
from orders.aws.messages import message_of
from orders.domain.order import Order, OrderKey
from orders.domain.promises import Promise
from orders.domain.saga import DOWNSTREAM_OF, Step
from orders.ports import Command
from simulation.world.bucket import S3Client
from simulation.world.chance import Chance
from simulation.world.scheduler import Process
from simulation.world.sqs import Queue
from simulation.world.world import ARCHIVE_BUCKET, ORDERS_TABLE, World
from spillway.errors import SpillwayError
from spillway.operate.customers.erasing import Erasing
from spillway.operate.orders.resuming import hand_over
from spillway.operate.redrive.dead_letters import SOURCES, source_of
from spillway.operate.redrive.moving import Redrive
from spillway.target.archive import Archive
from spillway.target.reading import OrdersTable

#: How long a redrive may take before the terminal is closed.
PATIENCE_MS = 10 * 60 * 1000
ALL_DAYS = 3_650


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


def archive(world: World) -> None:
    """A run of the archive over the whole table, as the schedule starts it."""

    def ended(_: object, error: str | None) -> None:
        if error is not None:
            world.invariants.raised("archive", error)

    world.functions["archive"].invoke("run", {"segment": 0, "of": 1}, ended)


def reconcile(world: World) -> None:
    """A run of payments over all that was ever paid, as an operator starts it."""

    def ended(_: object, error: str | None) -> None:
        if error is not None:
            world.invariants.raised("payments", error)

    world.functions["payments"].invoke("run", {"days": ALL_DAYS}, ended)


def command_again(world: World, key: OrderKey) -> None:
    """Redrive dead letters that nobody has looked at for months: all that was ever commanded."""
    for step in Step:
        queue = world.queues[DOWNSTREAM_OF[step]]
        body = message_of(Command(key, step))
        if step.value in _facts(world, key):
            queue.send(world.label(body), body, {}, None)


def erase(world: World, key: OrderKey) -> Order | None:
    """`spillway customers erase`, of one order of theirs, at a moment when nothing goes wrong; but
    others are in the middle of what they do. Returns what is left of the order, None where it has
    not settled or is none."""
    archive = Archive(lambda: S3Client(world.archive, ARCHIVE_BUCKET), lambda: ARCHIVE_BUCKET)
    orders = OrdersTable(world.client("dynamodb"), ORDERS_TABLE, archive)
    stored = orders.items_of(key)
    if not stored or items.is_void(stored[0]):
        return None
    if Erasing(orders, archive, world.now()).erased(key, stored) == "left":
        return None
    erased = orders.order(key)
    return None if erased is None else erased.order


def _facts(world: World, key: OrderKey) -> items.Item:
    """An order's progress, wherever it is; nothing where there is none."""
    there = world.table.get((key.customer_id, key.order_id))
    if there is not None and items.is_stub(there):
        return (world.invariants.archived(there) or ({}, {}))[1]
    return world.table.get((key.customer_id, key.order_id + items.PROGRESS_SUFFIX)) or {}


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
