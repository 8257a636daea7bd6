"""Calls a downstream over HTTP: the `DownstreamService` port, the same for all three.

                                 to a command (POST)     to a lookup (GET)
2xx, body as in the contract     done                    done, if it has a reference
409 with a code                  refused: final          refused: final
404 with `nothing_on_record`     misconfigured           nothing done: ask for it now
no answer                        unknown: asked again later, under the same key
anything else                    as `undeclared` says: unknown, wrong or misconfigured
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, urlencode

import msgspec

from orders.domain.order import Order
from orders.domain.saga import Outcome
from orders.domain.trace import of_order
from orders.downstream.transport import Call, Transport
from orders.failures import Failure, Misconfigured, PermanentFailure, TransientFailure
from orders.ports import Clock, Command

# A refusal's code and a reference become part of the order's facts: bounded, whatever is answered.
TEXT_MAX = 100
# A bare 404 is also what a wrong address or an API without lookups answers. Read as "nothing was
# done", it would have every step done again at each try: the code tells them apart.
NOTHING_ON_RECORD = "nothing_on_record"
_CODE = re.compile(r"[A-Za-z0-9_.-]+")
#: Replaces a refusal code that has not the form of a code.
UNNAMED = "unnamed"
#: A code with one of these is about the key or the first request under it: `idempotency_in_flight`,
#: `request-in-progress`.
_KEY_IN_USE = re.compile(r"idempoten|in[_. -]?(?:progress|flight|use\b)|concurrent", re.IGNORECASE)
#: Below 500: too slow, too early, too many. The same request may go well later.
_UNKNOWN = frozenset({408, 425, 429})
#: The downstream has read what we sent, and finds fault with that.
_ABOUT_THE_ORDER = frozenset({400, 409, 413, 422})


@dataclass(frozen=True, slots=True)
class Request:
    """A POST to `path` below the downstream's URL; a GET of the same path looks up what became of
    it. The body is encoded by msgspec, which takes the domain's dataclasses as they are."""

    path: str
    body: dict[str, object]


RequestOf = Callable[[Command], Request]


class _Answer(msgspec.Struct):
    # The contract has a text. A number is as good a name, and what it names was done.
    reference: str | int | None = None
    code: str | None = None


_answer_decoder = msgspec.json.Decoder(_Answer)


