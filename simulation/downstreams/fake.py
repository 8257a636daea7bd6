"""One fake: a function from request to response. Its only state are ledger and fault settings.

The first of these that applies answers a command (POST): outage (503), unknown path (404), wrong
method (405), wrong API key (401), error_rate (503), idempotency key (400), body (413, 400, 422), a
key that came with another body (422), nothing to undo (422), and then the decision of when the key
first came: done (201) or refused (409). Where `idempotency_keys` is off, the checks of the key do
not apply, and each command is decided anew.

A lookup (GET of the same path) goes the same way up to error_rate, and is then answered: query
(422), nothing on record (404), done (200) or refused (409).
"""

import hashlib
import hmac
import itertools
import re
from collections.abc import Callable, Mapping

import msgspec

from simulation.downstreams import accounting, fulfilment, inventory
from simulation.downstreams.command import Circumstances, Command, Lookup, Refusal
from simulation.downstreams.exchange import Problem, Request, Response, problem
from simulation.downstreams.fault_settings import FaultSettings, decode_fault_settings
from simulation.downstreams.ledger import Entry, Ledger, LedgerUnavailableError

HEALTH = "/health"
FAULT_SETTINGS = "/fault-settings"
BODY_BYTES_MAX = 1024 * 1024
_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}")

#: From downstream to its commands by path.
COMMANDS: Mapping[str, Mapping[str, type[Command]]] = {
    "inventory": inventory.COMMANDS,
    "fulfilment": fulfilment.COMMANDS,
    "accounting": accounting.COMMANDS,
}


class FakeDownstream:
    """Inventory, fulfilment or accounting; may be called by many threads at once.

    `now_ms` gives Unix milliseconds, `random` a number from 0 up to but not 1.
    """

    def __init__(
        self,
        downstream: str,
        *,
        ledger: Ledger,
        api_key: str,
        now_ms: Callable[[], int],
        random: Callable[[], float],
        fault_settings: FaultSettings = FaultSettings(),  # noqa: B008 - frozen
    ) -> None:
        self._commands = COMMANDS[downstream]
        self._ledger = ledger
        self._api_key = api_key
        self._now_ms = now_ms
        self._random = random
        # Replaced as a whole and read once per call, so that threads need no lock.
        self._fault_settings = fault_settings
        # For keys of its own; counting is atomic.
        self._numbers = itertools.count(1)

    def __call__(self, request: Request) -> Response | None:
        """The answer. None: it is about something on record, and is lost on its way."""
        try:
            if request.path == HEALTH:
                return _health(request)
            if request.path == FAULT_SETTINGS:
                return self._control(request)
            return self._ask(request, self._fault_settings)
        except Problem as rejected:
            return rejected.response
        except LedgerUnavailableError as error:
            return problem(503, "unavailable", f"The storage does not answer: {error}")

    def delay_ms(self, request: Request) -> int:
        """How long the transport must hold this request back before it calls the fake."""
        return self._fault_settings.latency_ms if request.path in self._commands else 0

    def _control(self, request: Request) -> Response:
        _check_method(request, "GET", "PUT")
        self._check_api_key(request)
        if request.method == "PUT":
            self._fault_settings = decode_fault_settings(request.body)
        return Response(200, self._fault_settings.document())

    def _ask(self, request: Request, fault_settings: FaultSettings) -> Response | None:
        self._check(request, fault_settings)
        if request.method == "GET":
            entry, done = self._look_up(request), 200
        else:
            entry, done = self._command(request, fault_settings), 201
        if self._random() < fault_settings.lose_answers_rate:
            return None
        return _answer(entry, done)

    def _check(self, request: Request, fault_settings: FaultSettings) -> None:
        """Raises `Problem` for what needs no look at the command or the lookup itself."""
        if fault_settings.outage:
            raise Problem(503, "unavailable", "The service is down.")
        if request.path not in self._commands:
            raise Problem(404, "path_unknown", f"There is nothing at {request.path}.")
        _check_method(request, "GET", "POST")
        self._check_api_key(request)
        if self._random() < fault_settings.error_rate:
            raise Problem(503, "unavailable", "The service cannot take this request now.")

    def _check_api_key(self, request: Request) -> None:
        presented = request.headers.get("x-api-key", "")
        if not hmac.compare_digest(presented.encode(), self._api_key.encode()):
            detail = "The header x-api-key is missing or names no key in force."
            raise Problem(401, "api_key_wrong", detail, **{"www-authenticate": "ApiKey"})

    def _look_up(self, request: Request) -> Entry:
        """The entry of this step of this order: an effect, if there ever was one."""
        try:
            lookup = msgspec.convert(dict(request.query), Lookup)
        except msgspec.ValidationError as error:
            raise Problem(422, "query_invalid", f"{error}.") from error
        step = self._commands[request.path].step
        entries = self._ledger.entries(lookup.customer_id, lookup.order_id)
        found = [entry for entry in entries if entry.step == step]
        if not found:
            raise Problem(404, "nothing_on_record", f"There is no {step} for this order.")
        return min(found, key=lambda entry: (not entry.done, entry.at, entry.reference))

    def _command(self, request: Request, fault_settings: FaultSettings) -> Entry:
        """The entry on record for this key, after this request."""
        key = self._effect_key(request, fault_settings)
        command = _decode(request.body, self._commands[request.path])
        command.check()
        fingerprint = _fingerprint(command)
        if self._ledger.claim(key, fingerprint) != fingerprint:
            detail = "This key came with another request before."
            raise Problem(422, "idempotency_key_reused", detail)
        circumstances = Circumstances(fault_settings, self._undone(command), self._now_ms())
        refusal = command.refusal(circumstances)
        return self._ledger.record(_entry(command, key, refusal, circumstances.now_ms))

    def _effect_key(self, request: Request, fault_settings: FaultSettings) -> str:
        """What the effect is stored under: the caller's key, or one that no other command has."""
        if not fault_settings.idempotency_keys:
            return f"{self._now_ms()}-{next(self._numbers)}"
        key = request.headers.get("idempotency-key")
        if key is None:
            detail = "The header Idempotency-Key is missing."
            raise Problem(400, "idempotency_key_missing", detail)
        if _IDEMPOTENCY_KEY.fullmatch(key) is None:
            detail = "Idempotency-Key is 1 to 255 visible ASCII characters."
            raise Problem(400, "idempotency_key_invalid", detail)
        return key

    def _undone(self, command: Command) -> Entry | None:
        """The entry of the step that this command undoes, None if it undoes nothing."""
        if command.undoes is None:
            return None
        for entry in self._ledger.entries(command.customer_id, command.order_id):
            if entry.step == command.undoes and entry.done:
                return entry
        detail = f"No {command.undoes} has been done for this order."
        raise Problem(422, f"nothing_to_{command.step}", detail)


