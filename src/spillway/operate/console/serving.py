"""The application, put together."""

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
from spillway.operate.console.desk import Desk
from spillway.operate.console.guard import Guard
from spillway.operate.console.orders import OrderPages
from spillway.operate.console.pages import ChartsPage, DownstreamsPage, PathPage
from spillway.operate.console.rendering import FOLDER
from spillway.operate.console.showing import Showing
from spillway.operate.console.stack import StackPage
from spillway.paths import PROJECT
from spillway.run.stack.ports import LOOPBACK

#: The libraries that pages use, as npm brought them, by the name that they are served under.
VENDORED = {
    "uPlot.js": "uplot/dist/uPlot.esm.js",
    "uPlot.css": "uplot/dist/uPlot.min.css",
    "idiomorph.js": "idiomorph/dist/idiomorph.esm.js",
}


def application(open_desk: Callable[[], Desk], *, port: int, key: str | None = None) -> Starlette:
    """The console on `port`. `open_desk` is called when the first page is asked for; what it raises
    as SpillwayError is shown. `key`: see `spillway.operate.console.guard`."""
    showing = Showing(open_desk)

    async def failed(_: Request, error: Exception) -> Response:
        try:
            return await showing.page("failure", status=503, sentence=str(error))
        except SpillwayError:
            return PlainTextResponse(f"{error}\n", 503)

    async def missing(_: Request, __: Exception) -> Response:
        return await showing.page("failure", status=404, sentence="There is no such page.")

    return Starlette(
        routes=[
            *PathPage(showing).routes(),
            *OrderPages(showing).routes(),
            *DeadLetterPages(showing).routes(),
            *ChartsPage(showing).routes(),
            *DownstreamsPage(showing).routes(),
            *StackPage(showing).routes(),
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
