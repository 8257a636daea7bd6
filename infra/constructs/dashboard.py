"""The dashboard: the path of an order from left to right, and below it what reports problems. With
[express] a healthy order ends at inventory, and the two queues beside it have what it has left.

The first three dashboards of an account are free, each further one is 3 dollars a month. What it
shows, AWS measures for nothing, but for the time to settle and the oldest unsettled order.
"""

from __future__ import annotations

from typing import Any

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra import metrics
from infra.alarms import queues_with_dead_letters
from infra.constructs.global_name import global_name
from infra.constructs.monitoring import measured
from infra.stage import Stage
from orders.domain.saga import DOWNSTREAMS

#: CloudWatch's grid is 24 units wide.
FULL = 24
#: Six parts of the path in one row.
NARROW = 4
HEIGHT = 6


class PathDashboard(Construct):
    def __init__(self, scope: Construct, id_: str, *, api_id: str, stage: Stage) -> None:
        super().__init__(scope, id_)
        self._stage, self._api_id = stage, api_id
        cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=global_name(self, "path-of-an-order", stage=stage),
            widgets=[self._path(), self._waiting(), self._times(), self._trouble(stage)],
        )

    def _path(self) -> list[cloudwatch.IWidget]:
        """What goes through each part, in the order of an order's way."""
        return [
            self._graph("1 customers", [(metrics.REQUESTS, "api"), (metrics.CLIENT_ERRORS, "api")]),
            self._graph("2 table", [(metrics.PLACED, "orders"), (metrics.THROTTLED, "orders")]),
            self._graph("3 relay", [(metrics.RUNS, "relay"), (metrics.ANNOUNCED, "order-events")]),
            *(
                self._graph(f"{number} {name}", [(metrics.SENT, name), (metrics.FINISHED, name)])
                for number, name in enumerate(DOWNSTREAMS, 4)
            ),
        ]

    def _waiting(self) -> list[cloudwatch.IWidget]:
        """What waits before each part."""
        return [
            self._graph("overflow waits", [(metrics.WAITING, "overflow")]),
            self._graph("overflow, total", [(metrics.SENT, "overflow")]),
            self._graph("relay is behind", [(metrics.BEHIND, "relay")]),
            *(
                self._graph(f"{name} waits", [(metrics.WAITING, name), (metrics.OLDEST, name)])
                for name in DOWNSTREAMS
            ),
        ]

    def _times(self) -> list[cloudwatch.IWidget]:
        return [
            cloudwatch.GraphWidget(
                title="Time to answer and to settle (p50, p99)",
                width=FULL // 2,
                height=HEIGHT,
                left=[
                    self._metric(metrics.LATENCY, "api", statistic=p, label=f"answer {p}")
                    for p in ("p50", "p99")
                ],
                right=[
                    self._metric(metrics.SETTLE_TIME, None, statistic=p, label=f"settle {p}")
                    for p in ("p50", "p99")
                ],
            ),
            self._graph(
                "Oldest unsettled order, seconds",
                [(metrics.UNSETTLED, None), (metrics.HALF_DONE, None), (metrics.BUFFERED, None)],
                width=FULL // 2,
            ),
        ]

    def _trouble(self, stage: Stage) -> list[cloudwatch.IWidget]:
        return [
            self._graph(
                "Dead letters",
                [
                    (metrics.WAITING, f"{name}-dead-letters")
                    for name in queues_with_dead_letters(stage)
                ],
                width=FULL // 3,
                label_by_thing=True,
            ),
            self._graph(
                "Faults",
                [
                    (metrics.SERVER_ERRORS, "api"),
                    (metrics.ERRORS, "relay"),
                    (metrics.NEEDS_FIX, None),
                    (metrics.CONTRADICTIONS, None),
                    (metrics.ID_CLASHES, None),
                    (metrics.FOREIGN_ORDERS, None),
                ],
                width=FULL // 3,
            ),
            self._graph("Write units", [(metrics.WRITE_UNITS, "orders")], width=FULL // 3),
        ]

    def _graph(
        self,
        title: str,
        shown: list[tuple[Any, str | None]],
        *,
        width: int = NARROW,
        label_by_thing: bool = False,
    ) -> cloudwatch.GraphWidget:
        return cloudwatch.GraphWidget(
            title=title,
            width=width,
            height=HEIGHT,
            left=[
                self._metric(metric, of, label=of if label_by_thing else None)
                for metric, of in shown
            ],
        )

    def _metric(self, metric: Any, of: str | None, **options: Any) -> cloudwatch.Metric:
        return measured(metric, of=of, api_id=self._api_id, stage=self._stage, **options)
