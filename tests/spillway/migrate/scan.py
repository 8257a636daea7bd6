"""The orders table as a scan shows it. No code of the migration takes part, so that what the
migration says of its own work can be held against it."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

ORDER_STEPS = {"reserve", "ship", "post"}


@dataclass(frozen=True)
class Scanned:
    """`lines` in the order of the table: sku, quantity, and price in minor units."""

    customer: str
    accepted_at: int
    outcome: str
    lines: tuple[tuple[str, int, int], ...]
    total: int
    shipping: int = 0
    country: str = ""


def scanned(dynamodb: Any, table: str) -> dict[str, Scanned]:
    """By old number. AssertionError: half an order, or two orders of one number."""
    orders, progress = {}, {}
    for item in _items(dynamodb, table):
        place = (item["pk"]["S"], item["sk"]["S"])
        if place[1].endswith("#progress"):
            progress[place[0], place[1].removesuffix("#progress")] = item
        else:
            orders[place] = item
    assert orders.keys() == progress.keys(), f"half an order: {orders.keys() ^ progress.keys()}"
    found = {}
    for place, item in orders.items():
        number = item["imported"]["S"]
        assert number not in found, f"{number} has come over twice"
        content = json.loads(zlib.decompress(item["content"]["B"]))
        found[number] = Scanned(
            customer=place[0],
            accepted_at=int(item["accepted_at"]["N"]),
            outcome=_outcome(progress[place]),
            lines=tuple(
                (line["sku"], line["quantity"], line["unit_price"]) for line in content["lines"]
            ),
            total=content["total"],
            shipping=content["shipping"],
            country=content["address"]["country"],
        )
    return found


def set_aside(dynamodb: Any, state_table: str) -> dict[str, tuple[str, ...]]:
    """By old number, the rules for which an order is in quarantine."""
    return {
        item["sk"]["S"].replace("(none)", ""): tuple(
            reason["L"][0]["S"] for reason in item["reasons"]["L"]
        )
        for item in _items(dynamodb, state_table)
        if item["pk"]["S"] == "quarantine"
    }


def _outcome(progress: Any) -> str:
    if "cancellation" in progress:
        return "cancelled"
    if "reason" in progress.get("reserve", {"M": {}})["M"]:
        return "rejected"
    return "confirmed" if progress.keys() >= ORDER_STEPS else "open"


def _items(dynamodb: Any, table: str) -> Iterator[Any]:
    for page in dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        yield from page["Items"]
