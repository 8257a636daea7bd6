"""How a service is now: what `spillway status` and the console's path show."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from orders.domain.promises import Promise
from spillway.operate.status.alarms import Alarm
from spillway.operate.status.outages import Outage, explained, read_outages
from spillway.operate.status.parts import Part
from spillway.target.service import Service


@dataclass(frozen=True, slots=True)
class Status:
    """`at` is Unix seconds. `faults`: for each downstream the faults of its fake, in words; None on
    AWS, which has no fakes, and where they were not read. `outages` are of downstreams, `explained`
    the names of the alarms that ring because of them alone."""

    at: float
    parts: Sequence[Part]
    alarms: Sequence[Alarm]
    faults: Mapping[str, Sequence[str]] | None = None
    outages: Sequence[Outage] = ()
    explained: Collection[str] = ()

    @property
    def promises(self) -> Mapping[Promise, Alarm | None]:
        """The alarm of each promise; None in a stage without its alarms."""
        by_promise = {alarm.promise: alarm for alarm in self.alarms}
        return {promise: by_promise.get(promise) for promise in Promise}

    def unwatched(self, promise: Promise) -> str:
        """Why a promise has no alarm in this stage: a sentence. Only the one on payments may be
        missing where others are there."""
        if promise is Promise.PAID_IS_ORDERED_OR_REFUNDED and any(self.promises.values()):
            return "The stage reconciles no payments: its file has no [payments]."
        return "This stage has no alarm for it: deploy its operations stack."

    @property
    def other_alarms(self) -> Sequence[Alarm]:
        return [alarm for alarm in self.alarms if alarm.promise is None]

    @property
    def ringing(self) -> Sequence[Alarm]:
        return [alarm for alarm in self.alarms if alarm.rings]

    def endangers(self, alarm: Alarm) -> bool:
        """Whether it rings because of more than an outage that its promise provides for."""
        return alarm.rings and alarm.name not in self.explained

    @property
    def stopped(self) -> Sequence[Part]:
        """The functions that nothing runs any more."""
        return [part for part in self.parts if part.stopped]

    @property
    def dead_letters(self) -> int:
        return sum(part.dead_letters for part in self.parts)


def status_of(
    service: Service,
    at: float,
    parts: Sequence[Part],
    alarms: Sequence[Alarm],
    before: Status | None = None,
) -> Status:
    """With the outages that the deliveries' lines show. `before`: an earlier one, which may know
    better when they began."""
    outages = read_outages(service, parts, at, () if before is None else before.outages)
    return Status(at, parts, alarms, None, outages, explained(service, alarms, outages, at))
