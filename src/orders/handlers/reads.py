"""GET /orders/{order_id} and GET /orders."""

from __future__ import annotations

import base64
import binascii
from dataclasses import fields
from typing import Any

from orders import wiring
from orders.domain.caller import Caller
from orders.domain.order import AcceptedOrder, Order, is_order_id
from orders.domain.parcels import all_returned_at, parcels_of
from orders.domain.refusals import Refusal, Rule
from orders.domain.saga import Facts, settled
from orders.domain.status import cancellation_outcome, reason, status
from orders.domain.units import OrderId
from orders.failures import TransientFailure, error_location
from orders.flow.intake import NOT_FOUND
from orders.flow.reads import PAGE_DEFAULT, PAGE_MAX, ForeignOrder, Reads
from orders.handlers import http
from orders.ports import Log, Progress


def handler(event: http.ApiEvent, _context: object) -> http.Answer:
    return http.sent(event, handle(event, *wiring.reads()))


wiring.prepare(wiring.reads)


def handle(event: http.ApiEvent, reads: Reads, log: Log) -> http.Answer:
    """Reads that go well are not logged: they are the cheapest requests, and the gateway counts
    them. What fails is."""
    try:
        caller = http.caller(event, reads.claims)
        if isinstance(caller, Refusal):
            return http.refused((caller,))
        if event["routeKey"].endswith(" /orders"):
            return _history(event, caller, reads)
        return _order(event, caller, reads)
    except TransientFailure as failure:
        log("reads", "unavailable", detail=str(failure))
        return http.try_again()
    except ForeignOrder:
        log("reads", "foreign_order")
        return http.broken()
    except Exception as bug:  # noqa: BLE001 - the last resort of a request
        log("reads", "bug", error=error_location(bug))
        return http.broken()


def _order(event: http.ApiEvent, caller: Caller, reads: Reads) -> http.Answer:
    progress = reads.order(*caller.keys(http.order_id(event)))
    if progress is None:
        return http.refused((NOT_FOUND,))
    return http.answer(200, whole(progress), reads.look_again_seconds(progress))


def _history(event: http.ApiEvent, caller: Caller, reads: Reads) -> http.Answer:
    query = http.query(event)
    refusals = []
    limit = _limit(query.get("limit"))
    if limit is None:
        detail = f"A limit is 1 to {PAGE_MAX} orders."
        refusals.append(Refusal(Rule.LIMIT_INVALID, "", detail))
    cursor = query.get("cursor")
    before = None if cursor is None else _before(cursor)
    if cursor is not None and before is None:
        detail = "A cursor is what an earlier answer gave."
        refusals.append(Refusal(Rule.CURSOR_INVALID, "", detail))
    if limit is None or refusals:
        return http.refused(refusals)
    page = reads.history(caller.customer_ids, limit, before)
    return http.answer(
        200,
        {"orders": [summary(entry) for entry in page.orders], "cursor": _cursor(page.before)},
    )


def summary(progress: Progress) -> dict[str, Any]:
    """An order as a line of the history."""
    accepted = progress.order
    return {
        "order_id": accepted.key.order_id,
        "status": status(progress.facts).value,
        "reason": reason(progress.facts),
        "settled": settled(progress.facts),
        "accepted_at": http.timestamp(accepted.accepted_at),
        "total": accepted.order.total,
        "currency": accepted.order.currency,
        "channel": accepted.order.channel,
        "line_count": len(accepted.order.lines),
        **_buyer(accepted),
        **_approval(progress.facts),
    }


def whole(progress: Progress) -> dict[str, Any]:
    """An order with its content and what has become of each step so far."""
    facts = progress.facts
    cancellation = facts.cancellation
    return {
        "order_id": progress.order.key.order_id,
        "status": status(facts).value,
        "reason": reason(facts),
        "settled": settled(facts),
        "accepted_at": http.timestamp(progress.order.accepted_at),
        **_buyer(progress.order),
        **_approval(facts),
        "order": _shown(progress.order.order),
        "steps": [
            {
                "step": step.value,
                "outcome": "done" if outcome.done else "refused",
                "at": http.timestamp(outcome.at),
                "reference": outcome.reference,
                "reason": outcome.refusal,
            }
            for step, outcome in sorted(facts.outcomes.items(), key=lambda fact: fact[1].at)
        ],
        "cancellation": None
        if cancellation is None
        else {
            "requested_at": http.timestamp(cancellation.at),
            "outcome": cancellation_outcome(facts),
        },
        **_parcels(facts),
    }


def _buyer(accepted: AcceptedOrder) -> dict[str, Any]:
    """Who placed it, where that is not the customer."""
    return {} if accepted.buyer is None else {"buyer": accepted.buyer}


def _approval(facts: Facts) -> dict[str, Any]:
    """Of an order that was held."""
    if facts.held_until is None:
        return {}
    approval = facts.approval
    return {
        "approval": {
            "expires_at": http.timestamp(facts.held_until),
            "verdict": approval and approval.verdict,
            "at": approval and http.timestamp(approval.at),
            "by": approval and approval.by,
        }
    }


def _parcels(facts: Facts) -> dict[str, Any]:
    """Of an order that fulfilment has told of."""
    if not facts.news:
        return {}
    returned_at = all_returned_at(facts.news)
    return {
        "parcels": [
            {
                "parcel": one.parcel,
                "carrier": one.shipped and one.shipped.carrier,
                "tracking_number": one.shipped and one.shipped.tracking_number,
                "shipped_at": one.shipped and http.timestamp(one.shipped.at),
                "delivered_at": one.delivered and http.timestamp(one.delivered.at),
                "returned_at": one.returned and http.timestamp(one.returned.at),
            }
            for one in parcels_of(facts.news)
        ],
        "returned_at": returned_at and http.timestamp(returned_at),
    }


def _shown(order: Order) -> dict[str, Any]:
    """An order's content, its parts as they are: the encoder knows them, and lines are many."""
    payment = None if order.payment is None else order.payment.given
    if payment is not None:
        # The receipt proves the payment to us; the customer does not need it.
        del payment["receipt"]
    return {field.name: getattr(order, field.name) for field in fields(order)} | {
        "payment": payment,
        "address": order.address.given,
    }


def _limit(text: str | None) -> int | None:
    if text is None:
        return PAGE_DEFAULT
    # isdecimal() alone admits other scripts' digits, which are no fault but no limit either.
    if not (text.isascii() and text.isdecimal() and len(text) <= 4):
        return None
    limit = int(text)
    return limit if 1 <= limit <= PAGE_MAX else None


def _cursor(before: OrderId | None) -> str | None:
    """Opaque to clients, so that its form may change. It holds no customer: that is the token's."""
    return None if before is None else base64.urlsafe_b64encode(before.encode()).decode()


def _before(cursor: str) -> OrderId | None:
    """The order id in a cursor; None for a text that is not one of our cursors."""
    try:
        before = base64.urlsafe_b64decode(cursor.encode("ascii")).decode("ascii")
    except (binascii.Error, UnicodeError):
        return None
    return before if is_order_id(before) else None
