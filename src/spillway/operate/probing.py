"""Asks one downstream one thing, by the deliveries' own code: its description, its transport, and
what proves who calls. `spillway downstreams check` and `spillway doctor` show what came back.

By itself it looks up an order that never was, which changes nothing. A command is sent only where
that is wanted, for an order id and a customer that nobody has, and it has its effect there.
"""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import msgspec

from infra.function_settings import called_of
from infra.stage import Stage
from orders import wiring
from orders.aws.clients import Client
from orders.domain.order import Order, OrderKey
from orders.domain.saga import Downstream, Outcome, Step
from orders.domain.units import CustomerId
from orders.downstream.answers import Rule, decoded, first_that_fits
from orders.downstream.description import DESCRIPTIONS, Request
from orders.downstream.direct import Function, Queue
from orders.downstream.http import HttpDownstream
from orders.downstream.proofs import Sign, Signature
from orders.downstream.transport import Answer, Call, Https
from orders.failures import Misconfigured, PermanentFailure, TransientFailure
from orders.handlers.wire import Content, content_of
from orders.ports import Command, Later
from orders.wiring import Clients
from spillway.ids import order_id
from spillway.operate.example import example_order

#: More of an answer does not help whoever reads it.
BODY_SHOWN_MAX = 600
_NO_ENTRY = frozenset({401, 403})

Means = Literal[
    "done", "refused", "later", "nothing", "unknown", "wrong", "misconfigured", "not asked"
]


@dataclass(frozen=True, slots=True)
class Shown:
    """A request without its secrets. `body` is JSON, or None."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class Probe:
    """`request`: of the step's command. `lookup`: the URL that was asked instead, if it was.
    `rule`: the one that fitted, as its description has it. `right`: the deliveries could go on."""

    downstream: Downstream
    description: str
    step: Step
    request: Shown
    lookup: str | None
    status: int | None
    body: str | None
    took_ms: int | None
    timeout_ms: int
    #: How long the express path waits for it; None where that does not call it.
    express_ms: int | None
    means: Means
    rule: str | None
    says: str
    next_step: str
    right: bool


@dataclass(slots=True)
class _Recorder:
    """A transport that notes what goes through it. Without `send` nothing does."""

    send: Any = None
    calls: list[Call] = field(default_factory=list)
    answer: Answer | None = None

    def __call__(self, call: Call) -> Answer:
        self.calls.append(call)
        if self.send is None:
            raise TransientFailure("not sent")
        self.answer = self.send(call)
        return self.answer


def service_of(
    stage: Stage, name: Downstream, url: str, client: Clients, sign: Sign | None
) -> HttpDownstream:
    """As a delivery has it. `sign`: by whoever asks, whose role is not the delivery's."""
    endpoint = {"AWS_ENDPOINT_URL": client("sqs").meta.endpoint_url} if stage.on_emulator else {}
    runtime = replace(
        wiring.SYSTEM,
        environment=endpoint,
        client=client,
        write=lambda _line: None,
        init_phase=False,
    )
    called = called_of(stage, name, url)
    service = wiring.downstream_service(name, called, called.timeout_seconds, runtime)
    transport = service.send
    if sign is not None and called.auth == "sigv4":
        if isinstance(transport, Function | Queue):
            transport = replace(transport, sign=sign)
        elif isinstance(transport, Https):
            transport = replace(transport, proof=Signature(sign))
    return replace(service, send=transport, look_up_first=False)


def probe(
    stage: Stage, name: Downstream, step: Step, service: HttpDownstream, *, send: bool
) -> Probe:
    command = _made_up(step, service)
    request = service.description.requests[step]
    shown = _shown(service, command)
    express = name in stage.express_calls and stage.express is not None
    found = Probe(
        downstream=name,
        description=stage.descriptions[name],
        step=step,
        request=shown,
        lookup=None,
        status=None,
        body=None,
        took_ms=None,
        timeout_ms=stage.downstreams.by_name()[name].timeout_seconds * 1000,
        express_ms=round(stage.express.seconds * 500) if express and stage.express else None,
        means="not asked",
        rule=None,
        says="nothing was asked: its description has no lookup, and a command has its effect",
        next_step=f"send one for a made-up order: `spillway downstreams check {name} --step"
        f" {step} --send`",
        right=True,
    )
    if not send and request.lookup is None:
        return found
    return _asked(found, stage, service, command, lookup=not send)


