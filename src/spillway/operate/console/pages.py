"""The live path, charts, and the downstreams' fault settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from orders.domain.saga import DOWNSTREAMS
from spillway.errors import SpillwayError
from spillway.operate.console.desk import Desk
from spillway.operate.console.events import Fragment
from spillway.operate.console.faults import AT_REST, fault_settings_of
from spillway.operate.console.path import LINKS, fault_words, path_view
from spillway.operate.console.showing import Form, Showing, back_to, events, text
from spillway.operate.console.traffic import ORDERS_MAX
from spillway.operate.history import Chart, Span, read_history
from spillway.target.options import told_if_silent

#: Ranges of the charts by name: how many seconds back, and seconds for each point.
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


async def _path(desk: Desk) -> dict[str, Any]:
    """What the templates show of the path of an order."""
    status = await desk.status.get()
    view = path_view(status, desk.reader.samples)
    faults = {name: fault_words(on) for name, on in (status.faults or {}).items()}
    return {"view": view, "status": status, "faults": faults}


@dataclass(frozen=True, slots=True)
class PathPage:
    """The path of an order, as it is now."""

    showing: Showing

    async def live(self, _: Request) -> Fragment:
        return await self.showing.fragment("path", **await _path(await self.showing.desk()))

    async def page(self, request: Request) -> Response:
        fragment = await self.live(request)
        return await self.showing.page("path", live=fragment.html, links=LINKS)

    def routes(self) -> list[Route]:
        return [Route("/", self.page), Route("/events", events(self.showing, self.live))]


@dataclass(frozen=True, slots=True)
class ChartsPage:
    """How it went over time."""

    showing: Showing

    async def page(self, request: Request) -> Response:
        desk = await self.showing.desk()
        ranges = RANGES_LOCAL if desk.is_local else RANGES_AWS
        chosen = request.query_params.get("range", ranges[0])
        if chosen not in ranges:
            chosen = ranges[0]
        charts = await self._charts(await self._span(chosen))
        pause = CHARTS_PAUSE_SECONDS if desk.is_local else CHARTS_PAUSE_AWS_SECONDS
        return await self.showing.page(
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
        end = (await self.showing.desk()).now()
        return Span(end - seconds, end, period)

    async def _charts(self, span: Span) -> list[Chart]:
        desk = await self.showing.desk()

        def read() -> list[Chart]:
            with told_if_silent():
                if desk.is_local:
                    desk.reader.read()
                return read_history(desk.service, span, list(desk.reader.samples))

        return await run_in_threadpool(read)

    def routes(self) -> list[Route]:
        return [Route("/charts", self.page), Route("/charts/data", self.data)]


def _document(chart: Chart) -> dict[str, object]:
    return {
        "name": chart.name,
        "unit": chart.unit,
        "courses": [
            {"name": course.name, "points": [list(point) for point in course.points]}
            for course in chart.courses
        ],
    }


@dataclass(frozen=True, slots=True)
class DownstreamsPage:
    """On this machine only: what breaks things on purpose."""

    showing: Showing

    async def live(self, _: Request) -> Fragment:
        desk = await self.showing.desk()
        return await self.showing.fragment("downstreams", **await _path(desk), traffic=desk.traffic)

    async def page(self, request: Request) -> Response:
        desk = await self.showing.desk()
        if desk.stack is None:
            sentence = "Downstreams can be broken on this machine only: see `spillway up`."
            return await self.showing.page("failure", status=404, sentence=sentence)
        stack = desk.stack
        fault_settings = await run_in_threadpool(
            lambda: {name: stack.fault_settings(name) for name in DOWNSTREAMS}
        )
        fragment = await self.live(request)
        return await self.showing.page(
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
        desk = await self.showing.desk()
        count = text(form, "count")
        if not (count.isdecimal() and 1 <= int(count) <= ORDERS_MAX):
            raise SpillwayError(f"From 1 to {ORDERS_MAX} orders, not {count}.")
        if desk.traffic is not None:
            desk.traffic.begin(int(count))
        return back_to("/downstreams")

    async def _switch(self, names: Sequence[str], changes: Mapping[str, Any]) -> None:
        desk = await self.showing.desk()
        stack = desk.stack
        if stack is None or not set(names) <= set(DOWNSTREAMS):
            raise SpillwayError("There is no such downstream to break here.")

        def change() -> None:
            with told_if_silent():
                for name in names:
                    stack.set_fault_settings(name, **changes)

        await run_in_threadpool(change)

    def routes(self) -> list[Route]:
        return [
            Route("/downstreams", self.page),
            Route("/downstreams/events", events(self.showing, self.live)),
            self.showing.action("/downstreams/rest", self.rest),
            self.showing.action("/downstreams/orders", self.place),
            self.showing.action("/downstreams/{name}", self.switch),
            self.showing.action("/downstreams/{name}/outage", self.outage),
        ]
