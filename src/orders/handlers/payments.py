"""The schedule, once an hour; or an operator, who may name how many days to look back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orders import wiring
from orders.domain.keeping import DAY_MS
from orders.domain.payments import FOR_A_PERSON, PLACEABLE_MS
from orders.domain.units import Millis
from orders.failures import Failure, Misconfigured, error_location
from orders.flow.reconcile import Ran, Reconcile, Reconciled, Return
from orders.ports import Log
from orders.settings import PaymentsSettings

HOUR_MS = 60 * 60 * 1000
#: An hour's payments are looked at by so many runs, which may fail, and once more each day.
LOOKS = 3
#: Its last minute is for the request that is under way.
SPARE_MS = 60 * 1000
#: The first run of a day sees all that earlier ones left for later.
OVERDUE_MS = PLACEABLE_MS + DAY_MS - HOUR_MS

_OUTCOME = {
    Return.GIVEN_BACK: "given_back",
    Return.LATER: "postponed",
    Return.REFUSED: "refund_refused",
    Return.BY_HAND: "by_hand",
}


class PaymentsFailed(Exception):
    """A bug, named only by its location."""


def handler(event: Mapping[str, Any], _context: object) -> None:
    handle(event, *wiring.payments())


wiring.prepare(wiring.payments)


def handle(
    event: Mapping[str, Any], reconcile: Reconcile, settings: PaymentsSettings, log: Log
) -> None:
    """`{"days": 7}` looks at the payments of so many days; without it the run looks at those that
    became old enough a moment ago, and the first run of a day at all of the stage's window. Raises
    when it fails, so that Lambda counts it."""
    started = reconcile.clock.now()
    until = Millis(started - PLACEABLE_MS)
    since = _since(event, started, settings.window_days)

    tell = _Telling(log, started)

    def log_run(outcome: str, **fields: object) -> None:
        log("payments", outcome, duration_ms=reconcile.clock.now() - started, **fields)

    try:
        ran = reconcile.run(
            since,
            until,
            tell,
            give_back=True,
            stop_at=Millis(started + settings.run_seconds * 1000 - SPARE_MS),
        )
    except Misconfigured as failure:
        log_run("misconfigured", detail=str(failure))
        raise
    except Failure as failure:
        log_run("unavailable", detail=str(failure))
        raise
    except Exception as bug:  # noqa: BLE001 - it is raised again, without its text
        log_run("bug", error=error_location(bug))
        raise PaymentsFailed(error_location(bug)) from None
    log_run(_outcome(ran), **_counts(ran, tell.overdue))


def _since(event: Mapping[str, Any], now: Millis, window_days: int) -> Millis:
    if "days" in event:
        return Millis(now - int(event["days"]) * DAY_MS)
    if now // HOUR_MS % 24 == 0:
        return Millis(now - window_days * DAY_MS)
    return Millis(now - PLACEABLE_MS - LOOKS * HOUR_MS)


class _Telling:
    """A line for each payment that something was done for, or that a person must look at.

    `overdue`: how many should have gone back a day ago and have not, whatever it is that each run
    waits for."""

    def __init__(self, log: Log, now: Millis) -> None:
        self._log, self._now = log, now
        self.overdue = 0

    def __call__(self, one: Reconciled) -> None:
        if one.returned is Return.LATER and self._now - one.payment.at > OVERDUE_MS:
            self.overdue += 1
        outcome = _OUTCOME.get(one.returned) if one.returned is not None else None
        if one.finding in FOR_A_PERSON:
            outcome = "for_a_person"
        if outcome is None:
            return
        key = one.payment.key
        named = {} if key is None else key.in_logs
        self._log("payments", outcome, reason=one.finding.value, detail=one.detail, **named)


def _outcome(ran: Ran) -> str:
    if ran.held:
        return "too_many"
    return "unfinished" if ran.unfinished else "reconciled"


def _counts(ran: Ran, overdue: int) -> dict[str, object]:
    people = overdue + sum(ran.findings[each] for each in FOR_A_PERSON)
    people += ran.returns[Return.REFUSED] + ran.returns[Return.BY_HAND]
    if ran.held:
        people += ran.returns[Return.DUE]
    return {
        "payments": ran.payments,
        "given_back": ran.returns[Return.GIVEN_BACK] or None,
        "for_a_person": people or None,
    }