def _asked(
    found: Probe, stage: Stage, service: HttpDownstream, command: Command, *, lookup: bool
) -> Probe:
    recorder = _Recorder(service.send)
    asking = replace(service, send=recorder)
    began, failure = time.monotonic(), None
    outcome: Outcome | Later | None = None
    try:
        outcome = asking.ask(command, None) if lookup else asking.perform(command)
    except (TransientFailure, PermanentFailure) as raised:
        failure = raised
    took_ms = round((time.monotonic() - began) * 1000)
    answer = recorder.answer
    rule = None
    if answer is not None:
        rule = _rule(service.description.requests[found.step], answer, lookup=lookup)
    means = _meaning(outcome, failure)
    right, says, next_step = _judged(found, stage, means, failure, answer, lookup=lookup)
    return replace(
        found,
        lookup=recorder.calls[0].url if lookup and recorder.calls else None,
        status=None if answer is None else answer.status,
        body=None if answer is None else answer.body.decode(errors="replace")[:BODY_SHOWN_MAX],
        took_ms=took_ms,
        means=means,
        rule=None if rule is None else _written(rule),
        says=says,
        next_step=next_step,
        right=right,
    )


def _made_up(step: Step, service: HttpDownstream) -> Command:
    """A command for an order that nobody has placed."""
    customer = CustomerId(f"spillway-check-{uuid.uuid4()}")
    key = OrderKey(customer, order_id(time.time_ns() // 1_000_000, random.Random()))  # noqa: S311
    needed = service.needs(step).references
    references = dict.fromkeys(needed, "spillway-check")
    return Command(key, step, _order(), references=references)


def _order() -> Order:
    content = content_of(json.dumps(example_order(lambda _paid: "made-up")).encode())
    if not isinstance(content, Content):
        raise TypeError(f"the example order is none: {content}")
    return content.order


def _shown(service: HttpDownstream, command: Command) -> Shown:
    recorder = _Recorder()
    try:
        replace(service, send=recorder).perform(command)
    except TransientFailure:
        [call] = recorder.calls
    return Shown(
        call.method, call.url, call.headers, msgspec.json.decode(call.body) if call.body else None
    )


def _rule(request: Request, answer: Answer, *, lookup: bool) -> Rule | None:
    try:
        document = decoded(answer.body)
    except ValueError:
        return None
    rules = request.lookup_answers if lookup else request.answers
    return first_that_fits(rules, answer, document, lookup=lookup)


def _written(rule: Rule) -> str:
    """As a description has it, on one line."""
    parts = [f"status = {json.dumps([*rule.status])}"] if rule.status else []
    if rule.where:
        pairs = (f"{json.dumps(at)} = {json.dumps([*values])}" for at, values in rule.where.items())
        parts.append(f"where = {{ {', '.join(pairs)} }}")
    return ", ".join([*parts, f'means = "{rule.means}"'])


def _meaning(
    outcome: Outcome | Later | None, failure: TransientFailure | PermanentFailure | None
) -> Means:
    match failure or outcome:
        case Misconfigured():
            return "misconfigured"
        case TransientFailure():
            return "unknown"
        case PermanentFailure():
            return "wrong"
        case Later():
            return "later"
        case Outcome() as known:
            return "done" if known.done else "refused"
        case _:
            return "nothing"


def _judged(
    found: Probe,
    stage: Stage,
    means: Means,
    failure: TransientFailure | PermanentFailure | None,
    answer: Answer | None,
    *,
    lookup: bool,
) -> tuple[bool, str, str]:
    """Whether that is right, what it says, and what to do."""
    file = f"{DESCRIPTIONS.name}/{found.description}.toml"
    declare = f"declare what that means in {file}"
    if means in ("unknown", "misconfigured"):
        return False, f"{failure}: orders would wait", _mend(found, stage, means, answer, declare)
    if means == "wrong":
        return False, f"{failure}: an order would become a dead letter", declare
    if lookup and means == "nothing":
        return True, "nothing was done for an order that never was, as it should say", ""
    if lookup:
        says = f"it says {means} of an order that never was"
        return False, says, f"let a rule of its lookup in {file} mean nothing for this answer"
    return True, f"it answers {means}", ""


def _mend(found: Probe, stage: Stage, means: Means, answer: Answer | None, declare: str) -> str:
    table = f"[downstreams.{found.downstream}] in infra/stages/{stage.name}.toml"
    if answer is None:
        secrets = ", ".join(stage.secret_parameters(found.downstream).values())
        return f"check {table}" + (f" and {secrets}" if secrets else "")
    if means == "unknown":
        return "ask its owners why"
    if answer.status in _NO_ENTRY:
        secrets = ", ".join(stage.secret_parameters(found.downstream).values())
        return f"check what proves who calls: {secrets or table}"
    if answer.status in (404, 405) or 300 <= answer.status < 400:
        return f"check url in {table}, else {declare}"
    return declare


def clients_of(client: Any) -> Clients:
    """An account's clients, whatever time a delivery would give them."""

    def given(service: str, _timeout_seconds: float = 0.0, /) -> Client:
        return client(service)

    return given
