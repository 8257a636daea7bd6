"""What every handler uses: the state, the templates, and forms that only our pages can send."""

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

from spillway.operate.console.events import Fragment, stream
from spillway.operate.console.rendering import environment
from spillway.operate.console.state import AppState

#: A form has a dozen short fields; the longest is a list of a thousand empty shelves.
_FORM_BYTES_MAX = 128 * 1024
_FIELDS_MAX = 40

Handler = Callable[[Request], Awaitable[Response]]
Form = Mapping[str, str]
Action = Callable[[Request, Form], Awaitable[Response]]


@dataclass(slots=True)
class Views:
    """`open_state` is called once, for the first page."""

    open_state: Callable[[], AppState]
    templates: Any = field(default_factory=environment)
    _state: AppState | None = None
    _opening: threading.Lock = field(default_factory=threading.Lock)

    async def state(self) -> AppState:
        """SpillwayError: the service can't be reached."""
        return await run_in_threadpool(self._open) if self._state is None else self._state

    def _open(self) -> AppState:
        with self._opening:
            if self._state is None:
                self._state = self.open_state()
            return self._state

    async def page(self, name: str, *, status: int = 200, **context: Any) -> Response:
        """The page `name`, with the frame around it."""
        state = await self.state()
        return HTMLResponse(
            self.templates.get_template(f"{name}.html").render(
                page=name,
                stage=state.service.stage,
                is_local=state.is_local,
                token=state.token,
                **context,
            ),
            status,
        )

    async def fragment(self, name: str, *, final: bool = False, **context: Any) -> Fragment:
        """The part of the page `name` that may change."""
        state = await self.state()
        html = self.templates.get_template(f"{name}_live.html").render(
            token=state.token, is_local=state.is_local, **context
        )
        return Fragment(html, final)

    def action(self, path: str, act: Action) -> Route:
        """A POST by one of our own forms, which carry this process's token."""

        async def guarded(request: Request) -> Response:
            state = await self.state()
            form = await _form(request)
            if not hmac.compare_digest(text(form, "token").encode(), state.token.encode()):
                sentence = "This form is from an earlier run of the console: go back and reload it."
                return await self.page("failure", status=403, sentence=sentence)
            return await act(request, form)

        return Route(path, guarded, methods=["POST"])


def events(views: Views, read: Callable[[Request], Awaitable[Fragment]]) -> Handler:
    """The stream of events for a page; `read` renders its fragment."""

    async def answer(request: Request) -> Response:
        state = await views.state()
        return stream(lambda: read(request), state.reader.pause_seconds)

    return answer


def back_to(path: str) -> Response:
    return RedirectResponse(path, 303)


def text(form: Form, name: str) -> str:
    return form.get(name, "").strip()


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
