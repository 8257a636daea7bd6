"""What the deployed stacks tell of themselves: the tables and queues by the names used here."""

from __future__ import annotations

from collections.abc import Mapping

from orders.domain.saga import DOWNSTREAMS

#: Parts with a queue that a function works off. Relay works off the table's stream.
WORKED_OFF = (*DOWNSTREAMS, "overflow", "watchdog")


def tables(outputs: Mapping[str, str]) -> dict[str, str]:
    """Names: `orders`, and one for each downstream where the stage has stand-ins for them."""
    named = {
        name: outputs.get(f"{name.capitalize()}TableName") for name in ("orders", *DOWNSTREAMS)
    }
    return {name: table for name, table in named.items() if table is not None}


def queues(outputs: Mapping[str, str]) -> dict[str, str]:
    """URLs: `inventory`, `inventory_dead_letter` and so on, and `relay_dead_letter`."""
    urls = {name: outputs[f"{name.capitalize()}QueueUrl"] for name in WORKED_OFF}
    for name in (*WORKED_OFF, "relay"):
        urls[f"{name}_dead_letter"] = outputs[f"{name.capitalize()}DeadLetterQueueUrl"]
    return urls
