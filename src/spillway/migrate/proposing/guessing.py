"""From what init saw to a first configuration. Pure.

Every guess says why it was made, how sure it is (sure, likely, a guess) and what to look at. What
only the shop's own people can know stays `TODO`, which no other command accepts (decision 0051).
"""

from __future__ import annotations

from dataclasses import dataclass

from spillway.migrate.proposing.choosing import Connection, Guess
from spillway.migrate.proposing.joining import joined
from spillway.migrate.proposing.looking import Looked
from spillway.migrate.proposing.notes import Notes
from spillway.migrate.proposing.sections import (
    address,
    customers,
    lines,
    order,
    source,
    statuses,
    values,
)


@dataclass(frozen=True, slots=True)
class Proposal:
    """The file's text, the places that are left in it, and the view that must be made first."""

    text: str
    todos: tuple[str, ...]
    shape: str
    view: str | None = None


def propose(looked: Looked, connection: Connection) -> Proposal:
    """UsageError: the table has lines, and another one their orders."""
    g = Guess(looked, connection, joined(looked))
    notes = g.notes
    notes.set("quarantine_file", "quarantine.jsonl")
    order.currencies(g)
    place = len(notes.lines)
    order.order(g)
    address.address(g)
    lines.lines(g)
    customers.customers(g)
    values.money(g)
    values.times(g)
    values.texts(g)
    statuses.statuses(g)
    statuses.way_back(g)
    # The source comes first in the file; which columns a view needs is known only now.
    after, notes.lines = notes.lines[place:], notes.lines[:place]
    source.source(g)
    source.target(g)
    notes.lines += after
    head = Notes()
    source.preface(g, head)
    todos = tuple(dict.fromkeys(notes.todos))
    view = g.view.statement(g.used) if g.view else None
    return Proposal(f"{head.text}\n{notes.text}", todos, g.shape, view)
