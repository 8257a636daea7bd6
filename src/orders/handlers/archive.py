"""The schedule, once a day; or an operator, who may name another part of the table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orders import wiring
from orders.domain.keeping import DAY_MS, PARTS
from orders.failures import TransientFailure, error_location
from orders.flow.archive import Archive
from orders.ports import Log


class ArchiveFailed(Exception):
    """A bug, named only by its location."""


def handler(event: Mapping[str, Any], _context: object) -> None:
    handle(event, *wiring.archive())


wiring.prepare(wiring.archive)


def handle(event: Mapping[str, Any], archive: Archive, log: Log) -> None:
    """`{"segment": 0, "of": 1}` is the whole table; without them it is the part of the day. Raises
    when it fails, so that Lambda counts it."""
    started = archive.clock.now()
    of = int(event.get("of", PARTS))
    segment = int(event.get("segment", started // DAY_MS % of))

    def log_run(outcome: str, **fields: object) -> None:
        log("archive", outcome, duration_ms=archive.clock.now() - started, **fields)

    try:
        ran = archive.run(segment, of)
    except TransientFailure as failure:
        log_run("unavailable", detail=str(failure))
        raise
    except Exception as bug:  # noqa: BLE001 - it is raised again, without its text
        log_run("bug", error=error_location(bug))
        raise ArchiveFailed(error_location(bug)) from None
    if ran is None:
        log_run("busy")
    else:
        outcome = "unfinished" if ran.unfinished else "archived"
        log_run(outcome, archived=ran.archived, left=ran.left or None)
