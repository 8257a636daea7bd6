"""What a stage deploys, as far as it costs or limits anything.

From the stage's settings and the numbers that the constructs deploy, so that no synthesis is
needed. tests/infra holds it against the templates.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec

from infra.access_log import ACCESS_LOG_FIELDS
from infra.alarms import alarms
from infra.event_sources import QueueSource, queue_sources
from infra.metrics import DELIVERIES, EVERY_FUNCTION, FORGED, LOG_METRICS, PAYMENTS_FOR_A_PERSON
from infra.stage import Stage, StageError, TableClass, load
from orders.domain.saga import DOWNSTREAMS, Downstream
from orders.settings import EXPRESS_CALLS, EventName
from spillway.errors import UsageError

#: What the fields of an access log line have for an order that was accepted.
_ACCEPTED = {
    "$context.requestId": "JKJaXmPLvHcESHA=",
    "$context.routeKey": "PUT /orders/{order_id}",
    "$context.status": "201",
    "$context.responseLatency": "42",
}
_SHIFTED = ("intake", *DELIVERIES)
ACCESS_LOG_BYTES = len(
    json.dumps({name: _ACCEPTED.get(value, "-") for name, value in ACCESS_LOG_FIELDS.items()})
)


class Deployed(msgspec.Struct, frozen=True):
    """`memory_mb` and `sources`, which are polled, are by function, without the stage.
    `custom_metrics`: each is charged once it has data, and most have none in a month without
    faults. `interface_endpoints` and `nat_gateways` are what a stage with [network] pays for by
    the hour, one in each zone; your NAT gateways count as if they served this stage alone.
    `stream_window_seconds` is the watch's. `events_published` are the types. `table_class` is that
    of the orders table. `express_seconds`: None where orders count as going by a queue for each
    step: without the express path, and where it reaches one of the two others only
    (`express_in_part`), which was not measured and costs less than that. `decide_later`: the
    downstreams that do, which are modelled as if they decided at once."""

    stage: str
    memory_mb: Mapping[str, float]
    sources: Mapping[str, QueueSource]
    parallelization: int
    stream_window_seconds: int
    alarms: int
    dashboards: int
    custom_metrics: int
    log_days: float
    api_requests_per_second: float
    api_burst: float
    api_looks_per_second: float
    events_published: tuple[EventName, ...]
    good_news_one_in: int
    interface_endpoints: int = 0
    nat_gateways: int = 0
    table_class: TableClass = "standard"
    express_seconds: float | None = None
    express_in_part: bool = False
    decide_later: tuple[Downstream, ...] = ()

    @property
    def left_out(self) -> str:
        """What no model here counts, a sentence; "" where that is nothing."""
        if not self.decide_later:
            return ""
        names = " and ".join(self.decide_later)
        return (
            f"Not counted: what {names} would decide later. Its orders settle when it says so, and"
            " until then their commands wait in its queue and are asked for, at most 15 minutes"
            " apart."
        )


def deployed(name: str, *, queued: bool = False) -> Deployed:
    """`queued`: as if it had no [express]. Raises SpillwayError when there is no such stage."""
    try:
        stage = load(name)
    except StageError as error:
        raise UsageError(str(error)) from error
    return deployed_by(msgspec.structs.replace(stage, express=None) if queued else stage)


def deployed_by(stage: Stage) -> Deployed:
    zones = 0 if stage.network is None else len(stage.network.subnet_ids)
    by_nat = stage.network is not None and stage.network.aws_by == "nat"
    in_part = bool(stage.express_calls) and stage.express_calls != EXPRESS_CALLS
    # A release that is shifted bit by bit has an alarm for each function that takes part, and one
    # for all on a metric of its own (infra.constructs.release).
    gradual = stage.releases.shifting != "all_at_once"
    without = (PAYMENTS_FOR_A_PERSON,) * (stage.payments is None) + (FORGED,) * (not stage.tellers)
    return Deployed(
        stage=stage.name,
        memory_mb={
            function: getattr(stage.functions, function.partition("-")[0]).memory_mb
            for function in EVERY_FUNCTION
        },
        sources={source.function: source for source in queue_sources(stage).values()},
        parallelization=stage.relay.parallelization,
        stream_window_seconds=stage.watchdog.stream_window_seconds,
        alarms=sum(alarm.paid for alarm in alarms(stage)) + (len(_SHIFTED) + 1) * gradual,
        dashboards=1,
        custom_metrics=len(LOG_METRICS) - len(without) + gradual,
        log_days=stage.logs.retention_days,
        api_requests_per_second=stage.api.place.requests_per_second_max,
        api_burst=stage.api.place.burst_max,
        api_looks_per_second=stage.api.read.requests_per_second_max,
        events_published=stage.events.published,
        good_news_one_in=stage.logs.good_news_one_in,
        interface_endpoints=len(stage.interface_endpoints) * zones,
        nat_gateways=zones * by_nat,
        table_class=stage.keeping.table_class or "standard",
        express_seconds=stage.express.seconds if stage.express and not in_part else None,
        express_in_part=in_part,
        decide_later=tuple(
            name for name in DOWNSTREAMS if stage.description_of(name).decides_later
        ),
    )
