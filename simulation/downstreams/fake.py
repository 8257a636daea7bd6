"""One of the fakes of our own three contracts.

The first of these that applies answers a command (POST): outage (503), misconfigured (401, 308 or a
page), unknown path (404), wrong method (405), wrong API key (401), error_rate (503), idempotency
key (400), body (413, 400, 422), a key that came with another body (422), nothing to undo (422), and
then the decision of when the key first came: done (201) or refused (409). Where `idempotency_keys`
is off, the checks of the key do not apply, and each command is decided anew.

A lookup (GET of the same path) goes the same way up to error_rate, and is then answered: query
(422), nothing on record (404), done (200) or refused (409).
"""

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from simulation.downstreams import accounting, fulfilment, inventory
from simulation.downstreams.command import Command, Lookup
from simulation.downstreams.exchange import Problem, Request, Response, problem
from simulation.downstreams.fault_settings import FaultSettings
from simulation.downstreams.ledger import Entry, KeyReusedError
from simulation.downstreams.service import Service, check_method

BODY_BYTES_MAX = 1024 * 1024
_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}")

#: From downstream to its commands by path.
COMMANDS: Mapping[str, Mapping[str, type[Command]]] = {
    "inventory": inventory.COMMANDS,
    "fulfilment": fulfilment.COMMANDS,
    "accounting": accounting.COMMANDS,
}


@dataclass(eq=False)
class FakeDownstream(Service):
    """Inventory, fulfilment or accounting, by the contract that bears its name."""

    downstream: str
    #: For keys of its own; counting is atomic.
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1), init=False)

    @property
    def _commands(self) -> Mapping[str, type[Command]]:
        return COMMANDS[self.downstream]

    def _ask(self, request: Request, fault_settings: FaultSettings) -> Response | None:
        self._check(request, fault_settings)
        if request.method == "GET":
            entry, done = self._look_up(request), 200
        else:
            entry, done = self._command(request, fault_settings), 201
        if self.random() < fault_settings.lose_answers_rate:
            return None
        return _answer(entry, done)

    def _check(self, request: Request, fault_settings: FaultSettings) -> None:
        """Raises `Problem` for what needs no look at the command or the lookup itself."""
        if fault_settings.outage:
            raise Problem(503, "unavailable", "The service is down.")
        if request.path not in self._commands:
            raise Problem(404, "path_unknown", f"There is nothing at {request.path}.")
        check_method(request, "GET", "POST")
        self._check_api_key(request)
        if self.random() < fault_settings.error_rate:
            raise Problem(503, "unavailable", "The service cannot take this request now.")

    def _look_up(self, request: Request) -> Entry:
        """The entry of this step of this order: an effect, if there ever was one."""
        try:
            lookup = msgspec.convert(dict(request.query), Lookup)
        except msgspec.ValidationError as error:
            raise Problem(422, "query_invalid", f"{error}.") from error
        step = self._commands[request.path].step
        entries = self.ledger.entries(lookup.customer_id, lookup.order_id)
        found = [entry for entry in entries if entry.step == step]
        if not found:
            raise Problem(404, "nothing_on_record", f"There is no {step} for this order.")
        return min(found, key=lambda entry: (not entry.done, entry.at, entry.reference))

    def _command(self, request: Request, fault_settings: FaultSettings) -> Entry:
        """The entry on record for this key, after this request."""
        key = self._effect_key(request, fault_settings)
        command = _decode(request.body, self._commands[request.path])
        command.check()
        try:
            undone = None if command.undoes is None else self._undone(command, key)
            if command.undoes is not None and undone is None:
                detail = f"No {command.undoes} has been done for this order."
                raise Problem(422, f"nothing_to_{command.step}", detail)
            correlation = request.headers.get("correlation-id")
            return self._decide(command, key, fault_settings, undone, correlation=correlation)
        except KeyReusedError:
            detail = "This key came with another request before."
            raise Problem(422, "idempotency_key_reused", detail) from None

    def _effect_key(self, request: Request, fault_settings: FaultSettings) -> str:
        """What the effect is stored under: the caller's key, or one that no other command has."""
        if not fault_settings.idempotency_keys:
            return f"{self.now_ms()}-{next(self._numbers)}"
        key = request.headers.get("idempotency-key")
        if key is None:
            detail = "The header Idempotency-Key is missing."
            raise Problem(400, "idempotency_key_missing", detail)
        if _IDEMPOTENCY_KEY.fullmatch(key) is None:
            detail = "Idempotency-Key is 1 to 255 visible ASCII characters."
            raise Problem(400, "idempotency_key_invalid", detail)
        return key


def _decode(body: bytes, command: type[Command]) -> Command:
    if len(body) > BODY_BYTES_MAX:
        raise Problem(413, "body_too_large", f"A body has at most {BODY_BYTES_MAX} bytes.")
    try:
        return msgspec.json.decode(body, type=command)
    except msgspec.ValidationError as error:
        raise Problem(422, "body_invalid", f"{error}.") from error
    except msgspec.DecodeError as error:
        raise Problem(400, "body_malformed", f"{error}.") from error


def _answer(entry: Entry, done: int) -> Response:
    """`done` is the status for an effect: 201 to a command, 200 to a lookup."""
    if entry.code is None or entry.detail is None:
        return Response(done, {"reference": entry.reference})
    return problem(409, entry.code, entry.detail, reference=entry.reference)
