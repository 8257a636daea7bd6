"""An ERP as inventory. docs/contracts/examples/erp.yaml.

It takes a hold (`Reservierung`) with 202 and decides later, all that wait in one batch
(`work_off`); each decision is a callback, which the caller of `work_off` sends. What became of a
hold can also be asked by its document number. A hold is released by the ERP's own number for it.

The first of these that applies answers a request: outage (503), unknown path (404), wrong method
(405), wrong API key (401), error_rate (503); then, for a hold, key (400), body (400), a key that
came with another document (409), and what is known of it: waiting (202), held (200) or refused
(422).
"""

import itertools
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any

import msgspec

from simulation.downstreams.command import (
    LINES_MAX,
    Amount,
    Code,
    Currency,
    CustomerId,
    OrderId,
    Quantity,
    StockLine,
)
from simulation.downstreams.exchange import Rejected, Request, Response
from simulation.downstreams.fault_settings import FaultSettings
from simulation.downstreams.inventory import Release, Reserve
from simulation.downstreams.ledger import Entry, KeyReusedError, LedgerUnavailableError
from simulation.downstreams.service import Service, same

HOLDS = "/reservierungen"
KEY_HEADER = "x-vorgang"
SCHEME = "ApiKey"
_HOLD = re.compile(rf"{HOLDS}/([0-9]{{1,18}})")
_KEY = re.compile(r"[!-~]{1,255}")
#: The first number of each kind.
HOLD_NUMBERS_FROM = 4_711_000_001
RELEASE_NUMBERS_FROM = 4_812_000_001
#: Of a currency's minor unit; any other currency has 2.
DECIMALS = {"JPY": 0, "KRW": 0, "KWD": 3}
#: The ERP's code for what inventory's decision calls `out_of_stock`.
OUT_OF_STOCK = "FEHLBESTAND"


class Position(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    rename={"sku": "ArtikelNr", "quantity": "Menge"},
):
    sku: Code
    quantity: Quantity


class Document(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    rename={
        "order_id": "BelegNr",
        "customer_id": "KundenNr",
        "correlation": "Kennung",
        "amount": "Belegwert",
        "currency": "Waehrung",
        "positions": "Positionen",
    },
):
    """The body of a request for a hold. `correlation` is given back in the callback."""

    order_id: OrderId
    customer_id: CustomerId
    correlation: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    amount: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,13}(\.[0-9]{1,3})?$", max_length=17)]
    currency: Currency
    positions: Annotated[tuple[Position, ...], msgspec.Meta(min_length=1, max_length=LINES_MAX)]

    @property
    def hold(self) -> "Hold":
        return Hold(
            customer_id=self.customer_id,
            order_id=self.order_id,
            lines=tuple(StockLine(each.sku, each.quantity) for each in self.positions),
            amount=_minor_units(self.amount, self.currency),
            currency=self.currency,
        )


