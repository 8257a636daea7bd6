"""What is inside a dead letter, in words and masked: nothing of a customer is shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from orders.aws.messages import check_of, command_of, overflowed_order_of
from orders.domain.order import customer_hash, is_order_id
from orders.domain.saga import DOWNSTREAMS, Step
from orders.domain.trace import parsed
from orders.downstream.keys import correlated
from orders.failures import PermanentFailure
from spillway.operate.redrive.dead_letters import (
    OF_STREAM_READERS,
    OF_TELLERS,
    contents,
    lambda_failure,
)
from spillway.ui.formatting import counted

#: A body that is longer is cut. SQS takes a megabyte.
SHOWN_MAX = 2_000
#: The fields that identify nobody, where they have the form that is ours. All others are masked.
_SHOWN: Mapping[str, Callable[[Any], bool]] = {
    "order_id": lambda value: isinstance(value, str) and is_order_id(value),
    "step": lambda value: value in {step.value for step in Step},
    "trace": lambda value: isinstance(value, str) and parsed(value) is not None,
    "accepted_at": lambda value: isinstance(value, int) and 0 < value < _YEAR_2100_MS,
}
_YEAR_2100_MS = 4_102_444_800_000
#: Lambda's own record about changes that it gave up on has nothing of a customer.
_OF_LAMBDA = frozenset({"requestContext", "responseContext", "DDBStreamBatchInfo"})


def _told(body: str) -> object:
    """What each downstream makes of it, its description says."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise PermanentFailure("not JSON") from None


_KINDS: Mapping[str, tuple[str, Callable[[str], object]]] = {
    **dict.fromkeys(DOWNSTREAMS, ("a command", command_of)),
    "overflow": ("an order", overflowed_order_of),
    "watchdog": ("a check", check_of),
    "relay": ("a check", check_of),
    **dict.fromkeys(OF_TELLERS, ("an outcome", _told)),
}


def what_it_is(queue: str, body: str) -> str:
    """`a command`, `3 commands`, `an order`... or that it cannot be read as one. `queue` is the one
    that it came from."""
    kind, read = _KINDS[queue]
    if queue in OF_STREAM_READERS and lambda_failure(body) is not None:
        return "a batch of changes"
    messages = contents(queue, body)
    unread = sum(not _is_read(read, message) for message in messages)
    if unread:
        return f"cannot be read as {kind}"
    return kind if len(messages) == 1 else counted(len(messages), kind.partition(" ")[2])


def is_readable(queue: str, body: str) -> bool:
    return not what_it_is(queue, body).startswith("cannot")


def _is_read(read: Callable[[str], object], body: str) -> bool:
    try:
        read(body)
    except PermanentFailure:
        return False
    return True


def masked(body: str) -> str:
    """The body with its structure, and only what identifies nobody: of JSON the known fields, the
    customer's hash in place of the id, in a correlation id too; of any other text its form, letters
    as x and digits as 0."""
    try:
        content = json.loads(body)
        if isinstance(content, dict | list):
            return _cut(json.dumps(_masked(content), indent=2, ensure_ascii=False))
    except (ValueError, RecursionError):
        pass
    return _cut(_form(body))


def _masked(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        if any(known in value for known in _OF_LAMBDA):
            return value if lambda_failure(json.dumps(value)) is not None else _fields(value)
        return _fields(value)
    if isinstance(value, list):
        return [_masked(one) for one in value]
    if name == "customer_id" and isinstance(value, str):
        return f"hash {customer_hash(value)}"
    if value is None or isinstance(value, bool):
        return value
    if name in _SHOWN and _SHOWN[name](value):
        return value
    if isinstance(value, str) and (named := correlated(value)):
        key, step = named
        return f"{step}.{key.order_id}.(hash {key.customer_hash})"
    if isinstance(value, str):
        return f"({counted(len(value), 'character')})"
    return "(a number)"


def _fields(content: dict[str, Any]) -> dict[str, Any]:
    # The name of a field that is not ours could be anybody's.
    return {
        name if name.isidentifier() else _form(name): _masked(value, name)
        for name, value in content.items()
    }


def _form(text: str) -> str:
    """Without what moves a terminal's cursor, turns what stands after it, or is half a pair."""
    seen = (one if one.isprintable() or one in "\n\t" else "?" for one in text)
    return "".join("0" if one.isdigit() else "x" if one.isalpha() else one for one in seen)


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}… ({len(text):,} characters)"
