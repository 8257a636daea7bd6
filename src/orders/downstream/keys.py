"""How a command is named to its downstream."""

from __future__ import annotations

import base64
import re

from orders.domain.order import OrderKey, is_order_id
from orders.domain.refusals import CUSTOMER_ID_MAX
from orders.domain.saga import Step
from orders.domain.units import CustomerId
from orders.ports import Command

_STEPS = frozenset(step.value for step in Step)
CORRELATION_ID = re.compile(r"([a-z_]+)\.([0-9a-f-]{36})\.([A-Za-z0-9_-]+)")


def idempotency_key(command: Command) -> str:
    """The same for one step of one order however often it is asked, and for nothing else.

    Order ids are unique per customer, so the customer is part of it: hashed, because an identity
    provider's subject may hold characters that a header can't.
    """
    return f"{command.step}-{command.key.order_id}-{command.key.customer_hash}"


def correlation_id(command: Command) -> str:
    """Leads whoever gets it back to the order and the step: `reserve.<order id>.<customer id>`, the
    customer's in base64url, for it may hold anything."""
    customer = base64.urlsafe_b64encode(command.key.customer_id.encode()).decode().rstrip("=")
    return f"{command.step}.{command.key.order_id}.{customer}"


def correlated(text: str) -> tuple[OrderKey, Step] | None:
    """What a `correlation_id` names; None for any other text."""
    found = CORRELATION_ID.fullmatch(text)
    if found is None or found[1] not in _STEPS or not is_order_id(order_id := found[2]):
        return None
    try:
        customer = base64.urlsafe_b64decode(found[3] + "=" * (-len(found[3]) % 4)).decode()
    except ValueError:
        return None
    if len(customer) > CUSTOMER_ID_MAX:
        # No token names such a one, and the table has no key of more than 2,048 bytes.
        return None
    return OrderKey(CustomerId(customer), order_id), Step(found[1])
