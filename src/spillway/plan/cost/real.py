"""Real orders' own cost line: the sales of a file, retail and wholesale, counted in the model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from spillway.errors import SpillwayError
from spillway.plan.cost.loads import CROWD
from spillway.plan.cost.measurement import MEASURED, Measurement
from spillway.plan.cost.model import counted
from spillway.plan.cost.reckoning import MILLION, Reckoning
from spillway.plan.prices import priced
from spillway.run.workload import read_sales

#: The December 2010 sales of the UCI data set "Online Retail", counted; the file is not here.
RECORDED = MEASURED / "december-2010.json"
CHANNELS = ("retail", "wholesale")


@dataclass(frozen=True, slots=True)
class Line:
    """What a million orders like these cost in a crowd, billed and at list price."""

    channel: str
    orders: int
    bytes_stored: float
    write_units: float
    billed: float
    list_price: float


def of_file(path: Path) -> dict[str, Measurement]:
    """By channel, what a file's sales take. SpillwayError: it cannot be read, or holds no sale."""
    sales = read_sales(path)
    by_channel = {
        channel: [draft for draft in sales.orders if draft.channel == channel]
        for channel in CHANNELS
    }
    found = {channel: counted("crowd", drafts) for channel, drafts in by_channel.items() if drafts}
    if not found:
        raise SpillwayError(f"{path} holds no sale that could be ordered.")
    return found


def record(path: Path) -> None:
    """Count a file's sales and keep the counts, for the docs."""
    content = msgspec.json.encode(of_file(path))
    RECORDED.write_bytes(msgspec.json.format(content, indent=2) + b"\n")


def recorded() -> dict[str, Measurement]:
    """The counts that were kept."""
    return msgspec.json.decode(RECORDED.read_bytes(), type=dict[str, Measurement])


def lines(ours: Reckoning, measured: dict[str, Measurement]) -> list[Line]:
    """Price them: times and settings are ours, sizes and counts theirs."""
    return [_line(ours, channel, measurement) for channel, measurement in measured.items()]


def _line(ours: Reckoning, channel: str, measurement: Measurement) -> Line:
    usage = replace(ours, measurement=measurement).an_order(CROWD).scaled(MILLION)
    written = measurement.total("write_units", service="dynamodb")
    stored = measurement.order_bytes + measurement.progress_bytes
    billed = priced(usage + ours.working(), ours.book, free_tiers=True)
    return Line(
        channel=channel,
        orders=measurement.orders,
        bytes_stored=stored / measurement.orders,
        write_units=written / measurement.orders,
        billed=billed.dollars,
        list_price=priced(usage, ours.book).dollars,
    )
