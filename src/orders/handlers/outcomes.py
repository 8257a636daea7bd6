"""POST /outcomes/{downstream}, and the queues on which downstreams tell what they have decided.

A message that cannot be what it seems to be (about an order or a step that is none of ours, or
other than what is on record) is kept with the dead letters of its downstream's queue, for a person,
and the sender is answered that it arrived: sending it again would change nothing. From there it can
be moved to the queue, which this function reads too.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from orders import wiring
from orders.aws.messages import queue_text
from orders.domain.saga import Downstream
from orders.downstream.told import is_signed, told
from orders.failures import (
    Contradiction,
    PermanentFailure,
    TransientFailure,
    error_location,
)
from orders.flow.consumer import Event
from orders.flow.outcomes import Outcomes
from orders.handlers import http
from orders.ports import Archived, Message, ToldOfParcel
from orders.telemetry import trace_id
from orders.wiring import Telling

#: An outcome is a few words; a queue takes more than this.
BODY_BYTES_MAX = 64 * 1024


Tellers = Mapping[Downstream, Telling]


def handler(event: Event, _context: object) -> dict[str, Any]:
    return handle(event, *wiring.outcomes())


wiring.prepare(wiring.outcomes)


def handle(event: Event, tellers: Tellers, outcomes: Outcomes) -> dict[str, Any]:
    if "Records" in event:
        return _consume(event, tellers, outcomes)
    name = event["pathParameters"]["downstream"]
    telling = tellers.get(name)
    if telling is None or telling.keys is None:
        return _answer(404, "No outcomes are taken from this downstream here.")
    return _callback(event, name, telling, outcomes)


def _consume(event: Event, tellers: Tellers, outcomes: Outcomes) -> dict[str, Any]:
    # Lambda never mixes two queues in one batch.
    queue = event["Records"][0]["eventSourceARN"]
    [(name, telling)] = (each for each in tellers.items() if queue.endswith(f"outcomes-{each[0]}"))

    def take_one(message: Message) -> str | None:
        return _take(message.body.encode(), message.log, name, telling, outcomes)

    return telling.consumer.consume(telling.consumer.received(event), take_one)


def _callback(
    event: Event, name: Downstream, telling: Telling, outcomes: Outcomes
) -> dict[str, Any]:
    """Always an answer, never an exception: the sender must know whether to send it again."""
    clock, log = telling.consumer.clock, telling.consumer.log
    started = clock.now()
    fields: dict[str, Any] = {}
    try:
        outcome, reply = _answered(event, fields, name, telling, outcomes)
    except TransientFailure as failure:
        outcome, reply = "unavailable", _answer(503, "Not possible right now: send it again.")
        fields["detail"] = str(failure)
    except Exception as bug:  # noqa: BLE001 - the last resort of a request
        outcome, reply = "bug", _answer(500, "Something is wrong on our side: send it again.")
        fields["error"] = error_location(bug)
    if outcome is not None:
        fields.setdefault("downstream", None if "command" in fields else name)
        log("outcomes", outcome, duration_ms=clock.now() - started, **fields)
    return reply


def _answered(
    event: Event,
    fields: dict[str, Any],
    name: Downstream,
    telling: Telling,
    outcomes: Outcomes,
) -> tuple[str | None, dict[str, Any]]:
    body = _body(event)
    if len(body) > BODY_BYTES_MAX:
        return "refused", _answer(413, f"A message has at most {BODY_BYTES_MAX} bytes.")
    if not _is_genuine(event, body, telling):
        return "forged", _answer(401, "The signature does not hold, or its time is not now.")
    try:
        return _take(body, fields, name, telling, outcomes), _ARRIVED
    except PermanentFailure as failure:
        fields["detail"] = str(failure)
        # A queue takes no empty text. Read again, both say the same.
        text = queue_text(body.decode(errors="backslashreplace")) or "{}"
        telling.consumer.inbox.dead_letter(text, str(failure))
        contradicted = isinstance(failure, Contradiction)
        return "contradicted" if contradicted else "dead_lettered", _ARRIVED


def _take(
    body: bytes,
    fields: dict[str, Any],
    name: Downstream,
    telling: Telling,
    outcomes: Outcomes,
) -> str | None:
    """Raises PermanentFailure."""
    try:
        said = told(body, telling.described, telling.consumer.clock.now())
    except PermanentFailure:
        # A step names its downstream; without one, the log line has to.
        fields["downstream"] = name
        raise
    if said is None:
        return None
    fields |= said.key.in_logs | {"command": said.step.value}
    if isinstance(said, ToldOfParcel):
        heard = outcomes.take_news(said, name)
        fields["trace"] = trace_id(heard.trace)
        return said.news.what.value if heard.new else None
    try:
        taken = outcomes.take(said, name)
    except Archived:
        return "archived"
    if not taken.new:
        # Who sends at least once sends twice. The first was logged.
        return None
    fields |= {
        "trace": trace_id(taken.trace),
        "reason": said.outcome.refusal,
        "status": taken.recorded.settled_as,
        "settle_ms": taken.recorded.settle_ms,
    }
    return "done" if said.outcome.done else "refused"


def _is_genuine(event: Event, body: bytes, telling: Telling) -> bool:
    signature, keys = telling.described.signature, telling.keys
    if signature is None or keys is None:
        return False
    now = telling.consumer.clock.now()
    return is_signed(body, event["headers"], signature, keys.in_force().values(), now)


def _body(event: Event) -> bytes:
    text = event.get("body") or ""
    try:
        return base64.b64decode(text) if event.get("isBase64Encoded") else text.encode()
    except (binascii.Error, UnicodeEncodeError):
        return b""


_ARRIVED: dict[str, Any] = {"statusCode": 204, "headers": {"cache-control": "no-store"}}


def _answer(status: int, title: str) -> dict[str, Any]:
    retry_after = http.RETRY_AFTER_SECONDS if status == 503 else None
    return http.problem(status, title, retry_after)
