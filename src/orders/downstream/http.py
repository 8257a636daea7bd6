"""Asks a downstream as its description says: the `DownstreamService` port.

The rules of its description say what an answer means, `undeclared` what one means that fits none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

import msgspec

from orders.domain.saga import Outcome, Step
from orders.domain.trace import of_order
from orders.downstream.answers import Rule, decoded, first_that_fits
from orders.downstream.description import Description
from orders.downstream.keys import idempotency_key
from orders.downstream.template import Scope
from orders.downstream.transport import Answer, Call, Transport
from orders.failures import Failure, Misconfigured, PermanentFailure, TransientFailure
from orders.ports import Clock, Command, Later, Needs

#: A refusal's code becomes part of the order's facts: bounded, whatever is answered.
TEXT_MAX = 100
#: A place to ask at travels in the command's message.
ASK_MAX = 2_000
_PORTS = {"http": 80, "https": 443}
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
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


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

    description: Description
    url: str
    send: Transport
    clock: Clock
    look_up_first: bool

    def needs(self, step: Step) -> Needs:
        return self.description.requests[step].needs

    def perform(self, command: Command) -> Outcome | Later:
        if self.look_up_first:
            found = self.ask(command, None)
            if found is not None:
                return found
        return self._act(command)

    def ask(self, command: Command, at: str | None) -> Outcome | Later | None:
        request, scope = self.description.requests[command.step], Scope(command)
        if at is not None:
            host = urlsplit(self.url)
            url, path = f"{host.scheme}://{host.netloc}{at}", "where it said to ask"
        elif request.lookup is not None:
            path = request.lookup(scope)
            url = self.url + path
        else:
            return None
        return self._ask("GET", url, path, command, request.lookup_answers)

    def _act(self, command: Command) -> Outcome | Later:
        request, scope = self.description.requests[command.step], Scope(command)
        headers: dict[str, str] = request.headers(scope)
        body = b""
        if request.body is not None:
            headers = {"content-type": "application/json", **headers}
            body = msgspec.json.encode(request.body(scope))
        path = "" if request.path is None else request.path(scope)
        answer = self._ask(
            request.method, self.url + path, path, command, request.answers, headers, body
        )
        if answer is None:
            raise Misconfigured(f"{request.method} {path}: answered as if it were a lookup")
        return answer

    def _ask(
        self,
        method: str,
        url: str,
        path: str,
        command: Command,
        rules: Sequence[Rule],
        headers: Mapping[str, str] = _NO_HEADERS,
        body: bytes = b"",
    ) -> Outcome | Later | None:
        # For the text of failures: without the query, which may name the customer.
        asked = f"{method} {path.partition('?')[0]}" if path else command.step.value
        call = Call(
            asked,
            method,
            url,
            headers,
            body,
            traceparent=self._traceparent(method, command),
            until=command.until,
            order_id=command.key.order_id,
            key=idempotency_key(command),
        )
        return self._meaning(call, self.send(call), rules)

    def _traceparent(self, method: str, command: Command) -> str:
        trace = command.trace or of_order(command.key.order_id)
        # Each try is a call of its own.
        return trace.called_by(f"{method} {idempotency_key(command)} {self.clock.now()}").header

    def _meaning(self, call: Call, answer: Answer, rules: Sequence[Rule]) -> Outcome | Later | None:
        """None: nothing is on record."""
        asked, status = call.asked, answer.status
        try:
            document = decoded(answer.body)
        except ValueError:
            failure = undeclared(status, None, is_json=False)
            outside = "" if failure is TransientFailure else " with a body outside its contract"
            raise failure(f"{asked}: answered {status}{outside}") from None
        rule = first_that_fits(rules, answer, document, lookup=call.method == "GET")
        if rule is not None:
            return self._declared(call, answer, rule, document)
        code = _code_in(document)
        why = f" {named_code(code)}" if code and status < 500 else ""
        if status < 300:
            why = " with a body outside its contract"
        raise undeclared(status, code, is_json=True)(f"{asked}: answered {status}{why}")

    def _declared(
        self, call: Call, answer: Answer, rule: Rule, document: Any
    ) -> Outcome | Later | None:
        answered = f"{call.asked}: answered {answer.status}"
        match rule.means:
            case "done":
                return Outcome(self.clock.now(), reference=rule.named(document))
            case "refused":
                code = rule.refusal(document)
                # Where a rule names the codes that it is for, the downstream's owners have said so.
                if answer.status == 409 and not rule.where and key_in_use(code):
                    raise TransientFailure(f"{answered} {named_code(code)}")
                return Outcome(self.clock.now(), refusal=named_code(code))
            case "later":
                return Later(self._path_of(call, rule.ask_at(answer, document)))
            case "nothing":
                return None
            case "unknown":
                raise TransientFailure(answered)
            case "misconfigured":
                raise Misconfigured(answered)
            case "wrong" | "shipped" | "delivered" | "returned" | "order_returned":
                # No description has news of a parcel among its answers.
                raise PermanentFailure(answered)

    def _path_of(self, call: Call, location: str | None) -> str | None:
        """Of a location that an answer names, which may be relative. Its host is sent our key, so
        it must be the downstream's own."""
        if location is None:
            return None
        try:
            there = urlsplit(urljoin(call.url, location))
            elsewhere = _host(there) != _host(urlsplit(self.url))
        except ValueError:
            elsewhere = True
        if elsewhere:
            raise Misconfigured(f"{call.asked}: names another host to ask at")
        path = f"{there.path or '/'}?{there.query}".removesuffix("?")
        if len(path) > ASK_MAX:
            raise Misconfigured(f"{call.asked}: names too long a place to ask at")
        return path


def _host(url: SplitResult) -> tuple[str, str | None, int | None]:
    """Raises ValueError."""
    return url.scheme, url.hostname, url.port or _PORTS.get(url.scheme)


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


def _code_in(document: Any) -> str | None:
    """The code of an error in the form of our own contracts, for the log."""
    code = document.get("code") if isinstance(document, dict) else None
    return code if isinstance(code, str) else None
