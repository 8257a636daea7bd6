"""What all commands to a downstream have in common. Each is its own request body: it knows its
fields and their bounds, and what its downstream has to say to them."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import msgspec

from simulation.downstreams.fault_settings import FaultSettings
from simulation.downstreams.ledger import Entry

LINES_MAX = 2_000
QUANTITY_MAX = 1_000_000
UNIT_PRICE_MAX = 100_000_000
AMOUNT_MAX = 1_000_000_000_000

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Code = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$", max_length=3)]
Quantity = Annotated[int, msgspec.Meta(ge=1, le=QUANTITY_MAX)]
Amount = Annotated[int, msgspec.Meta(ge=0, le=AMOUNT_MAX)]
CustomerId = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
# max_length, because `$` also matches before a last newline.
OrderId = Annotated[
    str, msgspec.Meta(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", max_length=36)
]


class StockLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sku: Code
    quantity: Quantity


StockLines = Annotated[tuple[StockLine, ...], msgspec.Meta(min_length=1, max_length=LINES_MAX)]


@dataclass(frozen=True, slots=True)
class Refusal:
    """An expected no: final, on record, answered 409."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Breach:
    """A command that a caller who keeps the contract never sends: answered 422, not on record."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Totals:
    """What an entry says of a command's size: fields of the same name in `ledger.Entry`."""

    units: int | None = None
    amount: int | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a downstream knows when it decides, besides the command.

    `undone` is the standing entry of the step that the command undoes, None if it undoes nothing.
    """

    fault_settings: FaultSettings
    undone: Entry | None
    now_ms: int


class Lookup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The query of a lookup. The step that is looked up is the one whose command has its path."""

    customer_id: CustomerId
    order_id: OrderId


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`step` names the effect. `undoes` names the step that must stand for this one to make sense;
    without it the command is a breach, coded `nothing_to_<step>`."""

    step: ClassVar[str]
    undoes: ClassVar[str | None] = None

    customer_id: CustomerId
    order_id: OrderId

    def breach(self) -> Breach | None:
        """What no schema can hold against the body alone."""

    def refusal(self, circumstances: Circumstances) -> Refusal | None:
        """Whether, and why, the downstream says no."""

    def totals(self) -> Totals:
        return Totals()
