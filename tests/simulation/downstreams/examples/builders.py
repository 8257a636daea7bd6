"""The three examples, with a clock and dice that the test holds, and good requests to them."""

import base64
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from simulation.downstreams.examples.books import CLIENT_ID, CREDIT_NOTES, INVOICES, TOKEN, Books
from simulation.downstreams.examples.erp import HOLDS, Erp
from simulation.downstreams.examples.warehouse import Warehouse
from simulation.downstreams.exchange import Request, Response
from simulation.downstreams.ledger import Ledger, MemoryLedger
from simulation.downstreams.service import Service
from tests.simulation.downstreams.builders import (
    API_KEY,
    CUSTOMER,
    ORDER,
    Clock,
    Dice,
    answered,
    key_of,
)

CONTRACTS = Path(__file__).parents[4] / "docs" / "contracts" / "examples"
CORRELATION = f"reserve.{ORDER}.N2IxYzllNTI"


@cache
def document(name: str) -> dict[str, Any]:
    """An example's contract."""
    read: dict[str, Any] = msgspec.yaml.decode((CONTRACTS / f"{name}.yaml").read_text())
    return read


def _given(ledger: Ledger | None) -> dict[str, Any]:
    return {
        "ledger": ledger or MemoryLedger(),
        "api_key": API_KEY,
        "now_ms": Clock(),
        "random": Dice(),
    }


def an_erp(ledger: Ledger | None = None) -> Erp:
    return Erp(**_given(ledger))


def a_warehouse(ledger: Ledger | None = None) -> Warehouse:
    return Warehouse(**_given(ledger))


def some_books(ledger: Ledger | None = None) -> Books:
    return Books(**_given(ledger))


def set_faults(service: Service, **fault_settings: object) -> None:
    """The whole set: those not named are off."""
    body = json.dumps(fault_settings).encode()
    request = Request("PUT", "/fault-settings", {"x-api-key": API_KEY}, body)
    assert answered(service(request)).status == 200


# The ERP.

DOCUMENT: Mapping[str, object] = {
    "BelegNr": ORDER,
    "KundenNr": CUSTOMER,
    "Kennung": CORRELATION,
    "Belegwert": "31.15",
    "Waehrung": "GBP",
    "Positionen": [{"ArtikelNr": "TEAPOT", "Menge": 2}, {"ArtikelNr": "LANTERN", "Menge": 5}],
}


def hold(key: str | None = None, **changes: object) -> Request:
    body = json.dumps({**DOCUMENT, **changes}).encode()
    headers = {"authorization": f"ApiKey {API_KEY}", "x-vorgang": key or key_of("reserve")}
    return Request("POST", HOLDS, headers, body)


def find_hold(**changes: str) -> Request:
    query = {"BelegNr": ORDER, "KundenNr": CUSTOMER, **changes}
    return Request("GET", HOLDS, {"authorization": f"ApiKey {API_KEY}"}, query=query)


def release(number: int, key: str | None = None) -> Request:
    headers = {"authorization": f"ApiKey {API_KEY}", "x-vorgang": key or key_of("release")}
    return Request("DELETE", f"{HOLDS}/{number}", headers)


def held(erp: Erp) -> int:
    """Have the hold taken and decided. Returns its number."""
    assert answered(erp(hold())).status == 202
    [callback] = erp.work_off()
    number: int = json.loads(callback)["ReservierungsNr"]
    return number


# The warehouse.

SHIP_TO = {
    "name": "A. Buyer",
    "addressLines": ["1 High Street"],
    "city": "Leeds",
    "postCode": "LS1 4AP",
    "countryCode": "GB",
}


def message(type_: str, step: str, **changes: object) -> bytes:
    own = {"channel": "retail", "shipTo": SHIP_TO, "items": [{"itemNumber": "TEAPOT", "units": 2}]}
    return json.dumps(
        {
            "type": type_,
            "messageId": key_of(step),
            "correlation": f"{step}.{ORDER}.N2IxYzllNTI",
            "account": CUSTOMER,
            "orderNumber": ORDER,
            **(own if type_ == "SHIP_REQUEST" else {}),
            **changes,
        }
    ).encode()


def ship(**changes: object) -> bytes:
    return message("SHIP_REQUEST", "ship", **changes)


def cancel(shipment: str, **changes: object) -> bytes:
    return message("CANCEL_REQUEST", "cancel_shipment", shipmentNumber=shipment, **changes)


def recall(shipment: str, **changes: object) -> bytes:
    return message("RECALL_REQUEST", "recall_shipment", shipmentNumber=shipment, **changes)


def outcome(warehouse: Warehouse, body: bytes) -> dict[str, Any]:
    answer = warehouse.handle(body)
    assert answer is not None, "the outcome was lost"
    decoded: dict[str, Any] = json.loads(answer)
    return decoded


def shipped(warehouse: Warehouse) -> str:
    """Have the order shipped. Returns the shipment's number."""
    number: str = outcome(warehouse, ship())["confirmation"]
    return number


# The books.

INVOICE: Mapping[str, object] = {
    "account": CUSTOMER,
    "document": ORDER,
    "kind": "retail",
    "currency": "GBP",
    "charges": [{"item": "TEAPOT", "count": 2, "price": 1250}],
    "deductions": [{"voucher": "XMAS10", "amount": 250}],
    "freight": 395,
    "tax": 20,
    "gross": 2665,
    "paid_by": "pay_01",
    "po_number": None,
}
CREDIT_NOTE: Mapping[str, object] = {
    name: INVOICE[name] for name in ("account", "document", "currency", "gross", "paid_by")
}
BODIES = {INVOICES: INVOICE, CREDIT_NOTES: CREDIT_NOTE}


def ask_for_token(secret: str = API_KEY, grant: str = "client_credentials") -> Request:
    basic = base64.b64encode(f"{CLIENT_ID}:{secret}".encode()).decode()
    headers = {
        "authorization": f"Basic {basic}",
        "content-type": "application/x-www-form-urlencoded",
    }
    return Request("POST", TOKEN, headers, f"grant_type={grant}".encode())


def bearer(books: Books) -> dict[str, str]:
    token = answered(books(ask_for_token())).document["access_token"]
    return {"authorization": f"Bearer {token}"}


def post(books: Books, path: str = INVOICES, **changes: object) -> Response | None:
    body = json.dumps({**BODIES[path], **changes}).encode()
    return books(Request("POST", path, bearer(books), body))


def find(books: Books, path: str = INVOICES, **changes: str) -> Response:
    query = {"account": CUSTOMER, "document": ORDER, **changes}
    return answered(books(Request("GET", path, bearer(books), query=query)))
