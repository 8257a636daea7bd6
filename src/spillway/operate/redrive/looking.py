"""What is in the dead-letter queues and why, queue by queue; and the work of moving it back.

SQS shows a message only to its receiver. So looking at a dead letter receives it, and then makes it
visible again.
"""

from __future__ import annotations

from collections.abc import Collection

from spillway.operate.redrive.dead_letters import SOURCES, sources
from spillway.operate.redrive.found import Found
from spillway.operate.redrive.moving import Redrive
from spillway.target.service import Service


def look(service: Service, names: Collection[str] = SOURCES) -> list[Found]:
    """What is in the dead-letter queues of these `names`, in the order of the path."""
    looking = work(service, names, dry_run=True)
    looking.count()
    looking.run(lambda _: None)
    return list(looking.found.values())


def work(service: Service, names: Collection[str] = SOURCES, *, dry_run: bool) -> Redrive:
    """The work of looking, or of moving each dead letter back: call its `count`, then its `run`.

    Safe to repeat, and while orders come in.
    """
    known = sources(service.queues)
    return Redrive(
        sqs=service.sqs,
        streams=service.make_client("dynamodbstreams"),
        sources=[source for name, source in known.items() if name in names],
        dry_run=dry_run,
    )
