"""Fulfilment: ships an order, and stops a shipment. docs/contracts/fulfilment.yaml."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from simulation.downstreams.command import Circumstances, Command, Refusal, StockLines, Text

ADDRESS_LINES_MAX = 5


class Address(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Text
    lines: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1, max_length=ADDRESS_LINES_MAX)]
    city: Text
    postal_code: Annotated[str, msgspec.Meta(max_length=200)]
    country: Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$", max_length=2)]
    state: Text = ""
    phone: Text = ""
    email: Text = ""


class Ship(Command, frozen=True, kw_only=True):
    step: ClassVar[str] = "ship"

    channel: Literal["retail", "wholesale"]
    lines: StockLines
    address: Address

    def refusal(self, circumstances: Circumstances) -> Refusal | None:
        if circumstances.fault_settings.refuses(self.step, self.order_id):
            return Refusal("undeliverable", "No carrier delivers this order to this address.")
        return None

    def totals(self) -> dict[str, Any]:
        return {"units": sum(line.quantity for line in self.lines)}


class CancelShipment(Command, frozen=True, kw_only=True):
    """Asked for a customer who has thought again: refused once the goods have left."""

    step: ClassVar[str] = "cancel_shipment"
    undoes: ClassVar[str | None] = "ship"

    def refusal(self, circumstances: Circumstances) -> Refusal | None:
        if circumstances.fault_settings.too_late or _has_left(circumstances):
            return Refusal("too_late", "The shipment has left.")
        return None


class RecallShipment(Command, frozen=True, kw_only=True):
    """Required for an order that must not exist: the goods are brought back wherever they are."""

    step: ClassVar[str] = "recall_shipment"
    undoes: ClassVar[str | None] = "ship"


def _has_left(circumstances: Circumstances) -> bool:
    age_max_ms = circumstances.fault_settings.dispatch_after_ms
    if age_max_ms is None or circumstances.undone is None:
        return False
    return circumstances.now_ms - circumstances.undone.at >= age_max_ms


COMMANDS: Mapping[str, type[Command]] = {
    "/shipments": Ship,
    "/shipment-cancellations": CancelShipment,
    "/recalls": RecallShipment,
}