@dataclass(frozen=True, slots=True)
class HttpDownstream:
    """`look_up_first` is for a downstream that has no idempotency keys: each command then begins
    with a look at what is on record for its step, and is asked for only if that is nothing. So an
    answer that was lost is found, and does not become a second effect.

    A key is better wherever it can be had. The downstream claims it in the write that has the
    effect, so that of any number of tries one wins. A lookup claims nothing: what it saw may have
    changed by the time the command arrives. It can not prevent a second effect when

    - two copies of one command look at the same moment (a queue delivers at least once, and both
      find nothing), or
    - an effect comes to light only after the next look: a command that timed out here is still
      under way there, or the downstream reads from a copy that lags behind.

    The wait before the next try makes the second rare; nothing on this side rules either out. The
    price besides: one more call for every step, and twice the time until an outcome is unknown.
    """

    request_of: RequestOf
    url: str
    send: Transport
    clock: Clock
    look_up_first: bool

    def perform(self, command: Command) -> Outcome:
        request = self.request_of(command)
        if self.look_up_first:
            found = self._look_up(request, command)
            if found is not None:
                return found
        return self._act(request, command)

    def ask(self, command: Command, at: str | None) -> Outcome | None:  # noqa: ARG002
        """None of these contracts names a place to ask at."""
        request = self.request_of(command)
        return self._look_up(request, command) if self.look_up_first else None

    def _look_up(self, request: Request, command: Command) -> Outcome | None:
        """What became of the command when it came before, None if nothing did."""
        found = self._ask("GET", request.path, command, query=lookup_query(command), headers={})
        if found is not None and found.done and not found.reference:
            # An empty page or an empty list is no proof that anything was done.
            raise Misconfigured(f"GET {request.path}: found something and does not name it")
        return found

    def _act(self, request: Request, command: Command) -> Outcome:
        outcome = self._ask(
            "POST",
            request.path,
            command,
            headers={
                "content-type": "application/json",
                "idempotency-key": idempotency_key(command),
            },
            body=msgspec.json.encode(request.body),
        )
        if outcome is None:
            raise Misconfigured(f"POST {request.path}: answered as if it were a lookup")
        return outcome

    def _ask(
        self,
        method: Literal["GET", "POST"],
        path: str,
        command: Command,
        *,
        headers: Mapping[str, str],
        query: str = "",
        body: bytes = b"",
    ) -> Outcome | None:
        # For the text of failures: without the query, which names the customer.
        asked = f"{method} {path}"
        answer = self.send(
            Call(
                asked,
                method,
                self.url + path + query,
                headers,
                body,
                self._traceparent(method, command),
                command.until,
            )
        )
        return self._meaning(asked, answer.status, answer.body)

    def _traceparent(self, method: str, command: Command) -> str:
        trace = command.trace or of_order(command.key.order_id)
        # Each try is a call of its own.
        return trace.called_by(f"{method} {idempotency_key(command)} {self.clock.now()}").header

    def _meaning(self, asked: str, status: int, body: bytes) -> Outcome | None:
        """What an answer means, as the table above has it. None: nothing is on record."""
        # Some write a byte order mark, which a reader may ignore (RFC 8259, 8.1).
        text = body.removeprefix(codecs.BOM_UTF8).strip() or b"{}"
        answer = _decoded(text)
        code = None if answer is None else answer.code
        if answer is not None and 200 <= status < 300:
            reference = "" if answer.reference is None else str(answer.reference)[:TEXT_MAX]
            return Outcome(self.clock.now(), reference=reference or None)
        if status == 409 and code and not key_in_use(code):
            return Outcome(self.clock.now(), refusal=named_code(code))
        if status == 404 and code == NOTHING_ON_RECORD:
            return None
        failure = undeclared(status, code, is_json=_is_json(text))
        why = f" {named_code(code)}" if code and status < 500 else ""
        if answer is None and failure is not TransientFailure:
            why = " with a body outside its contract"
        raise failure(f"{asked}: answered {status}{why}")


def undeclared(status: int, code: str | None, *, is_json: bool) -> type[Failure]:
    """What an answer means of which the downstream's contract says nothing.

        408, 425, 429, 5xx          unknown (TransientFailure)
        409, code says: key in use  unknown: it is about the key, not the order
        400, 409, 413, 422          wrong (PermanentFailure): about this order, for a person to see
        anything else, a page       misconfigured (Misconfigured): about key, address or downstream

    `code`: the error's code in the answer, if it has one. `is_json`: the body is JSON, or empty. A
    page with status 400 or 413 comes from a server in front of the downstream, which has not seen
    the order: nginx answers so where TLS, or a client's certificate, is missing.
    """
    if status >= 500 or status in _UNKNOWN:
        return TransientFailure
    if status == 409 and code and key_in_use(code):
        return TransientFailure
    if is_json and status in _ABOUT_THE_ORDER:
        return PermanentFailure
    return Misconfigured


def key_in_use(code: str) -> bool:
    """Many services answer 409 while the first request under this key is under way, as the draft of
    Idempotency-Key asks them to (draft-ietf-httpapi-idempotency-key-header). Read as a refusal, it
    would undo an order whose step succeeds a second later.
    """
    return _KEY_IN_USE.search(code) is not None


def named_code(text: str) -> str:
    """An answer's code, as it may go into logs and events: a sentence, which may name somebody, is
    none."""
    return text[:TEXT_MAX] if _CODE.fullmatch(text[:TEXT_MAX]) else UNNAMED


def _decoded(text: bytes) -> _Answer | None:
    """None: a body outside the contract."""
    try:
        return _answer_decoder.decode(text)
    except (ValueError, RecursionError):
        # msgspec's errors are ValueErrors, and so is a text that is not UTF-8.
        return None


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def lookup_query(command: Command) -> str:
    """`?customer_id=...&order_id=...`, a space as %20: a SigV4 signature is made over the encoding
    that is sent, and API Gateway knows only this one."""
    return "?" + urlencode(named(command), quote_via=quote)


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
