"""SNS: the order-events topic, and what its subscribers have heard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from simulation.world.calls import Calls, Site, aws_failed, aws_throttled, client_error
from simulation.world.faults import BATCH_WRITE_KINDS, Fault

BATCH_MAX = 10

_SITE = Site("sns", "PublishBatch", BATCH_WRITE_KINDS, 6_000, aws_failed, aws_throttled)


class Topic:
    """`heard`: every event by its id, in order. `on_contradiction` gets the id of an event that
    comes again with another content."""

    def __init__(self, arn: str, on_contradiction: Callable[[str], None]) -> None:
        self.arn = arn
        self.heard: dict[str, dict[str, Any]] = {}
        self._on_contradiction = on_contradiction

    def publish(self, message: str) -> None:
        event = msgspec.json.decode(message)
        if self.heard.setdefault(event["id"], event) != event:
            self._on_contradiction(event["id"])


class SnsClient:
    """A botocore client of SNS, as far as the service calls it."""

    def __init__(self, calls: Calls, topic: Topic) -> None:
        self._calls = calls
        self._topic = topic

    def publish_batch(
        self, *, TopicArn: str, PublishBatchRequestEntries: Sequence[dict[str, Any]]
    ) -> dict[str, Any]:
        entries = PublishBatchRequestEntries

        def publish(fault: Fault | None) -> dict[str, Any]:
            _check(TopicArn, self._topic.arn, entries)
            task = self._calls.scheduler.task
            unlucky = None
            if fault is Fault.PARTLY_TAKEN and task is not None:
                unlucky = entries[task.chance.below(len(entries))]["Id"]
            answer: dict[str, Any] = {"Successful": [], "Failed": []}
            for entry in entries:
                if entry["Id"] == unlucky:
                    failed = {"Id": unlucky, "Code": "InternalError", "SenderFault": False}
                    answer["Failed"].append(failed)
                    continue
                self._topic.publish(entry["Message"])
                answer["Successful"].append({"Id": entry["Id"], "MessageId": entry["Id"]})
            return answer

        about = ""
        if self._calls.trace is not None:
            types = [entry["MessageAttributes"]["type"]["StringValue"] for entry in entries]
            about = ", ".join(types)
        return self._calls.make(_SITE, publish, about)


def _check(arn: str, there: str, entries: Sequence[dict[str, Any]]) -> None:
    if arn != there:
        raise client_error("NotFound", "PublishBatch", "Topic does not exist")
    if not entries:
        raise client_error("EmptyBatchRequest", "PublishBatch")
    if len(entries) > BATCH_MAX:
        raise client_error("TooManyEntriesInBatchRequest", "PublishBatch")
    if len({entry["Id"] for entry in entries}) < len(entries):
        raise client_error("BatchEntryIdsNotDistinct", "PublishBatch")
