"""What an order waits for, in a sentence that can be read out to its customer. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from orders.domain.saga import DOWNSTREAM_OF, Step
from spillway.operate.logs.reading import Line, trouble_of
from spillway.ui.formatting import clock, counted

FIX = "The answer is not about the order: see needs-a-fix in docs/runbook/alarms.md."
RETRIES_CONTINUE = "Retries continue by themselves, at most 3 minutes apart."

_TO_DO: Mapping[Step, str] = {
    Step.RESERVE: "reserve the goods",
    Step.SHIP: "ship it",
    Step.POST: "book it",
    Step.CANCEL_SHIPMENT: "cancel the shipment",
    Step.RECALL_SHIPMENT: "recall the shipment",
    Step.RELEASE: "release the goods",
    Step.REFUND: "refund it",
}


def waiting_for(step: Step, last: Line | None, tries: int) -> str:
    """`last` is the line of the last attempt, which failed, None where none was logged."""
    what = f"Waiting for {DOWNSTREAM_OF[step]} to {_TO_DO[step]}"
    if last is None:
        return f"{what}. No delivery attempt has been logged."
    trouble = trouble_of(last)
    if trouble is None:
        said = f"last try: {last.why}"
    elif trouble.startswith("status "):
        said = f"last answer: {trouble.removeprefix('status ')}"
    else:
        said = f"last try: {trouble}"
    at = clock(last.at)[:8]
    return f"{what} ({said} at {at} UTC, {counted(max(tries, 1), 'try', 'tries')})."
