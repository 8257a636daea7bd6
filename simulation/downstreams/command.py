"""What all commands to a downstream have in common. Each is its own request body, with its fields,
their bounds, and its downstream's reasons to refuse it."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

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
    """Final, on record, answered 409."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a downstream knows when it decides, besides the command.

    `undone` is the entry of the step that the command undoes, None if it undoes nothing.
    """

    fault_settings: FaultSettings
    undone: Entry | None
    now_ms: int


class Lookup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The query of a lookup. Its path says which step is looked up."""

    customer_id: CustomerId
    order_id: OrderId


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`step` names the effect. `undoes` names the step that this one undoes: unless that was done,
    the command is answered 422 `nothing_to_<step>`."""

    step: ClassVar[str]
    undoes: ClassVar[str | None] = None

    customer_id: CustomerId
    order_id: OrderId

    def check(self) -> None:
        """Raises `Problem` for a body that breaks the contract in a way that no schema states."""

    def refusal(self, circumstances: Circumstances) -> Refusal | None:
        """Whether, and why, the downstream says no."""

    def totals(self) -> dict[str, Any]:
        """The size of what the command asks for: fields of `ledger.Entry`."""
        return {}
