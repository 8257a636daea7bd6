"""The page of dead letters: which there are and why, and moving them back."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from spillway.errors import SpillwayError
from spillway.operate.console import path as drawing
from spillway.operate.console.orders import address_of
from spillway.operate.console.state import AppState
from spillway.operate.console.views import Form, Page, back_to, text
from spillway.operate.redrive.dead_letters import SOURCES
from spillway.operate.redrive.report import remarks
from spillway.operate.status.parts import dead_letters_by_source


def dead_letters(state: AppState, _: Request) -> Page:
    """Which there are now, and why those of the last look are there."""
    counts = dead_letters_by_source(state.reader.latest().parts)
    values = {
        "drawing": drawing,
        "counts": {name: counts[name] for name in SOURCES},
        "redriving": state.redriving,
        "address_of": address_of,
        "remarks": remarks,
    }
    return Page("dead_letters", values, "/dead-letters/events")


def look(state: AppState, request: Request) -> Page:
    """The same, after looking at each."""
    counts = dead_letters_by_source(state.reader.latest().parts)
    state.redriving.look([name for name, count in counts.items() if count])
    return dead_letters(state, request)


def redrive(state: AppState, _: Request, form: Form) -> Response:
    name = text(form, "queue")
    if name not in SOURCES:
        raise SpillwayError(f"There are no dead letters of {name!r}.")
    state.redriving.begin([name])
    return back_to("/dead-letters")
