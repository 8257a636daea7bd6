"""The state of every alarm, and the place in the runbook that says what to do when it rings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from infra.alarms import page_of
from orders.domain.promises import Promise
from spillway.operate.status.evaluating import evaluate_alarms
from spillway.target.service import Service

#: CloudWatch's words: OK is kept, ALARM is in danger, INSUFFICIENT_DATA is not known yet.
State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]


@dataclass(frozen=True, slots=True)
class Alarm:
    """`name` leaves out the stage. `since` is when this state began, `reason` CloudWatch's own
    text with the figures, `promise` the promise that the alarm guards, if any.
    """

    name: str
    state: State
    since: datetime | None
    reason: str
    description: str
    promise: Promise | None

    @property
    def runbook(self) -> str:
        """Where the runbook says what to do when it rings."""
        return page_of(self.name)


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
