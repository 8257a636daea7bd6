"""PUT /orders/{order_id}, PUT /orders/{order_id}/cancellation, and POST /quotes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orders import wiring
from orders.domain.caller import Caller
from orders.domain.looks import BUFFERED_SECONDS, FIRST_SECONDS
from orders.domain.order import Channel, OrderKey, customer_hash
from orders.domain.quote import QuoteRequest, in_quote
from orders.domain.receipt import names_customer
from orders.domain.refusals import Refusal, Rule, by_precedence
from orders.domain.status import status as status_of
from orders.domain.trace import Trace
from orders.failures import TransientFailure, error_location
from orders.flow.intake import Acknowledged, CancellationTaken, Intake, MadeVoid, Refused
from orders.flow.prices import Quote
from orders.handlers import http, wire
from orders.ports import Log
from orders.telemetry import trace_id

#: The outcome as it is logged, None where it is not worth a line; and the answer.
_Result = tuple[str | None, http.Answer]


def handler(event: http.ApiEvent, _context: object) -> http.Answer:
    return http.sent(event, handle(event, *wiring.intake()))


wiring.prepare(wiring.intake)


def handle(event: http.ApiEvent, intake: Intake, log: Log) -> http.Answer:
    """Always an answer, never an exception: the client must know whether to send it again."""
    started = intake.clock.now()
    fields: dict[str, Any] = {}
    try:
        outcome, reply = _route(event, intake, fields)
    except TransientFailure as failure:
        outcome, reply = "unavailable", http.try_again()
        fields["detail"] = str(failure)
    except Exception as bug:  # noqa: BLE001 - the last resort of a request
        outcome, reply = "bug", http.broken()
        fields["error"] = error_location(bug)
    if outcome is not None:
        # As with a read that goes well: the gateway counts it, and a line costs more than it.
        log("intake", outcome, duration_ms=intake.clock.now() - started, **fields)
    return reply


def _route(event: http.ApiEvent, intake: Intake, fields: dict[str, Any]) -> _Result:
    caller = http.caller(event, intake.claims)
    if isinstance(caller, Refusal):
        return _refused(Refused((caller,)), fields)
    if event["routeKey"] == "POST /quotes":
        fields["customer"] = customer_hash(caller.customer_ids[0])
        return _quote(event, caller, intake, fields)
    keys = caller.keys(http.order_id(event))
    trace = http.trace(event)
    fields |= keys[0].in_logs | {"trace": trace_id(trace)}
    if event["routeKey"] == "PUT /orders/{order_id}/cancellation":
        return _cancel(keys, http.query(event).get("void"), intake, fields)
    if event["routeKey"] == "POST /orders/{order_id}/approval":
        return _decide(event, caller, intake, fields)
    return _place(event, caller, trace, intake, fields)


def _place(
    event: http.ApiEvent,
    caller: Caller,
    trace: Trace | None,
    intake: Intake,
    fields: dict[str, Any],
) -> tuple[str, http.Answer]:
    body = http.body(event)
    if isinstance(body, Refusal):
        return _refused(Refused((body,)), fields)
    content = wire.content_of(body)
    if isinstance(content, list):
        return _refused(Refused(tuple(content)), fields)
    customer_id = caller.customers.get(content.order.channel)
    if customer_id is None:
        return _refused(_of_nobody(content.order.channel, intake), fields)
    key = OrderKey(customer_id, http.order_id(event))
    fields |= key.in_logs
    result = intake.place(
        key,
        content.order,
        content.digest,
        trace=trace,
        price_signature=content.price_signature,
        wholesale_allowed=caller.wholesale,
        buyer=caller.buyer(customer_id),
        limit=caller.limit,
    )
    if isinstance(result, Refused):
        return _refused(result, fields)
    payment = result.order.order.payment
    if payment is not None and result.stored != "there" and not names_customer(payment.receipt):
        fields["receipt"] = "without_customer"
    return _acknowledged(result)


def _of_nobody(channel: Channel, intake: Intake) -> Refused:
    claim = intake.claims.customer_of(channel)
    detail = f"The token does not say for which customer {channel} orders are (claim {claim})."
    return Refused((Refusal(Rule.CUSTOMER_CLAIM_MISSING, "/channel", detail),))


def _cancel(
    keys: Sequence[OrderKey], void: str | None, intake: Intake, fields: dict[str, Any]
) -> tuple[str, http.Answer]:
    if void not in (None, "true"):
        # Taken for a plain cancellation, `void=True` would be answered that there is no such
        # order, and a payment would not go back.
        return _refused(Refused((_VOID_INVALID,)), fields)
    result = intake.cancel(*keys) if void is None else intake.cancel_or_void(*keys)
    if isinstance(result, Refused):
        return _refused(result, fields)
    fields |= result.key.in_logs
    if isinstance(result, MadeVoid):
        return _made_void(result)
    return _cancellation_taken(result)


def _decide(
    event: http.ApiEvent, caller: Caller, intake: Intake, fields: dict[str, Any]
) -> tuple[str, http.Answer]:
    body = http.body(event)
    verdict = body if isinstance(body, Refusal) else wire.verdict_of(body)
    if isinstance(verdict, Refusal):
        return _refused(Refused((verdict,)), fields)
    keys = caller.keys(http.order_id(event))
    result = intake.decide(*keys, by=caller.person, verdict=verdict, approves=caller.approves)
    if isinstance(result, Refused):
        return _refused(result, fields)
    fields |= result.key.in_logs
    content = {"order_id": result.key.order_id, "status": status_of(result.facts).value}
    return f"approval_{verdict}", http.answer(200, content, FIRST_SECONDS)


def _quote(event: http.ApiEvent, caller: Caller, intake: Intake, fields: dict[str, Any]) -> _Result:
    body = http.body(event)
    request = [body] if isinstance(body, Refusal) else wire.quote_request_of(body)
    if isinstance(request, list):
        return _refused(Refused(tuple(request)), fields)
    customer_id = caller.customers.get(request.channel)
    if customer_id is None:
        return _refused(_of_nobody(request.channel, intake), fields)
    fields["customer"] = customer_hash(customer_id)
    result = intake.quote(customer_id, request, wholesale_allowed=caller.wholesale)
    if isinstance(result, Refused):
        return _refused(result, fields)
    return None, http.answer(200, _shown(request, result))


def _shown(request: QuoteRequest, quote: Quote) -> dict[str, Any]:
    priced = quote.priced
    return {
        "priced_at": http.timestamp(quote.at),
        "currency": request.currency,
        "lines": [
            {"sku": line.sku, "quantity": line.quantity, "unit_price": unit_price}
            for line, unit_price in zip(request.lines, priced.unit_prices, strict=True)
        ],
        "discounts": priced.discounts,
        "shipping": priced.shipping,
        "tax": priced.tax,
        "total": priced.total,
        **http.violations(by_precedence(map(in_quote, priced.refusals))),
    }


_ACKNOWLEDGED = {
    "placed": (201, "accepted"),
    "there": (200, "replayed"),
    "buffered": (202, "buffered"),
}


def _acknowledged(result: Acknowledged) -> tuple[str, http.Answer]:
    accepted = result.order
    status, outcome = _ACKNOWLEDGED[result.stored]
    reply = http.answer(
        status,
        {
            "order_id": accepted.key.order_id,
            "accepted_at": http.timestamp(accepted.accepted_at),
            "total": accepted.order.total,
            "currency": accepted.order.currency,
        },
        BUFFERED_SECONDS if result.stored == "buffered" else FIRST_SECONDS,
    )
    return outcome, reply


_VOID_INVALID = Refusal(Rule.VOID_INVALID, "", "`void` is `true`, or is left out.")


def _cancellation_taken(result: CancellationTaken) -> tuple[str, http.Answer]:
    content = {"order_id": result.key.order_id, "status": status_of(result.facts).value}
    return "cancellation_taken", http.answer(202, content, FIRST_SECONDS)


def _made_void(result: MadeVoid) -> tuple[str, http.Answer]:
    content = {"order_id": result.key.order_id, "status": "void", "proofs": result.proofs}
    return "void", http.answer(200, content)


def _refused(result: Refused, fields: dict[str, Any]) -> tuple[str, http.Answer]:
    fields["rules"] = sorted({refusal.rule.value for refusal in result.refusals})
    return "refused", http.refused(result.refusals, result.retry_after_seconds)
