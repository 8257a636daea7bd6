"""The live path, the charts, and the downstreams' fault settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from orders.domain.saga import DOWNSTREAMS
from spillway.errors import SpillwayError
from spillway.operate.console.asking import ask
from spillway.operate.console.events import Fragment
from spillway.operate.console.faults import AT_REST, fault_settings_of
from spillway.operate.console.path import LINKS, fault_labels, path_view
from spillway.operate.console.state import AppState
from spillway.operate.console.traffic import ORDERS_MAX
from spillway.operate.console.views import Form, Views, back_to, events, text
from spillway.operate.status.history import Chart, Span, read_history

#: The charts' ranges by name: how many seconds back, and the seconds of each point.
RANGES = {
    "15m": (15 * 60, 15),
    "1h": (60 * 60, 60),
    "6h": (6 * 60 * 60, 300),
    "1d": (24 * 60 * 60, 900),
    "1w": (7 * 24 * 60 * 60, 3_600),
}
RANGES_LOCAL = ("15m", "1h")
#: CloudWatch has a point a minute.
RANGES_AWS = ("1h", "6h", "1d", "1w")
CHARTS_PAUSE_SECONDS = 5
CHARTS_PAUSE_AWS_SECONDS = 60


async def _path(state: AppState) -> dict[str, Any]:
    """What the templates need to show the path of an order."""
    status = await state.status.get()
    view = path_view(status, state.reader.samples)
    faults = {name: fault_labels(on) for name, on in (status.faults or {}).items()}
    return {"view": view, "status": status, "faults": faults}


@dataclass(frozen=True, slots=True)
class PathPage:
    """The path of an order, as it is now."""

    views: Views

    async def live(self, _: Request) -> Fragment:
        return await self.views.fragment("path", **await _path(await self.views.state()))

    async def page(self, request: Request) -> Response:
        fragment = await self.live(request)
        return await self.views.page("path", live=fragment.html, links=LINKS)

    def routes(self) -> list[Route]:
        return [Route("/", self.page), Route("/events", events(self.views, self.live))]


@dataclass(frozen=True, slots=True)
class ChartsPage:
    """The service over time."""

    views: Views

    async def page(self, request: Request) -> Response:
        state = await self.views.state()
        ranges = RANGES_LOCAL if state.is_local else RANGES_AWS
        chosen = request.query_params.get("range", ranges[0])
        if chosen not in ranges:
            chosen = ranges[0]
        charts = await self._charts(await self._span(chosen))
        pause = CHARTS_PAUSE_SECONDS if state.is_local else CHARTS_PAUSE_AWS_SECONDS
        return await self.views.page(
            "charts", charts=charts, ranges=ranges, chosen=chosen, pause=pause
        )

    async def data(self, request: Request) -> Response:
        chosen = request.query_params.get("range", "")
        if chosen not in RANGES:
            return JSONResponse({"title": "There is no such range."}, 404)
        span = await self._span(chosen)
        charts = [_document(chart) for chart in await self._charts(span)]
        return JSONResponse({"start": span.start, "end": span.end, "charts": charts})

    async def _span(self, chosen: str) -> Span:
        seconds, period = RANGES[chosen]
        end = (await self.views.state()).now()
        return Span(end - seconds, end, period)

    async def _charts(self, span: Span) -> list[Chart]:
        state = await self.views.state()

        def read() -> list[Chart]:
            if state.is_local:
                state.reader.read()
            return read_history(state.service, span, list(state.reader.samples))

        return await ask(read)

    def routes(self) -> list[Route]:
        return [Route("/charts", self.page), Route("/charts/data", self.data)]


def _document(chart: Chart) -> dict[str, object]:
    return {
        "name": chart.name,
        "unit": chart.unit,
        "series": [
            {"name": one.name, "points": [list(point) for point in one.points]}
            for one in chart.series
        ],
    }


@dataclass(frozen=True, slots=True)
class DownstreamsPage:
    """Faults on purpose, on this machine only."""

    views: Views

    async def live(self, _: Request) -> Fragment:
        state = await self.views.state()
        return await self.views.fragment("downstreams", **await _path(state), traffic=state.traffic)

    async def page(self, request: Request) -> Response:
        state = await self.views.state()
        if state.stack is None:
            sentence = "Faults can be set on this machine only: see `spillway up`."
            return await self.views.page("failure", status=404, sentence=sentence)
        stack = state.stack
        fault_settings = await ask(
            lambda: {name: stack.fault_settings(name) for name in DOWNSTREAMS}
        )
        fragment = await self.live(request)
        return await self.views.page(
            "downstreams",
            live=fragment.html,
            fault_settings=fault_settings,
            orders_max=ORDERS_MAX,
        )

    async def switch(self, request: Request, form: Form) -> Response:
        await self._switch([request.path_params["name"]], fault_settings_of(form))
        return back_to("/downstreams")

    async def outage(self, request: Request, form: Form) -> Response:
        await self._switch([request.path_params["name"]], {"outage": text(form, "outage") == "on"})
        return back_to("/downstreams")

    async def rest(self, _: Request, __: Form) -> Response:
        await self._switch(DOWNSTREAMS, AT_REST)
        return back_to("/downstreams")

    async def place(self, _: Request, form: Form) -> Response:
        state = await self.views.state()
        count = text(form, "count")
        if not (count.isdecimal() and 1 <= int(count) <= ORDERS_MAX):
            raise SpillwayError(f"From 1 to {ORDERS_MAX} orders, not {count}.")
        if state.traffic is not None:
            state.traffic.begin(int(count))
        return back_to("/downstreams")

    async def _switch(self, names: Sequence[str], changes: Mapping[str, Any]) -> None:
        state = await self.views.state()
        stack = state.stack
        if stack is None or not set(names) <= set(DOWNSTREAMS):
            raise SpillwayError("There is no such downstream on this machine.")

        def change() -> None:
            for name in names:
                stack.set_fault_settings(name, **changes)

        await ask(change)

    def routes(self) -> list[Route]:
        return [
            Route("/downstreams", self.page),
            Route("/downstreams/events", events(self.views, self.live)),
            self.views.action("/downstreams/rest", self.rest),
            self.views.action("/downstreams/orders", self.place),
            self.views.action("/downstreams/{name}", self.switch),
            self.views.action("/downstreams/{name}/outage", self.outage),
        ]
