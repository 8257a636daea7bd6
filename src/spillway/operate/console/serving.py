"""The console's web application."""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from spillway.errors import SpillwayError
from spillway.operate.console.dead_letters import DeadLetterPages
from spillway.operate.console.guard import Guard
from spillway.operate.console.orders import OrderPages
from spillway.operate.console.pages import ChartsPage, DownstreamsPage, PathPage
from spillway.operate.console.rendering import FOLDER
from spillway.operate.console.stack import StackPage
from spillway.operate.console.state import AppState
from spillway.operate.console.views import Views
from spillway.paths import PROJECT
from spillway.run.stack.ports import LOOPBACK

#: The libraries that pages use, as npm brought them, by the name that they are served under.
VENDORED = {
    "uPlot.js": "uplot/dist/uPlot.esm.js",
    "uPlot.css": "uplot/dist/uPlot.min.css",
    "idiomorph.js": "idiomorph/dist/idiomorph.esm.js",
}


def application(
    open_state: Callable[[], AppState], *, port: int, key: str | None = None
) -> Starlette:
    """The console on `port`. `open_state` is called for the first page, and a SpillwayError that it
    raises is shown. `key`: see `spillway.operate.console.guard`."""
    views = Views(open_state)

    async def failed(_: Request, error: Exception) -> Response:
        try:
            return await views.page("failure", status=503, sentence=str(error))
        except SpillwayError:
            return PlainTextResponse(f"{error}\n", 503)

    async def missing(_: Request, __: Exception) -> Response:
        return await views.page("failure", status=404, sentence="There is no such page.")

    return Starlette(
        routes=[
            *PathPage(views).routes(),
            *OrderPages(views).routes(),
            *DeadLetterPages(views).routes(),
            *ChartsPage(views).routes(),
            *DownstreamsPage(views).routes(),
            *StackPage(views).routes(),
            Mount("/static", StaticFiles(directory=FOLDER / "static")),
            Route("/vendor/{name}", _vendored),
        ],
        middleware=[
            Middleware(Guard, hosts={f"{name}:{port}" for name in (LOOPBACK, "localhost")}, key=key)
        ],
        exception_handlers={SpillwayError: failed, 404: missing},
    )


async def _vendored(request: Request) -> Response:
    file = VENDORED.get(request.path_params["name"])
    if file is None:
        return PlainTextResponse("There is no such file.\n", 404)
    return FileResponse(PROJECT / "node_modules" / file)