class Hold(Reserve, frozen=True, kw_only=True):
    """What inventory reserves, and what it is worth in minor units."""

    amount: Amount
    currency: Currency

    def totals(self) -> dict[str, Any]:
        return {**super().totals(), "amount": self.amount, "currency": self.currency}


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A hold that was taken and is not decided."""

    hold: Hold
    correlation: str


@dataclass(eq=False, kw_only=True)
class Erp(Service):
    """`api_key` is also what its callers send. What waits, and the numbers that were given, are in
    memory: a fake lives as long as its stack."""

    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    #: By the caller's key, in the order in which they came.
    _waiting: dict[str, _Waiting] = field(default_factory=dict, init=False)
    #: The holds that can be released, by number.
    _held: dict[int, Entry] = field(default_factory=dict, init=False)
    _hold_numbers: Iterator[int] = field(
        default_factory=lambda: itertools.count(HOLD_NUMBERS_FROM), init=False
    )
    _release_numbers: Iterator[int] = field(
        default_factory=lambda: itertools.count(RELEASE_NUMBERS_FROM), init=False
    )

    def work_off(self) -> list[bytes]:
        """Decide all that waits, in one batch. Returns the bodies of the callbacks to send.

        What the ledger does not take waits for the next batch, as all does in an outage.
        """
        fault_settings = self.fault_settings
        if fault_settings.outage:
            return []
        with self._lock:
            batch = list(self._waiting.items())
        callbacks = []
        for key, waiting in batch:
            try:
                entry = self._decide(
                    waiting.hold, key, fault_settings, reference=str(next(self._hold_numbers))
                )
            except LedgerUnavailableError:
                continue
            with self._lock:
                self._held[int(entry.reference)] = entry
                self._waiting.pop(key, None)
            callbacks.append(_callback(entry, waiting.correlation))
        return [
            callback
            for callback in callbacks
            if self.random() >= fault_settings.lose_callbacks_rate
        ]

    def _ask(self, request: Request, fault_settings: FaultSettings) -> Response | None:
        if fault_settings.outage:
            raise _rejected(503, "WARTUNG", "Das System ist nicht verfügbar.")
        answer = self._routed(request, fault_settings)
        if answer.status < 300 and self.random() < fault_settings.lose_answers_rate:
            return None
        return answer

    def _routed(self, request: Request, fault_settings: FaultSettings) -> Response:
        number = _HOLD.fullmatch(request.path)
        if number is None and request.path != HOLDS:
            raise _rejected(404, "PFAD_UNBEKANNT", f"{request.path} gibt es nicht.")
        allowed = ("GET", "POST") if number is None else ("DELETE",)
        if request.method not in allowed:
            raise _rejected(405, "METHODE", "Nicht erlaubt.", allow=", ".join(allowed))
        self._check_caller(request)
        if self.random() < fault_settings.error_rate:
            raise _rejected(503, "WARTUNG", "Das System ist überlastet.")
        if number is not None:
            return self._release(int(number[1]), _key_of(request), fault_settings)
        return self._look_up(request) if request.method == "GET" else self._take(request)

    def _check_caller(self, request: Request) -> None:
        if not same(request.headers.get("authorization", ""), f"{SCHEME} {self.api_key}"):
            detail = "Der API-Schlüssel fehlt oder ist nicht gültig."
            raise _rejected(401, "SCHLUESSEL", detail, **{"www-authenticate": SCHEME})

    def _take(self, request: Request) -> Response:
        key = _key_of(request)
        document = _decode(request.body)
        hold = document.hold
        try:
            self._claim(key, hold)
        except KeyReusedError:
            raise _key_reused() from None
        with self._lock:
            entries = self.ledger.entries(hold.customer_id, hold.order_id)
            decided = next((one for one in entries if one.idempotency_key == key), None)
            if decided is None:
                self._waiting.setdefault(key, _Waiting(hold, document.correlation))
        if decided is None:
            return Response(202, _taken(hold.order_id))
        if decided.done:
            return Response(200, _held(decided, "RESERVIERT"))
        raise _refused(decided)

    def _look_up(self, request: Request) -> Response:
        """By document number: a hold, if there ever was one, or one that waits, or a refusal."""
        try:
            order_id = msgspec.convert(request.query.get("BelegNr"), OrderId)
            customer_id = msgspec.convert(request.query.get("KundenNr"), CustomerId)
        except msgspec.ValidationError as error:
            raise _rejected(400, "ABFRAGE", f"{error}.") from error
        with self._lock:
            waits = any(
                (one.hold.customer_id, one.hold.order_id) == (customer_id, order_id)
                for one in self._waiting.values()
            )
            entries = self.ledger.entries(customer_id, order_id)
        known = [one for one in entries if one.step == Hold.step]
        known.sort(key=lambda one: (not one.done, one.at))
        if waits and not (known and known[0].done):
            return Response(200, _taken(order_id))
        if not known:
            raise _rejected(404, "BELEG_UNBEKANNT", "Zu diesem Beleg gibt es keine Reservierung.")
        if not known[0].done:
            return Response(200, _declined(known[0]))
        released = any(one.step == Release.step for one in entries)
        return Response(200, _held(known[0], "STORNIERT" if released else "RESERVIERT"))

    def _release(self, number: int, key: str, fault_settings: FaultSettings) -> Response:
        held = self._held.get(number)
        if held is None or not held.done:
            raise _rejected(404, "RESERVIERUNG_UNBEKANNT", f"{number} ist keine Reservierung.")
        release = Release(customer_id=held.customer_id, order_id=held.order_id)
        reference = str(next(self._release_numbers))
        try:
            entry = self._decide(release, key, fault_settings, held, reference)
        except KeyReusedError:
            raise _key_reused() from None
        return Response(200, {"StornoNr": int(entry.reference), "ReservierungsNr": number})


def _key_of(request: Request) -> str:
    key = request.headers.get(KEY_HEADER, "")
    if _KEY.fullmatch(key) is None:
        raise _rejected(400, "VORGANG_FEHLT", "X-Vorgang hat 1 bis 255 sichtbare ASCII-Zeichen.")
    return key


def _decode(body: bytes) -> Document:
    try:
        document = msgspec.json.decode(body, type=Document)
        _ = document.hold  # Its amount is one of its currency.
    except (msgspec.DecodeError, ValueError) as error:
        raise _rejected(400, "BELEG_FEHLERHAFT", f"{error}.") from error
    return document


def _minor_units(amount: str, currency: str) -> int:
    """Raises ValueError where the currency has no such amount."""
    shifted = Decimal(amount).scaleb(DECIMALS.get(currency, 2))
    if shifted != int(shifted):
        raise ValueError(f"{amount} ist kein Betrag in {currency}")
    return int(shifted)


def _taken(order_id: str) -> dict[str, object]:
    return {"BelegNr": order_id, "Status": "ANGENOMMEN"}


def _held(entry: Entry, status: str) -> dict[str, object]:
    number = int(entry.reference)
    return {"BelegNr": entry.order_id, "Status": status, "ReservierungsNr": number}


def _declined(entry: Entry) -> dict[str, object]:
    return {"BelegNr": entry.order_id, "Status": "ABGELEHNT", "Grund": OUT_OF_STOCK}


def _callback(entry: Entry, correlation: str) -> bytes:
    decided = _held(entry, "RESERVIERT") if entry.done else _declined(entry)
    return msgspec.json.encode({"Kennung": correlation, **decided})


def _key_reused() -> Rejected:
    return _rejected(409, "VORGANG_VERGEBEN", "Der Vorgang kam mit einem anderen Beleg.")


def _refused(entry: Entry) -> Rejected:
    return _rejected(422, OUT_OF_STOCK, entry.detail or "")


def _rejected(status: int, code: str, text: str, **headers: str) -> Rejected:
    return Rejected(Response(status, {"Fehler": {"Code": code, "Text": text}}, headers))
