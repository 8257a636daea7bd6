"""An accounting API as accounting. docs/contracts/examples/books.yaml.

It has OAuth 2 client credentials (RFC 6749, 4.4), lookups by document, and no idempotency keys: a
second posting of the same document is a second posting. Whoever looks first prevents it, unless
two look at the same moment: so each posting says whether somebody had looked and found nothing.

The first of these that applies answers a request: outage (503), unknown path (404), wrong method
(405); for a token its grant (400) and client (401); else a token that is not in force (401),
error_rate (503), query or body (400), and the decision: 201, or refused (422).
"""

import base64
import binascii
import itertools
import secrets
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal
from urllib.parse import parse_qsl, unquote_plus

import msgspec

from simulation.downstreams.accounting import DISCOUNTS_MAX, Post, PricedLine, Refund
from simulation.downstreams.accounting import Discount as PostedDiscount
from simulation.downstreams.command import (
    LINES_MAX,
    UNIT_PRICE_MAX,
    Amount,
    Code,
    Command,
    Currency,
    CustomerId,
    OrderId,
    Quantity,
    Text,
)
from simulation.downstreams.exchange import Rejected, Request, Response
from simulation.downstreams.fault_settings import FaultSettings
from simulation.downstreams.ledger import Entry
from simulation.downstreams.service import Service, same

TOKEN = "/oauth/token"  # noqa: S105 - a path
INVOICES = "/v1/invoices"
CREDIT_NOTES = "/v1/credit-notes"
CLIENT_ID = "spillway"
#: Short, so that a run has tokens renewed.
TOKEN_SECONDS = 60
NUMBERS_FROM = 900_001
ACCOUNT_BLOCKED = "ACCOUNT_BLOCKED"


class Charge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    item: Code
    count: Quantity
    price: Annotated[int, msgspec.Meta(ge=0, le=UNIT_PRICE_MAX)]


class Deduction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    voucher: Code
    amount: Amount


class Invoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of a posting. Amounts are minor units of `currency`."""

    account: CustomerId
    document: OrderId
    kind: Literal["retail", "wholesale"]
    currency: Currency
    charges: Annotated[tuple[Charge, ...], msgspec.Meta(min_length=1, max_length=LINES_MAX)]
    deductions: Annotated[tuple[Deduction, ...], msgspec.Meta(max_length=DISCOUNTS_MAX)] = ()
    freight: Amount
    tax: Amount
    gross: Amount
    paid_by: Text | None = None
    po_number: Text | None = None

    @property
    def command(self) -> Post:
        return Post(
            customer_id=self.account,
            order_id=self.document,
            channel=self.kind,
            currency=self.currency,
            lines=tuple(PricedLine(one.item, one.count, one.price) for one in self.charges),
            discounts=tuple(PostedDiscount(one.voucher, one.amount) for one in self.deductions),
            shipping=self.freight,
            tax=self.tax,
            total=self.gross,
            payment_reference=self.paid_by,
            purchase_order=self.po_number,
        )


class CreditNote(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    account: CustomerId
    document: OrderId
    currency: Currency
    gross: Amount
    paid_by: Text | None = None

    @property
    def command(self) -> Refund:
        return Refund(
            customer_id=self.account,
            order_id=self.document,
            payment_reference=self.paid_by,
            amount=self.gross,
            currency=self.currency,
        )


#: By path: the body of a posting there, and the step that it does.
POSTINGS: Mapping[str, tuple[type[Invoice | CreditNote], str]] = {
    INVOICES: (Invoice, Post.step),
    CREDIT_NOTES: (CreditNote, Refund.step),
}


@dataclass(eq=False, kw_only=True)
class Books(Service):
    """`api_key` is the client's secret. Tokens and numbers are in memory: a fake lives as long as
    its stack."""

    token_seconds: int = TOKEN_SECONDS
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    #: Of each token until when it is in force (Unix ms).
    _tokens: dict[str, int] = field(default_factory=dict, init=False)
    #: By customer, order and step: when somebody saw that nothing was posted, and has not posted.
    _seen_empty: defaultdict[tuple[str, str, str], list[int]] = field(
        default_factory=lambda: defaultdict(list), init=False
    )
    _numbers: Iterator[int] = field(
        default_factory=lambda: itertools.count(NUMBERS_FROM), init=False
    )

    def _ask(self, request: Request, fault_settings: FaultSettings) -> Response | None:
        if fault_settings.outage:
            raise _rejected(503, "UNAVAILABLE", "The service is down.")
        if request.path == TOKEN:
            _check_method(request, "POST")
            return self._token(request)
        if request.path not in POSTINGS:
            raise _rejected(404, "NO_SUCH_RESOURCE", f"There is nothing at {request.path}.")
        _check_method(request, "GET", "POST")
        self._check_token(request)
        if self.random() < fault_settings.error_rate:
            raise _rejected(503, "UNAVAILABLE", "The service cannot take this request now.")
        answer = (
            self._look_up(request)
            if request.method == "GET"
            else self._post(request, fault_settings)
        )
        # A refusal is on record too, and as any answer about that may be lost.
        return None if self.random() < fault_settings.lose_answers_rate else answer

    def _token(self, request: Request) -> Response:
        form = dict(parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True))
        if form.get("grant_type") != "client_credentials":
            raise Rejected(Response(400, {"error": "unsupported_grant_type"}))
        client, secret = _client_of(request, form)
        if not (same(client, CLIENT_ID) and same(secret, self.api_key)):
            asks = {"www-authenticate": 'Basic realm="books"'}
            raise Rejected(Response(401, {"error": "invalid_client"}, asks))
        token, now = secrets.token_urlsafe(24), self.now_ms()
        with self._lock:
            self._tokens = {known: until for known, until in self._tokens.items() if until > now}
            self._tokens[token] = now + self.token_seconds * 1000
        return Response(
            200,
            {"access_token": token, "token_type": "Bearer", "expires_in": self.token_seconds},
            {"cache-control": "no-store"},
        )

    def _check_token(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        with self._lock:
            until = self._tokens.get(token, 0) if scheme.lower() == "bearer" else 0
        if until <= self.now_ms():
            raise _rejected(
                401,
                "TOKEN_INVALID",
                "The access token is missing, unknown or has expired.",
                **{"www-authenticate": 'Bearer error="invalid_token"'},
            )

    def _look_up(self, request: Request) -> Response:
        """All postings of this document, the first one first; what was refused comes after."""
        try:
            account = msgspec.convert(request.query.get("account"), CustomerId)
            document = msgspec.convert(request.query.get("document"), OrderId)
        except msgspec.ValidationError as error:
            raise _rejected(400, "QUERY_INVALID", f"{error}.") from error
        _, step = POSTINGS[request.path]
        found = [one for one in self.ledger.entries(account, document) if one.step == step]
        found.sort(key=lambda one: (not one.done, one.at, one.reference))
        if not found:
            with self._lock:
                self._seen_empty[account, document, step].append(self.now_ms())
        return Response(200, {"count": len(found), "results": [_shown(one) for one in found]})

    def _post(self, request: Request, fault_settings: FaultSettings) -> Response:
        command = _decode(request)
        number = str(next(self._numbers))
        with self._lock:
            seen = self._seen_empty[command.customer_id, command.order_id, command.step]
            looked_up_at = seen.pop() if seen else None
        entry = self._decide(
            command,
            # Its own number is the key: no other command has it, so each is an effect of its own.
            f"{number}-{self.now_ms()}",
            fault_settings,
            reference=number,
            looked_up_at=looked_up_at,
        )
        if entry.done:
            return Response(201, _shown(entry))
        raise _rejected(422, ACCOUNT_BLOCKED, entry.detail or "")


def _client_of(request: Request, form: Mapping[str, str]) -> tuple[str, str]:
    """The client's id and secret: from Basic authentication, as RFC 6749 wants it, or the form."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        client, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    # Both are form-encoded first (RFC 6749, 2.3.1).
    return unquote_plus(client), unquote_plus(secret)


def _decode(request: Request) -> Command:
    body, _ = POSTINGS[request.path]
    try:
        command = msgspec.json.decode(request.body, type=body).command
        command.check()
    except msgspec.DecodeError as error:
        raise _rejected(400, "BODY_INVALID", f"{error}.") from error
    except Rejected as broken:
        detail = str(broken.response.document["detail"])
        raise _rejected(400, "SUM_INVALID", detail) from broken
    return command


def _shown(entry: Entry) -> dict[str, object]:
    state = "posted" if entry.done else "rejected"
    shown = {"id": int(entry.reference), "document": entry.order_id, "state": state}
    return shown if entry.done else {**shown, "reason": ACCOUNT_BLOCKED}


def _check_method(request: Request, *allowed: str) -> None:
    if request.method not in allowed:
        raise _rejected(405, "METHOD", f"Use {' or '.join(allowed)}.", allow=", ".join(allowed))


def _rejected(status: int, code: str, message: str, **headers: str) -> Rejected:
    return Rejected(Response(status, {"errors": [{"code": code, "message": message}]}, headers))
