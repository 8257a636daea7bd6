"""A state of a stage on AWS whose every figure is given, and statuses for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import anyio
import httpx
from starlette.types import ASGIApp

from infra.alarms import alarm_of
from orders.domain.promises import Promise
from spillway.operate.console.campaigns import CampaignReader, Campaigns
from spillway.operate.console.redriving import Redriving
from spillway.operate.console.searches import Searches
from spillway.operate.console.serving import application
from spillway.operate.console.state import AppState, StatusReader
from spillway.operate.redrive.dead_letters import OF_TELLERS
from spillway.operate.status.alarms import Alarm, State
from spillway.operate.status.parts import QUEUE_OF, Part
from spillway.operate.status.state import Status
from spillway.target.records import Depth
from spillway.target.service import FUNCTIONS, Service

PORT = 8090
ORIGIN = f"http://127.0.0.1:{PORT}"
AT = 1_795_428_000.0


def part(name: str, *, visible: int = 0, in_flight: int = 0, **fields: Any) -> Part:
    queue = QUEUE_OF.get(name, name if name in OF_TELLERS else None)
    values: dict[str, Any] = {
        "queue": None if queue is None else Depth(queue, visible, in_flight, 0),
        "oldest_seconds": None,
        "dead_letters": 0,
        "runs": 0,
        "errors": 0,
        **fields,
    }
    return Part(name, **values)


def parts(*others: Part) -> list[Part]:
    """All of them, at rest but for `others`."""
    given = {other.name: other for other in others}
    return list({**{name: part(name) for name in FUNCTIONS}, **given}.values())


def alarm(name: str, state: State = "OK", reason: str = "") -> Alarm:
    promise = {alarm_of(one): one for one in Promise}.get(name)
    return Alarm(name, state, int(AT * 1000), reason, promise)


def alarms(*others: Alarm) -> list[Alarm]:
    """One for each promise, quiet but for `others`."""
    given = {other.name: other for other in others}
    quiet = [alarm(alarm_of(promise)) for promise in Promise]
    return [given.pop(one.name, one) for one in quiet] + list(given.values())


def status(
    *others: Part,
    ringing: Sequence[Alarm] = (),
    faults: Mapping[str, Sequence[str]] | None = None,
) -> Status:
    return Status(AT, parts(*others), alarms(*ringing), faults)


def no_client(name: str) -> Any:
    raise AssertionError(f"nothing should be asked of {name} here")


class GivenStatus(StatusReader):
    """Reads nothing; gives or raises `now`."""

    now_is: Status | Exception

    def latest(self) -> Status:
        if isinstance(self.now_is, Exception):
            raise self.now_is
        return self.now_is


class GivenCampaigns(CampaignReader):
    """Reads nothing."""

    given: Campaigns

    def latest(self) -> Campaigns:
        return self.given


def a_state(now: Status | Exception | None = None, campaigns: Campaigns | None = None) -> AppState:
    """Of the stage `dev`; `now` is what reading its status gives, or raises."""
    service = Service("dev", no_client, {"orders": "orders"}, {})
    reader = GivenStatus(service, None, 15.0)
    reader.now_is = now or status()
    coupons = GivenCampaigns(service, 60.0)
    coupons.given = campaigns or Campaigns()
    searches = Searches(service, 15.0)
    return AppState(service, None, reader, Redriving(service), None, coupons, searches)


class Browser:
    """Requests as our own page's come, unless `headers` say otherwise; cookies are kept."""

    def __init__(self, application: ASGIApp) -> None:
        self._http = httpx.AsyncClient(
            transport=httpx.ASGITransport(application),
            base_url=ORIGIN,
            headers={"origin": ORIGIN, "sec-fetch-site": "same-origin"},
        )

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        return anyio.run(partial(self._http.get, path, headers=headers))

    def post(
        self, path: str, data: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        return anyio.run(partial(self._http.post, path, data=data, headers=headers))


def browser(state: AppState, *, key: str | None = None) -> Browser:
    return Browser(application(state, port=PORT, key=key))
