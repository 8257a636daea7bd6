"""What every handler has at hand: the desk, templates, forms that are really ours."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from spillway.operate.console.desk import Desk
from spillway.operate.console.events import Fragment, stream
from spillway.operate.console.rendering import environment

#: A form of ours has a dozen short fields; a thousand empty shelves are the most in one.
_FORM_BYTES_MAX = 128 * 1024
_FIELDS_MAX = 40

Handler = Callable[[Request], Awaitable[Response]]
Form = Mapping[str, str]
Action = Callable[[Request, Form], Awaitable[Response]]


@dataclass(slots=True)
class Showing:
    """`open_desk` is called once, when the first page asks for it."""

    open_desk: Callable[[], Desk]
    templates: Any = field(default_factory=environment)
    _desk: Desk | None = None
    _opening: threading.Lock = field(default_factory=threading.Lock)

    async def desk(self) -> Desk:
        """Raises SpillwayError where the service can't be reached."""
        return await run_in_threadpool(self._open) if self._desk is None else self._desk

    def _open(self) -> Desk:
        with self._opening:
            if self._desk is None:
                self._desk = self.open_desk()
            return self._desk

    async def page(self, name: str, *, status: int = 200, **context: Any) -> Response:
        """The page `name`, with the frame around it."""
        desk = await self.desk()
        return HTMLResponse(
            self.templates.get_template(f"{name}.html").render(
                page=name,
                stage=desk.service.stage,
                is_local=desk.is_local,
                token=desk.token,
                **context,
            ),
            status,
        )

    async def fragment(self, name: str, *, final: bool = False, **context: Any) -> Fragment:
        """The part of the page `name` that may change."""
        desk = await self.desk()
        html = self.templates.get_template(f"{name}_live.html").render(
            token=desk.token, is_local=desk.is_local, **context
        )
        return Fragment(html, final)

    def action(self, path: str, act: Action) -> Route:
        """A POST by one of our own forms, which hold this process's token."""

        async def guarded(request: Request) -> Response:
            desk = await self.desk()
            form = await _form(request)
            if not hmac.compare_digest(text(form, "token").encode(), desk.token.encode()):
                sentence = (
                    "This form is of an earlier run of the console: go back and load it anew."
                )
                return await self.page("failure", status=403, sentence=sentence)
            return await act(request, form)

        return Route(path, guarded, methods=["POST"])


def events(showing: Showing, read: Callable[[Request], Awaitable[Fragment]]) -> Handler:
    """The stream of a page whose fragment `read` makes."""

    async def answer(request: Request) -> Response:
        desk = await showing.desk()
        return stream(lambda: read(request), desk.reader.pause_seconds)

    return answer


def back_to(path: str) -> Response:
    return RedirectResponse(path, 303)


def text(form: Form, name: str) -> str:
    return form.get(name, "").strip()


async def _form(request: Request) -> Form:
    """What a form of ours sends: `application/x-www-form-urlencoded`. Nothing where it is not."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _FORM_BYTES_MAX:
            return {}
    try:
        return dict(parse_qsl(body.decode(), max_num_fields=_FIELDS_MAX))
    except ValueError:
        return {}
