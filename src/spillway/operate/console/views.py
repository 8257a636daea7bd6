"""What every page uses: its state, templates, events, and forms that only our pages can send.

A page's handler reads the service, which blocks, so it runs in a thread. It answers with a `Page`:
a template and its values. A page that stays up to date gets the same template's block `live` again
as server-sent events, each time that it has changed. Each open page has a stream of its own and
reads again after a pause. A page closes its stream when it is closed or hidden, and reads nothing
then.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from orders.domain.saga import DOWNSTREAM_OF
from spillway.errors import SpillwayError
from spillway.operate.console.state import AppState
from spillway.operate.console.timeline import span
from spillway.target.options import explain_unreachable
from spillway.ui.formatting import age, clock, counted, date_and_clock, money, rfc3339

FOLDER = Path(__file__).parent
#: A form has a dozen short fields; the longest is a list of a thousand empty shelves.
_FORM_BYTES_MAX = 128 * 1024
_FIELDS_MAX = 40


@dataclass(frozen=True, slots=True)
class Page:
    """The template `name` and its values. `events` is the address of the page's events, "" for a
    page that will not change."""

    name: str
    values: Mapping[str, Any]
    events: str = ""
    status: int = 200


class Refused(SpillwayError):
    """What the browser asked for can't be answered, with the HTTP status that says so."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


Form = Mapping[str, str]
Read = Callable[[AppState, Request], Page | Response]
Act = Callable[[AppState, Request, Form], Page | Response]


@dataclass(slots=True)
class Views:
    """Makes routes of the pages' handlers."""

    state: AppState
    templates: Environment

    def get(self, path: str, read: Read) -> Route:
        def answer(request: Request) -> Response:
            return self.response(self._read(read, request))

        return Route(path, answer)

    def events(self, path: str, read: Read) -> Route:
        """The events of a page: those of `_events`."""

        async def answer(request: Request) -> Response:
            return StreamingResponse(
                _events(lambda: self._live(read, request), self.state.reader.pause_seconds),
                media_type="text/event-stream",
            )

        return Route(path, answer)

    def post(self, path: str, act: Act) -> Route:
        """What one of our own forms does; each carries this process's token."""

        async def answer(request: Request) -> Response:
            form = await _form(request)
            return await run_in_threadpool(self._act, act, request, form)

        return Route(path, answer, methods=["POST"])

    def response(self, answer: Page | Response) -> Response:
        """The page with the frame around it."""
        if isinstance(answer, Response):
            return answer
        html = self._template(answer).render(_values(answer))
        return HTMLResponse(html, answer.status)

    def _read(self, read: Read, request: Request) -> Page | Response:
        with explain_unreachable():
            return read(self.state, request)

    def _act(self, act: Act, request: Request, form: Form) -> Response:
        if not hmac.compare_digest(form.get("token", "").encode(), self.state.token.encode()):
            sentence = "This form is from an earlier run of the console: go back and reload it."
            raise Refused(403, sentence)
        return self.response(self._read(lambda state, request: act(state, request, form), request))

    def _live(self, read: Read, request: Request) -> tuple[str, bool]:
        """The part of a page that may change, and whether it will."""
        page = self._read(read, request)
        if isinstance(page, Response):
            return "", False
        template = self._template(page)
        live = template.blocks["live"](template.new_context(_values(page)))
        return "".join(live), page.events != ""

    def _template(self, page: Page) -> Template:
        return self.templates.get_template(f"{page.name}.html")


def _values(page: Page) -> dict[str, Any]:
    return {
        "page": page.name,
        "events": page.events,
        "read_at": time.time_ns() // 1_000_000,
        **page.values,
    }


def back_to(path: str) -> Response:
    return RedirectResponse(path, 303)


def text(form: Form, name: str) -> str:
    return form.get(name, "").strip()


async def _events(read: Callable[[], tuple[str, bool]], pause_seconds: float) -> AsyncIterator[str]:
    """Events: `fragment` with HTML that has changed, `same` where it has not, `failed` with a
    sentence where the service does not answer, `final` when nothing will change again."""
    last: str | None = None
    while True:
        try:
            html, goes_on = await run_in_threadpool(read)
        except SpillwayError as error:
            yield _event("failed", str(error))
        else:
            yield _event("same") if html == last else _event("fragment", html)
            last = html
            if not goes_on:
                yield _event("final")
                return
        await asyncio.sleep(pause_seconds)


def _event(name: str, text: str = "") -> str:
    # A field is one line, so a text of several lines is several fields.
    return f"event: {name}\n" + "".join(f"data: {line}\n" for line in text.split("\n")) + "\n"


async def _form(request: Request) -> Form:
    """The fields of one of our forms (`application/x-www-form-urlencoded`); none of any other."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _FORM_BYTES_MAX:
            return {}
    try:
        return dict(parse_qsl(body.decode(), max_num_fields=_FIELDS_MAX))
    except ValueError:
        return {}


def environment(state: AppState) -> Environment:
    """Jinja2: every value is escaped, and an undefined name is an error."""
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "age": age,
        # The frame names the zone of all times.
        "clock": lambda at: clock(at).removesuffix("Z"),
        "moment": lambda at: date_and_clock(at).removesuffix(" UTC"),
        "rfc3339": rfc3339,
        "span": span,
        "downstream": DOWNSTREAM_OF.__getitem__,
        "count": lambda number: f"{number:,}",
        "counted": counted,
        "money": money,
        "words": lambda name: str(name).replace("_", " "),
    }
    stage = state.service.stage
    made.globals |= {"stage": stage, "is_local": state.is_local, "token": state.token}
    made.globals["pause_seconds"] = state.reader.pause_seconds
    # Known to every template without an import, also to a block that is rendered alone.
    made.globals["ui"] = made.get_template("macros.html").module
    return made
