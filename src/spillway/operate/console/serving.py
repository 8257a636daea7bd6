"""The console's web application: every address and its handler."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from spillway.errors import SpillwayError
from spillway.operate.console import dead_letters, orders, pages
from spillway.operate.console.guard import Guard
from spillway.operate.console.stack import this_stack
from spillway.operate.console.state import AppState
from spillway.operate.console.views import FOLDER, Page, Refused, Views, environment
from spillway.paths import PROJECT
from spillway.run.stack.ports import LOOPBACK


class NoSuchPage(Refused):
    pass


#: The libraries that pages use, as npm brought them.
VENDORED = ("uplot", "idiomorph")


def application(state: AppState, *, port: int, key: str | None = None) -> Starlette:
    """The console on `port`. `key`: see `spillway.operate.console.guard`."""
    views = Views(state, environment(state))

    def failed(_: Request, error: Exception) -> Response:
        status = error.status if isinstance(error, Refused) else 503
        title = "Page not found" if isinstance(error, NoSuchPage) else "That didn't work"
        return views.response(
            Page("failure", {"title": title, "sentence": str(error)}, status=status)
        )

    def missing(request: Request, _: Exception) -> Response:
        return failed(request, NoSuchPage(404, "The console has no page at this address."))

    return Starlette(
        routes=[
            *_routes(views),
            Mount("/static", StaticFiles(directory=FOLDER / "static")),
            *(Mount(f"/vendor/{name}", _vendored(name)) for name in VENDORED),
        ],
        middleware=[
            Middleware(Guard, hosts={f"{name}:{port}" for name in (LOOPBACK, "localhost")}, key=key)
        ],
        exception_handlers={SpillwayError: failed, 404: missing},
    )


def _routes(views: Views) -> list[BaseRoute]:
    return [
        views.get("/", pages.path),
        views.events("/events", pages.path),
        views.get("/orders", orders.search),
        views.events("/orders/events", orders.search),
        views.post("/orders/find", orders.find),
        views.get("/orders/{order_id}", orders.order),
        views.events("/orders/{order_id}/events", orders.order),
        views.post("/orders/{order_id}/content", orders.content),
        views.get("/dead-letters", dead_letters.look),
        views.events("/dead-letters/events", dead_letters.dead_letters),
        views.post("/dead-letters/redrive", dead_letters.redrive),
        views.post("/dead-letters/message", dead_letters.message),
        views.post("/dead-letters/set-aside", dead_letters.set_aside),
        views.get("/charts", pages.charts),
        views.get("/charts/data", pages.charts_data),
        views.get("/downstreams", pages.downstreams),
        views.events("/downstreams/events", pages.downstreams),
        views.post("/downstreams/rest", pages.reset_faults),
        views.post("/downstreams/orders", pages.place_orders),
        views.post("/downstreams/{name}", pages.set_faults),
        views.post("/downstreams/{name}/outage", pages.set_outage),
        views.get("/stack", this_stack),
    ]


def _vendored(name: str) -> StaticFiles:
    return StaticFiles(directory=PROJECT / "node_modules" / name / "dist", check_dir=False)
