"""What is in the dead-letter queues and why, part by part; `operate.redrive` moves it back.

SQS shows a message only to who receives it, so a look takes each letter in hand for a moment, and
puts it back.
"""

from __future__ import annotations

from collections.abc import Collection

from spillway.operate.redrive.dead_letters import SOURCES, sources
from spillway.operate.redrive.found import Found
from spillway.operate.redrive.moving import Redrive
from spillway.target.service import Service


def look(service: Service, names: Collection[str] = SOURCES) -> list[Found]:
    """What lies there, by `names` of the parts whose letters they are, in the order of the path."""
    looking = work(service, names, dry_run=True)
    looking.count()
    looking.run(lambda _: None)
    return list(looking.found.values())


def work(service: Service, names: Collection[str] = SOURCES, *, dry_run: bool) -> Redrive:
    """The work of looking, or of moving each letter back to be tried again: safe to repeat and
    while orders come. Begins with its `count`."""
    known = sources(service.queues)
    return Redrive(
        sqs=service.sqs,
        streams=service.make_client("dynamodbstreams"),
        sources=[source for name, source in known.items() if name in names],
        dry_run=dry_run,
    )