def _health(request: Request) -> Response:
    """Healthy in an outage too: this asks for the fake, not for the service that it plays."""
    _check_method(request, "GET")
    return Response(200, {"status": "healthy"})


def _check_method(request: Request, *allowed: str) -> None:
    if request.method not in allowed:
        detail = f"{request.path} does not take {request.method}."
        raise Problem(405, "method_not_allowed", detail, allow=", ".join(allowed))


def _decode(body: bytes, command: type[Command]) -> Command:
    if len(body) > BODY_BYTES_MAX:
        raise Problem(413, "body_too_large", f"A body has at most {BODY_BYTES_MAX} bytes.")
    try:
        return msgspec.json.decode(body, type=command)
    except msgspec.ValidationError as error:
        raise Problem(422, "body_invalid", f"{error}.") from error
    except msgspec.DecodeError as error:
        raise Problem(400, "body_malformed", f"{error}.") from error


def _fingerprint(command: Command) -> str:
    """Equal for bodies that say the same in different spellings, sent to the same path."""
    return hashlib.sha256(msgspec.json.encode([command.step, command])).hexdigest()


def _entry(command: Command, key: str, refusal: Refusal | None, now_ms: int) -> Entry:
    # The downstream's own name for what it did: made from the key, which is unique.
    number = hashlib.sha256(key.encode()).hexdigest()[:16]
    return Entry(
        customer_id=command.customer_id,
        order_id=command.order_id,
        step=command.step,
        idempotency_key=key,
        outcome="done" if refusal is None else "refused",
        reference=f"{command.step}_{number}",
        at=now_ms,
        code=None if refusal is None else refusal.code,
        detail=None if refusal is None else refusal.detail,
        **command.totals(),
    )


def _answer(entry: Entry, done: int) -> Response:
    """`done` is the status for an effect: 201 to a command, 200 to a lookup."""
    if entry.code is None or entry.detail is None:
        return Response(done, {"reference": entry.reference})
    return problem(409, entry.code, entry.detail, reference=entry.reference)
