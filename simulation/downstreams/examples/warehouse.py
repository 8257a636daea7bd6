"""A warehouse behind two queues as fulfilment. docs/contracts/examples/warehouse.yaml.

A command is a message on its queue, an outcome a message on ours. A message that comes again, which
a queue may bring at any time, has no second effect: its `messageId` names the effect, and it is
answered again with what was decided when it first came. Over HTTP it has fault settings and health
alone.

In an outage it reads no messages (`paused`), and they wait.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from simulation.downstreams.command import LINES_MAX as ITEMS_MAX
from simulation.downstreams.command import Code, Command, CustomerId, OrderId, Quantity, StockLine
from simulation.downstreams.exchange import Problem, Request, Response
from simulation.downstreams.fault_settings import FaultSettings
from simulation.downstreams.fulfilment import Address, CancelShipment, RecallShipment, Ship
from simulation.downstreams.ledger import Entry, KeyReusedError
from simulation.downstreams.parcels import News
from simulation.downstreams.service import Service

_Named = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
_Line = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Optional = Annotated[str, msgspec.Meta(max_length=200)] | None


class BrokenDownError(Exception):
    """The message was not handled: it comes again."""


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    item_number: Code
    units: Quantity


class Recipient(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    name: _Line
    address_lines: Annotated[tuple[_Line, ...], msgspec.Meta(min_length=1, max_length=5)]
    city: _Line
    country_code: Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$", max_length=2)]
    post_code: _Optional = None
    region: _Optional = None
    phone: _Optional = None
    email: _Optional = None

    @property
    def address(self) -> Address:
        return Address(
            name=self.name,
            lines=self.address_lines,
            city=self.city,
            postal_code=self.post_code or "",
            country=self.country_code,
            state=self.region or "",
            phone=self.phone or "",
            email=self.email or "",
        )


class Message(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    rename="camel",
    tag_field="type",
    kw_only=True,
):
    """`correlation` is given back with the outcome."""

    message_id: _Named
    correlation: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    account: CustomerId
    order_number: OrderId

    @property
    def command(self) -> Command:
        raise NotImplementedError


class ShipRequest(Message, frozen=True, kw_only=True, tag="SHIP_REQUEST"):
    channel: Literal["retail", "wholesale"]
    ship_to: Recipient
    items: Annotated[tuple[Item, ...], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]

    @property
    def command(self) -> Ship:
        return Ship(
            customer_id=self.account,
            order_id=self.order_number,
            channel=self.channel,
            lines=tuple(StockLine(each.item_number, each.units) for each in self.items),
            address=self.ship_to.address,
        )


class CancelRequest(Message, frozen=True, kw_only=True, tag="CANCEL_REQUEST"):
    shipment_number: _Named

    @property
    def command(self) -> CancelShipment:
        return CancelShipment(customer_id=self.account, order_id=self.order_number)


class RecallRequest(Message, frozen=True, kw_only=True, tag="RECALL_REQUEST"):
    shipment_number: _Named

    @property
    def command(self) -> RecallShipment:
        return RecallShipment(customer_id=self.account, order_id=self.order_number)


Instruction = ShipRequest | CancelRequest | RecallRequest
_decoder = msgspec.json.Decoder(Instruction)

#: The beginning of the outcome's type, by the command's step.
_VERB = {"ship": "SHIP", "cancel_shipment": "CANCEL", "recall_shipment": "RECALL"}


_NEWS = {
    "shipped": "PARCEL_DISPATCHED",
    "delivered": "PARCEL_DELIVERED",
    "returned": "PARCEL_RETURNED",
    "order_returned": "ORDER_RETURNED",
}


def parcel_form(news: News, correlation: str) -> Mapping[str, object]:
    return {
        "type": _NEWS[news.status],
        "correlation": correlation,
        "orderNumber": news.order_id,
        "parcelNumber": news.parcel,
        "parcelCount": news.parcels,
        "carrierName": news.carrier,
        "trackingCode": news.tracking_number,
    }


class _Correlated(msgspec.Struct):
    correlation: str | None = None


@dataclass(eq=False, kw_only=True)
class Warehouse(Service):
    @property
    def paused(self) -> bool:
        return self.fault_settings.outage

    @property
    def latency_ms(self) -> int:
        """How long a message must be held back before it is handled."""
        return self.fault_settings.latency_ms

    def handle(self, body: bytes) -> bytes | None:
        """Do what a message asks for. Returns the outcome's body; None: the outcome is lost.

        Raises BrokenDownError and LedgerUnavailableError, after which the message comes again.
        """
        fault_settings = self.fault_settings
        if self.random() < fault_settings.error_rate:
            raise BrokenDownError
        try:
            outcome = self._outcome(_decoder.decode(body), fault_settings)
        except _Refused as refused:
            outcome = _not_taken(body, refused.code, refused.text)
        except msgspec.DecodeError as error:
            outcome = _not_taken(body, "MALFORMED", f"{error}.")
        lost = self.random() < fault_settings.lose_answers_rate
        return None if lost else msgspec.json.encode(outcome)

    def _outcome(self, message: Instruction, fault_settings: FaultSettings) -> dict[str, object]:
        command = message.command
        try:
            undone = None if isinstance(message, ShipRequest) else self._shipment(message)
            entry = self._decide(
                command,
                message.message_id,
                fault_settings,
                undone,
                correlation=message.correlation,
            )
        except KeyReusedError:
            text = "This messageId came with another message before."
            raise _Refused("MESSAGE_ID_REUSED", text) from None
        outcome = {"correlation": message.correlation, "orderNumber": entry.order_id}
        verb = _VERB[entry.step]
        if entry.code is not None:
            return {"type": f"{verb}_REJECTED", **outcome, "reasonCode": entry.code.upper()}
        return {"type": f"{verb}_CONFIRMED", **outcome, "confirmation": entry.reference}

    def _shipment(self, message: CancelRequest | RecallRequest) -> Entry:
        undone = self._undone(message.command, message.message_id)
        if undone is None or undone.reference != message.shipment_number:
            raise _Refused("SHIPMENT_UNKNOWN", f"There is no shipment {message.shipment_number}.")
        return undone

    def _ask(self, request: Request, fault_settings: FaultSettings) -> Response | None:
        if fault_settings.outage:
            raise Problem(503, "unavailable", "The service is down.")
        detail = f"There is nothing at {request.path}: this warehouse is reached by its queue."
        raise Problem(404, "path_unknown", detail)


class _Refused(Exception):
    """The message breaks the contract."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code)
        self.code, self.text = code, text


def _not_taken(body: bytes, code: str, text: str) -> dict[str, object]:
    """The outcome of a message that breaks the contract: given back with its correlation, if any
    can be read."""
    try:
        correlation = msgspec.json.decode(body, type=_Correlated).correlation
    except msgspec.DecodeError:
        correlation = None
    return {
        "type": "MESSAGE_REFUSED",
        "correlation": correlation,
        "errorCode": code,
        "errorText": text,
    }
