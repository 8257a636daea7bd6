"""The state of every alarm, and the place in the runbook that says what to do when it rings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from infra.alarms import DEAD_LETTERS, alarm_of, page_of
from orders.domain.promises import Promise
from spillway.operate.status.evaluating import described, evaluate_alarms
from spillway.target.service import Service

#: CloudWatch's words: OK is kept, ALARM is in danger, INSUFFICIENT_DATA is not known yet.
State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]


@dataclass(frozen=True, slots=True)
class Alarm:
    """`name` leaves out the stage. `since` is when this state began, in Unix milliseconds, `reason`
    CloudWatch's own text with the figures, `promise` the promise that the alarm guards, if any.
    `meaning` says in sentences why it rings, and `threshold` is what its metric must reach.
    """

    name: str
    state: State
    since: int | None
    reason: str
    promise: Promise | None
    meaning: str = ""
    threshold: float = 0.0

    @property
    def rings(self) -> bool:
        return self.kept is False

    @property
    def kept(self) -> bool | None:
        """Whether what it watches is well; None where that is not known yet."""
        return {"OK": True, "ALARM": False}.get(self.state)

    @property
    def counts_dead_letters(self) -> bool:
        return self.name.endswith(DEAD_LETTERS)

    @property
    def runbook(self) -> str:
        """Where the runbook says what to do when it rings."""
        return page_of(self.name)


def read_alarms(service: Service) -> list[Alarm]:
    if service.emulator is not None:
        evaluate_alarms(service)
    alarms = [_alarm(service, alarm) for alarm in described(service)]
    return sorted(alarms, key=lambda alarm: alarm.name)


def _alarm(service: Service, alarm: Mapping[str, Any]) -> Alarm:
    name = alarm["AlarmName"].removeprefix(service.resource_name(""))
    since = alarm.get("StateUpdatedTimestamp")
    return Alarm(
        name=name,
        state=alarm["StateValue"],
        since=None if since is None else int(since.timestamp() * 1000),
        reason=alarm.get("StateReason", ""),
        promise=_PROMISE_OF.get(name),
        # What follows in the description is the runbook's page, which `runbook` has.
        meaning=alarm.get("AlarmDescription", "").partition(" What to do:")[0],
        threshold=alarm.get("Threshold", 0.0),
    )


_PROMISE_OF = {alarm_of(promise): promise for promise in Promise}
