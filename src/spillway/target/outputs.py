"""Tables and queues from the deployed stacks' outputs, by the names used in the toolbox."""

from __future__ import annotations

from collections.abc import Mapping

from orders.domain.saga import DOWNSTREAMS

#: Queues that a function reads. Relay reads the table's stream.
QUEUES = (*DOWNSTREAMS, "overflow", "watchdog")


def tables(outputs: Mapping[str, str]) -> dict[str, str]:
    """Names: `orders`, and one for each downstream if the stage has fakes of them."""
    named = {
        name: outputs.get(f"{name.capitalize()}TableName") for name in ("orders", *DOWNSTREAMS)
    }
    return {name: table for name, table in named.items() if table is not None}


def queues(outputs: Mapping[str, str]) -> dict[str, str]:
    """URLs: `inventory`, `inventory_dead_letter` and so on, and `relay_dead_letter`."""
    urls = {name: outputs[f"{name.capitalize()}QueueUrl"] for name in QUEUES}
    for name in (*QUEUES, "relay"):
        urls[f"{name}_dead_letter"] = outputs[f"{name.capitalize()}DeadLetterQueueUrl"]
    return urls
