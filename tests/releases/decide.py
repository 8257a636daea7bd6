"""What the code of any release does about a change of an order's progress.

It runs with the release's own code where that is on Python's path:
`PYTHONPATH=orders.zip python decide.py < records.json`.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from orders.aws import items
from orders.aws.topic import cloud_event
from orders.domain.status import status
from orders.flow.relay import called_for

try:
    from orders.handlers.changes import change_of
except ModuleNotFoundError:  # in 0.2.0
    from orders.handlers.relay import change_of  # type: ignore[attr-defined, no-redef]


def decisions(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each stream record: the steps that relay commands, the events that it publishes, and the
    order's status after it, as a customer reads it."""
    return [_decision(record) for record in records]


def _decision(record: dict[str, Any]) -> dict[str, Any]:
    change = change_of(record)
    if change is None:
        raise AssertionError(f"nothing follows from {record}")
    calls = called_for(change)
    return {
        "steps": [command.step for command in calls.commands],
        "events": [json.loads(cloud_event(event))["type"] for event in calls.events],
        "status": status(items.facts(record["dynamodb"]["NewImage"])),
    }


if __name__ == "__main__":
    json.dump(decisions(json.load(sys.stdin)), sys.stdout)
