"""What every fake has, whatever its contract: fault settings, health, and lost answers."""

import hashlib
import hmac
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec

from simulation.downstreams.command import Circumstances, Command
from simulation.downstreams.exchange import Problem, Rejected, Request, Response, problem
from simulation.downstreams.fault_settings import (
    FaultSettings,
    Misconfiguration,
    decode_fault_settings,
)
from simulation.downstreams.ledger import Entry, Ledger, LedgerUnavailableError
from simulation.downstreams.parcels import PARCELS, Parcels

HEALTH = "/health"
FAULT_SETTINGS = "/fault-settings"


@dataclass(eq=False, kw_only=True)
class Service(ABC):
    """A function from request to response; may be called by many threads at once.

    `api_key` opens its fault settings and its `parcels`, under `x-api-key`. `now_ms` gives Unix
    milliseconds, `random` a number from 0 up to but not 1. The fault settings are replaced as a
    whole and read once per call, so that threads need no lock.
    """

    ledger: Ledger
    api_key: str
    now_ms: Callable[[], int]
    random: Callable[[], float]
    fault_settings: FaultSettings = FaultSettings()  # noqa: RUF009 - frozen
    #: Of fulfilment, where somebody listens: tells what it is asked to tell.
    parcels: Parcels | None = None

    def __call__(self, request: Request) -> Response | None:
        """The answer. None: it is about something on record, and is lost on its way."""
        try:
            if request.path == HEALTH:
                return _health(request)
            if request.path == FAULT_SETTINGS:
                return self._control(request)
            if request.path == PARCELS and self.parcels is not None:
                check_method(request, "POST")
                self._check_api_key(request)
                return self.parcels.tell(request.body, self.ledger)
            faults = self.fault_settings
            if faults.misconfigured is not None and not faults.outage:
                return _beside_the_point(faults.misconfigured)
            return self._ask(request, faults)
        except Rejected as rejected:
            return rejected.response
        except LedgerUnavailableError as error:
            return problem(503, "unavailable", f"The storage does not answer: {error}")

    def delay_ms(self, request: Request) -> int:
        """How long the transport must hold this request back before it calls the fake."""
        at_once = request.path in (HEALTH, FAULT_SETTINGS, PARCELS)
        return 0 if at_once else self.fault_settings.latency_ms

    @abstractmethod
    def _ask(self, request: Request, fault_settings: FaultSettings) -> Response | None:
        """Answer all but health and fault settings. Raises `Rejected`."""

    def _control(self, request: Request) -> Response:
        check_method(request, "GET", "PUT")
        self._check_api_key(request)
        if request.method == "PUT":
            self.fault_settings = decode_fault_settings(request.body)
        return Response(200, self.fault_settings.document())

    def _claim(self, key: str, command: Command) -> None:
        """Raises `KeyReusedError` unless the key is new, or came with this very command before."""
        self.ledger.claim(key, _fingerprint(command))

    def _undone(self, command: Command, key: str) -> Entry | None:
        """The effect that this command undoes, None if there is none.

        The key is claimed first, for a command that comes too early leaves no entry that does.
        Raises `KeyReusedError`.
        """
        self._claim(key, command)
        for entry in self.ledger.entries(command.customer_id, command.order_id):
            if entry.step == command.undoes and entry.done:
                return entry
        return None

    def _decide(
        self,
        command: Command,
        key: str,
        fault_settings: FaultSettings,
        undone: Entry | None = None,
        reference: str | None = None,
        correlation: str | None = None,
        looked_up_at: int | None = None,
    ) -> Entry:
        """The entry on record for this key: a new one, done or refused, if there was none.

        `reference`: the fake's own name for what it does, made from the key where it has no other.
        It and the last two are fields of the entry.
        Raises `KeyReusedError`.
        """
        circumstances = Circumstances(fault_settings, undone, self.now_ms())
        refusal = command.refusal(circumstances)
        return self.ledger.record(
            Entry(
                customer_id=command.customer_id,
                order_id=command.order_id,
                step=command.step,
                idempotency_key=key,
                outcome="done" if refusal is None else "refused",
                reference=reference or _reference(command, key),
                at=circumstances.now_ms,
                code=None if refusal is None else refusal.code,
                detail=None if refusal is None else refusal.detail,
                correlation=correlation,
                looked_up_at=looked_up_at,
                **command.totals(),
            ),
            _fingerprint(command),
        )

    def _check_api_key(self, request: Request) -> None:
        if not same(request.headers.get("x-api-key", ""), self.api_key):
            raise Rejected(_wrong_key())


def _wrong_key() -> Response:
    detail = "The header x-api-key is missing or names no key in force."
    headers = {"www-authenticate": "ApiKey"}
    return replace(problem(401, "api_key_wrong", detail), headers=headers)


def _beside_the_point(misconfigured: Misconfiguration) -> Response:
    """An answer that says nothing of the order."""
    match misconfigured:
        case "wrong_key":
            return _wrong_key()
        case "moved":
            return Response(308, {}, {"location": "https://moved.example/"})
        case "page":
            page = "<!doctype html><title>Sign in</title>"
            return Response(200, {}, media_type="text/html", page=page)


def check_method(request: Request, *allowed: str) -> None:
    if request.method not in allowed:
        detail = f"{request.path} does not take {request.method}."
        raise Problem(405, "method_not_allowed", detail, allow=", ".join(allowed))


def same(presented: str, secret: str) -> bool:
    return hmac.compare_digest(presented.encode(), secret.encode())


def _fingerprint(command: Command) -> str:
    """Equal for bodies that say the same in different spellings, sent to the same path."""
    return hashlib.sha256(msgspec.json.encode([command.step, command])).hexdigest()


def _reference(command: Command, key: str) -> str:
    number = hashlib.sha256(key.encode()).hexdigest()[:16]
    return f"{command.step}_{number}"


def _health(request: Request) -> Response:
    """Healthy in an outage too: this asks for the fake, not for the service that it plays."""
    check_method(request, "GET")
    return Response(200, {"status": "healthy"})
