"""The answers as JSON, for scripts and for the console. Times are RFC 3339 in UTC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orders.domain.status import cancellation_outcome
from spillway.operate.alarms import Alarm
from spillway.operate.logs import Line
from spillway.operate.orders import Life, Listed, Summary
from spillway.operate.parts import Part
from spillway.target.records import Effect
from spillway.ui.formatting import rfc3339


def status_document(stage: str, parts: Sequence[Part], alarms: Sequence[Alarm]) -> dict[str, Any]:
    return {
        "stage": stage,
        "parts": [_part(part) for part in parts],
        "alarms": [_alarm(alarm) for alarm in alarms],
    }


def listed_document(listed: Listed) -> dict[str, Any]:
    return {
        "orders": [summary_document(summary) for summary in listed.orders],
        "complete": listed.complete,
        "source": listed.source,
    }


def summary_document(summary: Summary) -> dict[str, Any]:
    return {
        "order_id": summary.order_id,
        "customer": summary.customer,
        "customer_id": None if summary.key is None else summary.key.customer_id,
        "status": summary.status,
        "reason": summary.reason,
        "settled": summary.settled,
        "accepted_at": rfc3339(summary.accepted_at),
        "owed": list(summary.owed),
        "waits_for": list(summary.waits_for),
    }


def life_document(life: Life) -> dict[str, Any]:
    """Without what was ordered, by whom and whereto: that is the customer's."""
    record = life.record
    wish = record.facts.cancellation
    return {
        **summary_document(life.summary),
        "trace": life.trace_id,
        "units": None if record.size is None else record.size.units,
        "total": None if record.size is None else record.size.amount,
        "currency": None if record.size is None else record.size.currency,
        "steps": [
            {
                "step": step.value,
                "outcome": "done" if outcome.done else "refused",
                "at": rfc3339(outcome.at),
                "reference": outcome.reference,
                "reason": outcome.refusal,
            }
            for step, outcome in sorted(record.facts.outcomes.items(), key=lambda fact: fact[1].at)
        ],
        "cancellation": None
        if wish is None
        else {
            "requested_at": rfc3339(wish.at),
            "outcome": cancellation_outcome(record.facts),
        },
        "attempts": dict(life.attempts),
        "downstreams": {
            downstream: None if effects is None else [_effect(effect) for effect in effects]
            for downstream, effects in life.effects.items()
        },
        "lines": [line_document(line) for line in life.said.lines],
        "lines_complete": life.said.complete,
    }


def line_document(line: Line) -> dict[str, Any]:
    return {"time": rfc3339(line.at), "function": line.function, **line.fields}


def _part(part: Part) -> dict[str, Any]:
    queue = part.queue
    return {
        "part": part.name,
        "queue": None
        if queue is None
        else {
            "name": queue.queue,
            "visible": queue.visible,
            "in_flight": queue.in_flight,
            "delayed": queue.delayed,
        },
        "oldest_seconds": part.oldest_seconds,
        "dead_letters": part.dead_letters,
        "runs_per_minute": part.runs,
        "errors_per_minute": part.errors,
    }


def _alarm(alarm: Alarm) -> dict[str, Any]:
    return {
        "alarm": alarm.name,
        "state": alarm.state,
        "since": None if alarm.since is None else rfc3339(int(alarm.since.timestamp() * 1000)),
        "reason": alarm.reason,
        "promise": None if alarm.promise is None else alarm.promise.value,
        "runbook": alarm.runbook,
    }


def _effect(effect: Effect) -> dict[str, Any]:
    return {
        "step": effect.step,
        "outcome": "done" if effect.done else "refused",
        "at": rfc3339(effect.at),
        "code": effect.code,
        "idempotency_key": effect.idempotency_key,
        "units": effect.units,
        "amount": effect.amount,
        "currency": effect.currency,
    }
