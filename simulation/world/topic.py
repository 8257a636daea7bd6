"""SNS: the order-events topic, and what its subscribers have heard."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from simulation.world.calls import Calls, Site, aws_failed, aws_throttled, client_error
from simulation.world.faults import BATCH_WRITE_KINDS, Fault

BATCH_MAX = 10
#: All messages of a request together.
REQUEST_BYTES_MAX = 256 * 1024
_ENTRY_ID = re.compile("[A-Za-z0-9_-]{1,80}")

_SITE = Site("sns", "PublishBatch", BATCH_WRITE_KINDS, 6_000, aws_failed, aws_throttled)


@dataclass(eq=False)
class Topic:
    """`heard`: every event by its id, in order. `on_contradiction` gets the id of an event that
    comes again with another content."""

    arn: str
    on_contradiction: Callable[[str], None]
    heard: dict[str, dict[str, Any]] = field(default_factory=dict)

    def publish(self, message: str) -> None:
        event = msgspec.json.decode(message)
        first = self.heard.setdefault(event["id"], event)
        if event not in (first, _erased(first)):
            self.on_contradiction(event["id"])


@dataclass(frozen=True, slots=True)
class SnsClient:
    """A botocore client of SNS, as far as the service calls it."""

    calls: Calls
    topic: Topic

    def publish_batch(
        self, *, TopicArn: str, PublishBatchRequestEntries: Sequence[dict[str, Any]]
    ) -> dict[str, Any]:
        entries = PublishBatchRequestEntries

        def publish(fault: Fault | None) -> dict[str, Any]:
            _check(TopicArn, self.topic.arn, entries)
            task = self.calls.scheduler.task
            unlucky = None
            if fault is Fault.PARTLY_TAKEN and task is not None:
                unlucky = entries[task.chance.below(len(entries))]["Id"]
            answer: dict[str, Any] = {"Successful": [], "Failed": []}
            for entry in entries:
                if entry["Id"] == unlucky:
                    failed = {"Id": unlucky, "Code": "InternalError", "SenderFault": False}
                    answer["Failed"].append(failed)
                    continue
                self.topic.publish(entry["Message"])
                answer["Successful"].append({"Id": entry["Id"], "MessageId": entry["Id"]})
            return answer

        about = ""
        if self.calls.trace is not None:
            types = [entry["MessageAttributes"]["type"]["StringValue"] for entry in entries]
            about = ", ".join(types)
        return self.calls.make(_SITE, publish, about)


def _erased(event: dict[str, Any]) -> dict[str, Any]:
    """What comes again of it once its customer was erased."""
    if event.get("data", {}).get("tracking_number") is None:
        return event
    return event | {"data": event["data"] | {"tracking_number": None}}


def _check(arn: str, there: str, entries: Sequence[dict[str, Any]]) -> None:
    if arn != there:
        raise client_error("NotFound", "PublishBatch", "Topic does not exist")
    if not entries:
        raise client_error("EmptyBatchRequest", "PublishBatch")
    if len(entries) > BATCH_MAX:
        raise client_error("TooManyEntriesInBatchRequest", "PublishBatch")
    if any(_ENTRY_ID.fullmatch(entry["Id"]) is None for entry in entries):
        raise client_error("InvalidBatchEntryId", "PublishBatch")
    if len({entry["Id"] for entry in entries}) < len(entries):
        raise client_error("BatchEntryIdsNotDistinct", "PublishBatch")
    if sum(len(entry["Message"].encode()) for entry in entries) > REQUEST_BYTES_MAX:
        raise client_error("BatchRequestTooLong", "PublishBatch")
    for entry in entries:
        if not entry["Message"]:
            raise client_error("InvalidParameter", "PublishBatch")
        if any(not each["StringValue"] for each in entry.get("MessageAttributes", {}).values()):
            raise client_error("ParameterValueInvalid", "PublishBatch")
