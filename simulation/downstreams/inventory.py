"""Inventory: holds stock for an order, and lets it go. docs/contracts/inventory.yaml."""

from collections.abc import Mapping
from typing import Any, ClassVar

from simulation.downstreams.command import Circumstances, Command, Refusal, StockLines


class Reserve(Command, frozen=True, kw_only=True):
    step: ClassVar[str] = "reserve"

    lines: StockLines

    def refusal(self, circumstances: Circumstances) -> Refusal | None:
        empty = sorted(
            {line.sku for line in self.lines} & set(circumstances.fault_settings.refuse_skus)
        )
        if empty:
            return Refusal("out_of_stock", f"There is no stock of {', '.join(empty)}.")
        if circumstances.fault_settings.refuses(self.step, self.order_id):
            return Refusal("out_of_stock", "There is not enough stock for this order.")
        return None

    def totals(self) -> dict[str, Any]:
        return {"units": sum(line.quantity for line in self.lines)}


class Release(Command, frozen=True, kw_only=True):
    """Never refused: stock that is held can always be let go."""

    step: ClassVar[str] = "release"
    undoes: ClassVar[str | None] = "reserve"


COMMANDS: Mapping[str, type[Command]] = {"/reservations": Reserve, "/releases": Release}
