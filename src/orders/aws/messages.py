"""A command as the text of a queue message: JSON, so that a person can read it in the console."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import msgspec

from orders.aws import items
from orders.domain.order import OrderKey
from orders.domain.saga import Step
from orders.failures import PermanentFailure
from orders.ports import Command

# A request of ten messages is paid by started 64 KB. An order larger than its tenth of that is
# read by the receiver instead, which is cheaper than a second chunk for everybody in the batch.
ORDER_BYTES_MAX = 6_000


class _Message(msgspec.Struct, omit_defaults=True):
    customer_id: str
    order_id: str
    step: Step
    order: str | None = None  # base64 of the packed content


_decoder = msgspec.json.Decoder(_Message)


def message_of(command: Command) -> str:
    order = None
    if command.order is not None:
        content = base64.b64encode(items.packed(command.order)).decode()
        order = content if len(content) <= ORDER_BYTES_MAX else None
    message = _Message(command.key.customer_id, command.key.order_id, command.step, order)
    return msgspec.json.encode(message).decode()


def command_of(body: str) -> Command:
    """Raises PermanentFailure for a text that is no command of ours."""
    try:
        message = _decoder.decode(body)
        order = None
        if message.order is not None:
            order = items.unpacked(base64.b64decode(message.order, validate=True))
    except (ValueError, zlib.error) as error:
        # msgspec's and base64's errors are ValueErrors. Their texts may quote the message.
        raise PermanentFailure(f"not a command: {type(error).__name__}") from error
    return Command(OrderKey(message.customer_id, message.order_id), message.step, order)


def attributes(**texts: str) -> dict[str, Any]:
    """Message attributes, as SQS and SNS take them."""
    return {name: {"DataType": "String", "StringValue": text} for name, text in texts.items()}
