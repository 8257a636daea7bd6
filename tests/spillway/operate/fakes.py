"""AWS as far as an operator's reading needs it: a table, logs, queues and metrics in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from orders.aws import items
from orders.domain.order import AcceptedOrder
from orders.domain.saga import Facts, Outcome, Step
from orders.domain.units import Millis
from spillway.target.service import Service

NOW = 1_795_428_000.0
CONFIRMED = Facts(
    {step: Outcome(Millis(int(NOW * 1000))) for step in (Step.RESERVE, Step.SHIP, Step.POST)}
)


def queue_url(name: str) -> str:
    return f"https://sqs/1/spillway-test-{name.replace('_', '-')}"


QUEUES = {
    name: queue_url(name)
    for base in ("inventory", "fulfilment", "accounting", "overflow", "watchdog", "relay")
    for name in (base, f"{base}_dead_letter")
    if name != "relay"
}


@dataclass
class Pages:
    pages: Sequence[dict[str, Any]]

    def paginate(self, **_: Any) -> Iterator[dict[str, Any]]:
        yield from self.pages


@dataclass
class FakeTable:
    """A boto3 DynamoDB client of one table, `page` items a page of a scan."""

    items: list[items.Item] = field(default_factory=list)
    page: int = 100
    queries: int = 0

    def add(self, order: AcceptedOrder, facts: Mapping[str, Any] | None = None) -> None:
        """`facts` as attributes of the progress item; none without."""
        self.items.append(items.order_item(order))
        if facts is not None:
            self.items.append({**items.progress_key(order.key), **facts})

    def get_paginator(self, call: str) -> Any:
        return self if call == "scan" else Pages([])

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        wanted = request.get("ExpressionAttributeValues", {}).get(":order")
        for start in range(0, max(1, len(self.items)), self.page):
            page = self.items[start : start + self.page]
            more: dict[str, Any] = (
                {"LastEvaluatedKey": {}} if start + self.page < len(self.items) else {}
            )
            found = [item for item in page if wanted is None or item["sk"] == wanted]
            yield {"Items": found, "ScannedCount": len(page), **more}

    def describe_table(self, **_: str) -> dict[str, Any]:
        return {"Table": {"ItemCount": len(self.items)}}

    def query(self, ExpressionAttributeValues: Any, **_: Any) -> dict[str, Any]:  # noqa: N803
        self.queries += 1
        values = ExpressionAttributeValues
        if ":order" not in values:
            return {"Items": []}
        low, high = values[":order"]["S"], values[":progress"]["S"]
        return {
            "Items": [
                item
                for item in self.items
                if item["pk"] == values[":customer"] and low <= item["sk"]["S"] <= high
            ]
        }


class FakeStacks:
    """A boto3 CloudFormation client: the stage's data stack has these outputs."""

    def __init__(self, **outputs: str) -> None:
        self.outputs = [{"OutputKey": key, "OutputValue": outputs[key]} for key in outputs]

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        outputs = self.outputs if StackName == "spillway-test-data" else []
        return {"Stacks": [{"StackName": StackName, "Outputs": outputs}]}


@dataclass
class FakeLogs:
    """A boto3 CloudWatch Logs client: (function, Unix ms, message). `missing`: the function that
    has no log group."""

    stage: str = "test"
    written: list[tuple[str, int, str]] = field(default_factory=list)
    page: int = 3
    missing: str | None = None

    def say(self, function: str, at: int, **fields: Any) -> None:
        self.written.append((function, at, json.dumps({"at": at, **fields})))

    def get_paginator(self, _: str) -> FakeLogs:
        return self

    def paginate(
        self,
        logGroupName: str,  # noqa: N803
        startTime: int = 0,  # noqa: N803
        filterPattern: str = "",  # noqa: N803
        **_: Any,
    ) -> Iterator[dict[str, Any]]:
        if logGroupName == f"/aws/lambda/spillway-{self.stage}-{self.missing}":
            raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "FilterLogEvents")
        phrases = [phrase.replace('"', "") for phrase in filterPattern.split()]
        found = [
            {"timestamp": at, "message": message}
            for function, at, message in self.written
            if logGroupName == f"/aws/lambda/spillway-{self.stage}-{function}"
            and at >= startTime
            and all(
                phrase[1:] not in message if phrase.startswith("-") else phrase in message
                for phrase in phrases
            )
        ]
        for start in range(0, max(1, len(found)), self.page):
            yield {"events": found[start : start + self.page]}


@dataclass
class FakeQueues:
    visible: Mapping[str, int] = field(default_factory=dict)

    def get_queue_attributes(self, QueueUrl: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        visible = {queue_url(name): count for name, count in self.visible.items()}
        return {"Attributes": {"ApproximateNumberOfMessages": str(visible.get(QueueUrl, 0))}}


@dataclass
class FakeCloudWatch:
    """`metrics`: by name and dimension the values, one each minute up to now."""

    metrics: Mapping[tuple[str, str], Sequence[float]] = field(default_factory=dict)
    alarms: Sequence[dict[str, Any]] = ()

    def get_metric_statistics(self, **asked: Any) -> dict[str, Any]:
        [dimension] = asked["Dimensions"]
        values = self.metrics.get((asked["MetricName"], dimension["Value"]), ())
        [statistic] = asked["Statistics"]
        points = [
            {"Timestamp": datetime.fromtimestamp(NOW - 60 * n, UTC), statistic: value}
            for n, value in enumerate(reversed(values))
        ]
        return {"Datapoints": points}

    def get_paginator(self, _: str) -> Pages:
        return Pages([{"MetricAlarms": list(self.alarms)}])


@dataclass
class FakeLambda:
    """The event source mappings: the state of each function's, and of each queue's of outcomes;
    some of another stage beside them."""

    states: Mapping[str, str] = field(default_factory=dict)

    def get_paginator(self, _: str) -> Pages:
        functions = {f"spillway-test-{name}": state for name, state in self.states.items()}
        functions["spillway-other-relay"] = "Disabled"
        mappings = [_mapping(name, state) for name, state in functions.items()]
        return Pages([{"EventSourceMappings": [one]} for one in mappings])


def _mapping(name: str, state: str) -> dict[str, str]:
    function, source = name.removesuffix("'s stream"), "dynamodb:eu-west-1:1:table/orders/stream/1"
    if not name.endswith(("relay", "stream")):
        queue = name.replace("-drain", "-overflow").replace("-deliver-", "-")
        source = f"sqs:eu-west-1:1:{queue}"
    if "-outcomes-" in name:
        function = name[: name.index("-outcomes-")] + "-outcomes"
    return {
        "FunctionArn": f"arn:aws:lambda:eu-west-1:1:function:{function}:live",
        "EventSourceArn": f"arn:aws:{source}",
        "State": state,
    }


def service(**clients: Any) -> Service:
    """A service on AWS, whose clients are these."""
    return Service("test", clients.__getitem__, {"orders": "orders"}, QUEUES)


def with_tellers(service: Service, *tellers: str) -> Service:
    """The same with these queues of outcomes."""
    more = {name: queue_url(name) for one in tellers for name in (one, f"{one}_dead_letter")}
    return replace(service, queues={**service.queues, **more})


def outcome_of(facts: Facts) -> dict[str, Any]:
    return {
        step.value: items.outcome_attribute(outcome) for step, outcome in facts.outcomes.items()
    }
