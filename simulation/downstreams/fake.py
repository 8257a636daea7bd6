"""One fake: a function from request to response, its ledger and its fault settings the only state.

The first that applies is the answer to a command (POST): outage (503), unknown path (404), wrong
method (405), wrong API key (401), error_rate (503), idempotency key (400), body (413, 400, 422), a
key that came with another body (422), nothing to undo (422), and then what was decided when the key
first came: done (201) or refused (409). Where `idempotency_keys` is off, nothing that concerns the
key applies, and what is decided is new each time.

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
from simulation.downstreams.command import Breach, Circumstances, Command, Lookup, Refusal
from simulation.downstreams.exchange import Request, Response, problem
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
        """The answer. None: there is something on record, and the caller hears nothing of it."""
        if request.path == HEALTH:
            return self._health(request)
        if request.path == FAULT_SETTINGS:
            return self._control(request)
        return self._ask(request, self._fault_settings)

    def delay_ms(self, request: Request) -> int:
        """How long the transport is to hold this request back before it calls the fake."""
        return self._fault_settings.latency_ms if request.path in self._commands else 0

    def _health(self, request: Request) -> Response:
        """Healthy in an outage too: it is the fake that is asked here, not its part."""
        return _method_problem(request, "GET") or Response(200, {"status": "healthy"})

    def _control(self, request: Request) -> Response:
        turned_away = _method_problem(request, "GET", "PUT") or self._key_problem(request)
        if turned_away is not None:
            return turned_away
        if request.method == "PUT":
            fault_settings = decode_fault_settings(request.body)
            if isinstance(fault_settings, Response):
                return fault_settings
            self._fault_settings = fault_settings
        return Response(200, self._fault_settings.document())

    def _ask(self, request: Request, fault_settings: FaultSettings) -> Response | None:
        turned_away = self._turned_away(request, fault_settings)
        if turned_away is not None:
            return turned_away
        try:
            if request.method == "GET":
                entry, done = self._look_up(request), 200
            else:
                entry, done = self._command(request, fault_settings), 201
        except LedgerUnavailableError as error:
            return _unavailable(f"The storage does not answer: {error}")
        if isinstance(entry, Response):
            return entry
        if self._random() < fault_settings.lose_answers_rate:
            return None
        return _answer(entry, done)

    def _turned_away(self, request: Request, fault_settings: FaultSettings) -> Response | None:
        """The problem with a command or a lookup that needs no look at what it is about."""
        if fault_settings.outage:
            return _unavailable("The service is down.")
        if request.path not in self._commands:
            return problem(404, "path_unknown", f"There is nothing at {request.path}.")
        turned_away = _method_problem(request, "GET", "POST") or self._key_problem(request)
        if turned_away is not None:
            return turned_away
        if self._random() < fault_settings.error_rate:
            return _unavailable("The service cannot take this request now.")
        return None

    def _key_problem(self, request: Request) -> Response | None:
        presented = request.headers.get("x-api-key", "")
        if hmac.compare_digest(presented.encode(), self._api_key.encode()):
            return None
        return problem(
            401,
            "api_key_wrong",
            "The header x-api-key is missing or names no key in force.",
            headers={"www-authenticate": "ApiKey"},
        )

    def _look_up(self, request: Request) -> Entry | Response:
        """What is on record for this step of this order: if it was ever done, that it was."""
        try:
            lookup = msgspec.convert(dict(request.query), Lookup)
        except msgspec.ValidationError as error:
            return problem(422, "query_invalid", f"{error}.")
        step = self._commands[request.path].step
        entries = self._ledger.entries(lookup.customer_id, lookup.order_id)
        found = [entry for entry in entries if entry.step == step]
        if not found:
            return problem(404, "nothing_on_record", f"There is no {step} for this order.")
        return min(found, key=lambda entry: (not entry.done, entry.at, entry.reference))

    def _command(self, request: Request, fault_settings: FaultSettings) -> Entry | Response:
        key = self._effect_key(request, fault_settings)
        if isinstance(key, Response):
            return key
        command = _decode(request.body, self._commands[request.path])
        if isinstance(command, Response):
            return command
        entry = self._perform(command, key, fault_settings)
        return problem(422, entry.code, entry.detail) if isinstance(entry, Breach) else entry

    def _effect_key(self, request: Request, fault_settings: FaultSettings) -> str | Response:
        """What the effect is kept under: the caller's key, or one that no other command has."""
        if not fault_settings.idempotency_keys:
            return f"{self._now_ms()}-{next(self._numbers)}"
        key = request.headers.get("idempotency-key")
        if key is None:
            return problem(400, "idempotency_key_missing", "The header Idempotency-Key is missing.")
        if _IDEMPOTENCY_KEY.fullmatch(key) is None:
            return problem(
                400,
                "idempotency_key_invalid",
                "Idempotency-Key is 1 to 255 visible ASCII characters.",
            )
        return key

    def _perform(self, command: Command, key: str, fault_settings: FaultSettings) -> Entry | Breach:
        """What stands on record for this key, now that it has come (once more)."""
        breach = command.breach()
        if breach is not None:
            return breach
        fingerprint = _fingerprint(command)
        if self._ledger.claim(key, fingerprint) != fingerprint:
            return Breach("idempotency_key_reused", "This key came with another request before.")
        undone = self._undone(command)
        if isinstance(undone, Breach):
            return undone
        circumstances = Circumstances(fault_settings, undone, self._now_ms())
        refusal = command.refusal(circumstances)
        return self._ledger.record(_entry(command, key, refusal, circumstances.now_ms))

    def _undone(self, command: Command) -> Entry | Breach | None:
        """The entry of the step that this command undoes, None if it is none that undoes."""
        if command.undoes is None:
            return None
        for entry in self._ledger.entries(command.customer_id, command.order_id):
            if entry.step == command.undoes and entry.done:
                return entry
        return Breach(
            f"nothing_to_{command.step}", f"No {command.undoes} has been done for this order."
        )


