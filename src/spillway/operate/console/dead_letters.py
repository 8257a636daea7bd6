"""The page of dead letters: which there are and why, what they say, moving them back, and setting
one aside."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from spillway.errors import SpillwayError
from spillway.operate.console import path as drawing
from spillway.operate.console.orders import address_of
from spillway.operate.console.state import AppState
from spillway.operate.console.views import Form, Page, back_to, text
from spillway.operate.redrive.dead_letters import advice, sources_in
from spillway.operate.redrive.reading import masked, what_it_is
from spillway.operate.redrive.report import remarks
from spillway.operate.status.parts import dead_letters_by_source


def dead_letters(state: AppState, _: Request, shown: str = "") -> Page:
    """Which there are now, and why those of the last look are there. `shown`: the id of the message
    whose body is shown as it is; all others are masked."""
    counts = dead_letters_by_source(state.reader.latest().parts)
    values = {
        "drawing": drawing,
        "counts": {name: counts[name] for name in sources_in(counts)},
        "redriving": state.redriving,
        "address_of": address_of,
        "messages": [
            (name, why, one)
            for name, found in state.redriving.found.items()
            for why, one in found.kept
        ],
        "shown": shown,
        "masked": masked,
        "what_it_is": what_it_is,
        "remarks": remarks,
        "advice": advice,
    }
    return Page("dead_letters", values, "/dead-letters/events")


def look(state: AppState, request: Request) -> Page:
    """The same, after looking at each."""
    # By a reading of a moment ago, a message that came since would stand here without its reason.
    state.reader.expire()
    counts = dead_letters_by_source(state.reader.latest().parts)
    state.redriving.look([name for name, count in counts.items() if count])
    return dead_letters(state, request)


def redrive(state: AppState, _: Request, form: Form) -> Response:
    state.redriving.begin([_queue(state, form)])
    return back_to("/dead-letters")


def message(state: AppState, request: Request, form: Form) -> Page:
    """The same, with one message's body as it is."""
    return dead_letters(state, request, shown=text(form, "message_id"))


def set_aside(state: AppState, _: Request, form: Form) -> Response:
    state.redriving.set_aside(_queue(state, form), text(form, "message_id"), text(form, "reason"))
    return back_to("/dead-letters")


def _queue(state: AppState, form: Form) -> str:
    name = text(form, "queue")
    if name not in sources_in(state.service.queues):
        raise SpillwayError(f"There are no dead letters of {name!r}.")
    return name
