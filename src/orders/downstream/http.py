"""Calls a downstream over HTTP: the `DownstreamService` port, the same for all three.

    2xx                               done
    409 with a code                   refused: its final answer
    408, 425, 429, 5xx, no answer     unknown: asked again later under the same key
    anything else                     a contract is broken: for a person to see

urllib3 comes with the AWS SDK, so this costs no import of its own; its pool keeps the connection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec
import urllib3
from urllib3.exceptions import HTTPError

from orders.domain.order import Order
from orders.domain.saga import Outcome
from orders.failures import PermanentFailure, TransientFailure
from orders.ports import Clock, Command

# A refusal's code and a reference become part of the order's facts: bounded, whatever is answered.
TEXT_MAX = 100
_UNKNOWN_OUTCOMES = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Request:
    """A POST to `path` below the downstream's URL. The body is encoded by msgspec, which takes the
    domain's dataclasses as they are."""

    path: str
    body: dict[str, object]


RequestOf = Callable[[Command], Request]


class Authorise(Protocol):
    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, /
    ) -> dict[str, str]:
        """The headers with what proves who calls: an API key, or a SigV4 signature."""


class _Answer(msgspec.Struct):
    reference: str | None = None
    code: str | None = None


_answer_decoder = msgspec.json.Decoder(_Answer)


@dataclass(frozen=True, slots=True)
class HttpDownstream:
    request_of: RequestOf
    url: str
    pool: urllib3.PoolManager
    authorise: Authorise
    clock: Clock

    def perform(self, command: Command) -> Outcome:
        request = self.request_of(command)
        url = self.url + request.path
        body = msgspec.json.encode(request.body)
        headers = {"content-type": "application/json", "idempotency-key": idempotency_key(command)}
        try:
            # The pool bounds the time. It must not try again by itself: that is the queue's job.
            answer = self.pool.request(
                "POST",
                url,
                body=body,
                headers=self.authorise("POST", url, headers, body),
                retries=False,
                redirect=False,
            )
        except HTTPError as error:
            raise TransientFailure(f"{request.path}: {type(error).__name__}") from error
        return self._outcome(request, answer.status, answer.data)

    def _outcome(self, request: Request, status: int, body: bytes) -> Outcome:
        if status >= 500 or status in _UNKNOWN_OUTCOMES:
            raise TransientFailure(f"{request.path}: answered {status}")
        if not (200 <= status < 300 or status == 409):
            raise PermanentFailure(f"{request.path}: answered {status}")
        try:
            answer = _answer_decoder.decode(body or b"{}")
        except msgspec.MsgspecError as error:
            raise PermanentFailure(
                f"{request.path}: answered {status} with a body outside its contract"
            ) from error
        if status == 409:
            if not answer.code:
                raise PermanentFailure(f"{request.path}: refused without saying why")
            return Outcome(self.clock.now(), refusal=answer.code[:TEXT_MAX])
        reference = answer.reference and answer.reference[:TEXT_MAX]
        return Outcome(self.clock.now(), reference=reference)


def idempotency_key(command: Command) -> str:
    """The same for one step of one order however often it is asked, and for nothing else.

    Order ids are unique per customer, so the customer is part of it: hashed, because an identity
    provider's subject may hold characters that a header can't.
    """
    return f"{command.step}-{command.key.order_id}-{command.key.customer_hash}"


def named(command: Command) -> dict[str, object]:
    return {"customer_id": command.key.customer_id, "order_id": command.key.order_id}


def order_of(command: Command) -> Order:
    if command.order is None:
        raise ValueError(f"{command.step} needs the order's content")
    return command.order
