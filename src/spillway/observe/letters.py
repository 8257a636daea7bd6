"""What lies with the dead letters and why, part by part; moving them back is `spillway.redrive`'s.

SQS shows a message only to who receives it, so a look takes each letter in hand for a moment, and
puts it back.
"""

from __future__ import annotations

from collections.abc import Collection

from spillway.observe.service import Service
from spillway.redrive.found import Found
from spillway.redrive.letters import SOURCES, sources
from spillway.redrive.moving import Redrive


def look(service: Service, names: Collection[str] = SOURCES) -> list[Found]:
    """What lies there, by `names` of the parts whose letters they are, in the order of the path."""
    work = _work(service, names, dry_run=True)
    return list(work.found.values())


def move_back(service: Service, names: Collection[str] = SOURCES) -> list[Found]:
    """The same, each letter moved back to be tried again: safe to repeat and while orders come."""
    return list(_work(service, names, dry_run=False).found.values())


def _work(service: Service, names: Collection[str], *, dry_run: bool) -> Redrive:
    known = sources(service.queues)
    work = Redrive(
        sqs=service.sqs,
        streams=service.make_client("dynamodbstreams"),
        sources=[source for name, source in known.items() if name in names],
        dry_run=dry_run,
    )
    work.count()
    work.run(lambda _: None)
    return work
