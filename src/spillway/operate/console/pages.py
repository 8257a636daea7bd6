"""The live path, the charts, and the downstreams' fault settings."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from orders.domain.saga import DOWNSTREAMS
from spillway.errors import SpillwayError
from spillway.operate.console import path as drawing
from spillway.operate.console.faults import fault_settings_of
from spillway.operate.console.state import AppState
from spillway.operate.console.traffic import ORDERS_MAX
from spillway.operate.console.views import Form, Page, Refused, back_to, text
from spillway.operate.status.history import REQUESTS, Chart, Span, read_history, unread_history

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


def path(state: AppState, _: Request) -> Page:
    return Page("path", {**_path(state), "campaigns": state.campaigns.latest()}, "/events")


def _path(state: AppState) -> dict[str, Any]:
    status = state.reader.latest()
    return {
        "drawing": drawing,
        "status": status,
        "parts": {part.name: part for part in status.parts},
        "samples": state.reader.samples,
    }


def charts(state: AppState, request: Request) -> Page:
    ranges = RANGES_LOCAL if state.is_local else RANGES_AWS
    chosen = request.query_params.get("range", ranges[0])
    if chosen not in ranges:
        chosen = ranges[0]
    values = {
        "charts": unread_history(),
        "ranges": ranges,
        "requests": REQUESTS,
        "chosen": chosen,
        "pause": CHARTS_PAUSE_SECONDS if state.is_local else CHARTS_PAUSE_AWS_SECONDS,
    }
    return Page("charts", values)


def charts_data(state: AppState, request: Request) -> Response:
    chosen = request.query_params.get("range", "")
    if chosen not in RANGES:
        return JSONResponse({"title": "There is no such range."}, 404)
    span = _span(chosen)
    drawn = [asdict(chart) for chart in _charts(state, span)]
    return JSONResponse({"start": span.start, "end": span.end, "charts": drawn})


def _span(chosen: str) -> Span:
    seconds, period = RANGES[chosen]
    end = time.time()
    return Span(end - seconds, end, period)


def _charts(state: AppState, span: Span) -> list[Chart]:
    if state.is_local:
        # Takes a sample, from which the queues' charts are drawn here.
        state.reader.latest()
    return read_history(state.service, span, list(state.reader.samples))


def downstreams(state: AppState, _: Request) -> Page:
    """Faults on purpose, on this machine only: which are set, and what waits because of them."""
    stack = state.stack
    if stack is None:
        raise Refused(404, "Faults can be set on this machine only: see `spillway up`.")
    values = {
        **_path(state),
        "traffic": state.traffic,
        "fault_settings": {name: stack.fault_settings(name) for name in DOWNSTREAMS},
        "orders_max": ORDERS_MAX,
    }
    return Page("downstreams", values, "/downstreams/events")


def set_faults(state: AppState, request: Request, form: Form) -> Response:
    return _switch(state, [request.path_params["name"]], fault_settings_of(form))


def set_outage(state: AppState, request: Request, form: Form) -> Response:
    return _switch(state, [request.path_params["name"]], {"outage": text(form, "outage") == "on"})


def reset_faults(state: AppState, _: Request, __: Form) -> Response:
    return _switch(state, DOWNSTREAMS, fault_settings_of({}))


def _switch(state: AppState, names: Sequence[str], changes: Mapping[str, Any]) -> Response:
    if state.stack is None or not set(names) <= set(DOWNSTREAMS):
        raise SpillwayError("There is no such downstream on this machine.")
    for name in names:
        state.stack.set_fault_settings(name, **changes)
    return back_to("/downstreams")


def place_orders(state: AppState, _: Request, form: Form) -> Response:
    count = text(form, "count")
    if not (count.isdecimal() and 1 <= int(count) <= ORDERS_MAX):
        raise SpillwayError(f"Enter a number from 1 to {ORDERS_MAX}.")
    if state.traffic is not None:
        state.traffic.begin(int(count))
    return back_to("/downstreams")
