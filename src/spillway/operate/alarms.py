"""What the alarms say: one for each promise, one for each dead-letter queue, and two more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from orders.domain.promises import Promise
from spillway.operate.emulated import evaluate_alarms
from spillway.target.service import Service

#: CloudWatch's own words: kept (OK), in danger (ALARM), not known yet (INSUFFICIENT_DATA).
State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]


@dataclass(frozen=True, slots=True)
class Alarm:
    """`name` is the alarm's without the stage, which is also its runbook page's. `since`: of this
    state. `reason`: CloudWatch's, with the figures. `promise`: the one that it stands for, if any.
    """

    name: str
    state: State
    since: datetime | None
    reason: str
    description: str
    promise: Promise | None

    @property
    def runbook(self) -> str:
        """Its page. The alarms that end a release share one."""
        page = "release-faults" if self.name.endswith("-release-errors") else self.name
        return f"docs/runbook/{page}.md"


def read_alarms(service: Service) -> list[Alarm]:
    """Every alarm of the stage, by name."""
    if service.emulator is not None:
        evaluate_alarms(service)
    prefix = service.resource_name("")
    pages = service.cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=prefix)
    alarms = [_alarm(alarm, prefix) for page in pages for alarm in page["MetricAlarms"]]
    return sorted(alarms, key=lambda alarm: alarm.name)


def _alarm(alarm: Any, prefix: str) -> Alarm:
    name = alarm["AlarmName"].removeprefix(prefix)
    return Alarm(
        name=name,
        state=alarm["StateValue"],
        since=alarm.get("StateUpdatedTimestamp"),
        reason=alarm.get("StateReason", ""),
        description=alarm.get("AlarmDescription", ""),
        promise=_PROMISE_OF.get(name),
    )


_PROMISE_OF = {promise.value.replace("_", "-"): promise for promise in Promise}
