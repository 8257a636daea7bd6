"""What travels through queues, as JSON, so that a person can read it in the console: commands,
orders that overflowed, checks, and batches of these."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

import msgspec

from orders.aws import items
from orders.domain.order import AcceptedOrder, Address, Order, OrderKey, Payment
from orders.domain.saga import Step
from orders.domain.trace import Trace, parsed
from orders.domain.units import CustomerId, Millis, OrderId
from orders.failures import PermanentFailure
from orders.ports import Check, Command, Taken

_Kind = TypeVar("_Kind")

# A request of ten messages is paid by started 64 KB. An order larger than its tenth of that is
# read by the receiver instead, which is cheaper than a second chunk for everybody in the batch.
ORDER_BYTES_MAX = 6_000

# A queue takes the characters of XML 1.0 only. Of those that JSON does not escape anyway, these two
# are none: one in a customer id, and no message about any of that customer's orders could be sent.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_NO_XML = ("\ufffe", "\uffff")


class _CommandMessage(msgspec.Struct, omit_defaults=True):
    customer_id: CustomerId
    order_id: OrderId
    step: Step
    order: str | None = None  # base64 of the compressed content
    trace: str | None = None  # a traceparent
    # Who does not know these gives the command again, under its key.
    taken_at: Millis | None = None
    ask: str | None = None
    taken_times: int = 1


class _OverflowMessage(msgspec.Struct, omit_defaults=True):
    customer_id: CustomerId
    order_id: OrderId
    accepted_at: Millis
    digest: str  # base64
    order: str  # base64 of the compressed content
    trace: str | None = None  # a traceparent
    book: str | None = None
    express: bool = False
    buyer: CustomerId | None = None


class _CheckMessage(msgspec.Struct, omit_defaults=True):
    customer_id: CustomerId
    order_id: OrderId
    force: bool = False


class _BatchMessage(msgspec.Struct):
    """Messages that travel as one, each in the form that it has alone."""

    batch: tuple[msgspec.Raw, ...] = ()


def message_of(command: Command) -> str:
    goods = None if command.order is None else _goods(command.step, command.order)
    content = None if goods is None else _base64(items.compressed(goods))
    if content is not None and len(content) > ORDER_BYTES_MAX:
        content = None
    message = _CommandMessage(
        command.key.customer_id,
        command.key.order_id,
        command.step,
        content,
        _header(command.trace),
    )
    if command.taken is not None:
        message.taken_at, message.ask = command.taken.at, command.taken.ask
        message.taken_times = command.taken.times
    return json_text(message)


def _goods(step: Step, order: Order) -> Order | None:
    """What of an order may lie in a queue: what inventory needs, and nothing of the customer.

    Only the first command brings it along. Who ships or books reads the order where it is kept: an
    address or a payment in a queue would also lie among dead letters, for anybody to see who looks
    after those. (The overflow queue holds whole orders: it is where they are kept until then.)
    """
    if step is not Step.RESERVE:
        return None
    no_address = Address("", (), "", "")
    paid = order.payment and Payment("", order.payment.amount, order.payment.currency, "")
    return replace(order, address=no_address, payment=paid, discounts=(), purchase_order=None)


def command_of(body: str) -> Command:
    """Raises PermanentFailure for a text that is no command of ours."""
    with _refusing("a command"):
        message = _decode(body, _CommandMessage)
        order = None if message.order is None else items.decompressed(_bytes(message.order))
    taken = None
    if message.taken_at is not None:
        taken = Taken(message.taken_at, message.ask, message.taken_times)
    key = OrderKey(message.customer_id, message.order_id)
    return Command(key, message.step, order, parsed(message.trace), taken=taken)


def overflow_message_of(accepted: AcceptedOrder) -> str:
    return json_text(
        _OverflowMessage(
            accepted.key.customer_id,
            accepted.key.order_id,
            accepted.accepted_at,
            _base64(accepted.digest),
            _base64(items.compressed(accepted.order)),
            _header(accepted.trace),
            accepted.book,
            accepted.express,
            accepted.buyer,
        )
    )


def overflowed_order_of(body: str) -> AcceptedOrder:
    """Raises PermanentFailure for a text that is no order of ours."""
    with _refusing("an order"):
        message = _decode(body, _OverflowMessage)
        digest, order = _bytes(message.digest), items.decompressed(_bytes(message.order))
    key = OrderKey(message.customer_id, message.order_id)
    trace = parsed(message.trace)
    return AcceptedOrder(
        key,
        message.accepted_at,
        digest,
        order,
        trace,
        message.book,
        message.express,
        message.buyer,
    )


def check_message_of(check: Check) -> str:
    return json_text(_CheckMessage(check.key.customer_id, check.key.order_id, check.force))


def check_of(body: str) -> Check:
    """Raises PermanentFailure for a text that isn't a check."""
    with _refusing("a check"):
        message = _decode(body, _CheckMessage)
    return Check(OrderKey(message.customer_id, message.order_id), message.force)


def batch_messages_of(messages: Sequence[str], messages_max: int) -> list[str]:
    """The same in fewer messages: up to so many in one. One that is alone stays as it is."""
    return [
        _batch_message(messages[start : start + messages_max])
        for start in range(0, len(messages), messages_max)
    ]


def messages_in(body: str) -> tuple[str, ...]:
    """The messages inside a batch message; nothing for any other body."""
    try:
        return tuple(bytes(raw).decode() for raw in _decode(body, _BatchMessage).batch)
    except (ValueError, RecursionError):
        return ()


def json_text(content: object) -> str:
    """JSON that SQS and SNS take, whatever text is in it."""
    text = msgspec.json.encode(content).decode()
    for character in _NO_XML:
        text = text.replace(character, f"\\u{ord(character):x}")
    return text


def queue_text(text: str) -> str:
    """A text of somebody else's as SQS takes it: what it takes not is written as JSON escapes it,
    which in JSON's own texts means the same."""
    return _NOT_TAKEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


_NOT_TAKEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def attributes(**texts: str) -> dict[str, Any]:
    """Message attributes, as SQS and SNS take them."""
    return {name: {"DataType": "String", "StringValue": text} for name, text in texts.items()}


@contextmanager
def _refusing(expected: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, zlib.error, RecursionError) as error:
        # msgspec's and base64's errors are ValueErrors. Their texts may quote the message.
        raise PermanentFailure(f"not {expected}: {type(error).__name__}") from error


def _batch_message(messages: Sequence[str]) -> str:
    if len(messages) == 1:
        return messages[0]
    return f'{{"batch":[{",".join(messages)}]}}'


def _decode(body: str, kind: type[_Kind]) -> _Kind:
    return msgspec.json.decode(body, type=kind)


def _header(trace: Trace | None) -> str | None:
    return None if trace is None else trace.header


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
