"""What real orders cost: the sales of a file, retail and wholesale, counted in the simulation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec

from spillway.errors import UsageError
from spillway.plan.cost.batches import CROWD
from spillway.plan.cost.measurement import Measurement
from spillway.plan.cost.model import MILLION, CostModel
from spillway.plan.cost.simulated import counted_in_a_crowd
from spillway.plan.price_list import priced
from spillway.run.workload import read_sales

CHANNELS = ("retail", "wholesale")


class ChannelCost(
    msgspec.Struct, frozen=True, rename={"billed": "total_per_million", "list_price": "list"}
):
    """What a million orders like these cost in a crowd, billed and at list price."""

    channel: str
    orders: int
    bytes_stored: float
    write_units: float
    billed: float
    list_price: float


def costs_of_file(model: CostModel, path: Path) -> list[ChannelCost]:
    """By channel. Raises SpillwayError when the file cannot be read or has no sale."""
    sales = read_sales(path).orders
    by_channel = {name: [one for one in sales if one.order.channel == name] for name in CHANNELS}
    found = [
        _cost(model, channel, counted_in_a_crowd(drafts))
        for channel, drafts in by_channel.items()
        if drafts
    ]
    if not found:
        raise UsageError(f"{path} holds no sale that could be ordered.")
    return found


def _cost(model: CostModel, channel: str, measurement: Measurement) -> ChannelCost:
    """Sizes and counts are the file's, times and settings the model's."""
    usage = replace(model, measurement=measurement).an_order(CROWD).scaled(MILLION)
    written = measurement.total("write_units", service="dynamodb")
    stored = measurement.order_bytes + measurement.progress_bytes
    billed = model.billed(1, usage)
    return ChannelCost(
        channel=channel,
        orders=measurement.orders,
        bytes_stored=round(stored / measurement.orders, 1),
        write_units=round(written / measurement.orders, 4),
        billed=round(billed.dollars, 4),
        list_price=round(priced(usage, model.price_list).dollars, 4),
    )