def _method_problem(request: Request, *allowed: str) -> Response | None:
    if request.method in allowed:
        return None
    return problem(
        405,
        "method_not_allowed",
        f"{request.path} does not take {request.method}.",
        headers={"allow": ", ".join(allowed)},
    )


def _unavailable(detail: str) -> Response:
    return problem(503, "unavailable", detail)


def _decode(body: bytes, command: type[Command]) -> Command | Response:
    if len(body) > BODY_BYTES_MAX:
        return problem(413, "body_too_large", f"A body has at most {BODY_BYTES_MAX} bytes.")
    try:
        return msgspec.json.decode(body, type=command)
    except msgspec.ValidationError as error:
        return problem(422, "body_invalid", f"{error}.")
    except msgspec.DecodeError as error:
        return problem(400, "body_malformed", f"{error}.")


def _fingerprint(command: Command) -> str:
    """Equal for bodies that say the same, however they are spelt, sent to the same path."""
    return hashlib.sha256(msgspec.json.encode([command.step, command])).hexdigest()


def _entry(command: Command, key: str, refusal: Refusal | None, now_ms: int) -> Entry:
    totals = command.totals()
    return Entry(
        customer_id=command.customer_id,
        order_id=command.order_id,
        step=command.step,
        idempotency_key=key,
        outcome="done" if refusal is None else "refused",
        reference=_reference(command.step, key),
        at=now_ms,
        code=None if refusal is None else refusal.code,
        detail=None if refusal is None else refusal.detail,
        units=totals.units,
        amount=totals.amount,
        currency=totals.currency,
    )


def _reference(step: str, key: str) -> str:
    """The downstream's own name for what it did. Made from the key, which is unique, so that it
    needs no counter and no dice."""
    return f"{step}_{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def _answer(entry: Entry, done: int) -> Response:
    """`done` is the status that tells of an effect: 201 to a command, 200 to a lookup."""
    if entry.code is None or entry.detail is None:
        return Response(done, {"reference": entry.reference})
    return problem(409, entry.code, entry.detail, reference=entry.reference)
