"""What an open console asks of AWS: counted, as each request is paid for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from spillway.operate.console.redriving import Redriving
from spillway.operate.console.state import PAUSE_AWS_SECONDS, StatusReader
from spillway.target.service import QUEUES, Service
from tests.spillway.operate.console.builders import a_state, browser, part, status

HOUR = 3_600
DOLLARS_PER_SQS_REQUEST = 0.40 / 1_000_000
#: Beyond the free million a month; DescribeAlarms and GetMetricStatistics alike.
DOLLARS_PER_CLOUDWATCH_REQUEST = 0.01 / 1_000


class CountingAws:
    """Answers as if every queue held something, which asks for most."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()

    def __call__(self, service: str) -> Any:
        return _Client(service, self.requests)


class _Client:
    def __init__(self, service: str, requests: Counter[str]) -> None:
        self._service, self._requests = service, requests

    def get_queue_attributes(self, **_: Any) -> dict[str, Any]:
        self._requests[self._service] += 1
        return {"Attributes": {"ApproximateNumberOfMessages": "1"}}

    def get_metric_statistics(self, **_: Any) -> dict[str, Any]:
        self._requests[self._service] += 1
        return {"Datapoints": []}

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        self._requests[self._service] += 1
        return [{"MetricAlarms": [], "EventSourceMappings": [], "events": []}]


def queues() -> dict[str, str]:
    dead_letters = [f"{name}_dead_letter" for name in (*QUEUES, "relay")]
    return {name: f"https://sqs/{name}" for name in (*QUEUES, *dead_letters)}


def test_an_open_console_costs_less_than_two_cents_an_hour() -> None:
    aws = CountingAws()
    service = Service("dev", aws, {"orders": "orders"}, queues())
    clock = iter(range(0, HOUR, int(PAUSE_AWS_SECONDS)))
    reader = StatusReader(service, None, PAUSE_AWS_SECONDS, now=lambda: float(next(clock)))
    for _ in range(HOUR // int(PAUSE_AWS_SECONDS)):
        reader.read()
    # Logs are read for free, and only of the downstreams that messages are held for.
    assert aws.requests.pop("logs") <= 60 * 3 * 4
    assert aws.requests == {"sqs": 2_640, "cloudwatch": 60 * 29, "lambda": 60}
    dollars = (
        aws.requests["sqs"] * DOLLARS_PER_SQS_REQUEST
        + aws.requests["cloudwatch"] * DOLLARS_PER_CLOUDWATCH_REQUEST
    )
    assert dollars < 0.02


def test_pages_that_are_open_at_the_same_time_share_one_reading() -> None:
    aws = CountingAws()
    reader = StatusReader(Service("dev", aws, {"orders": "orders"}, queues()), None, 60.0)
    with ThreadPoolExecutor(5) as pages:
        readings = list(pages.map(lambda _: reader.latest(), range(5)))
    assert aws.requests["sqs"] == len(queues())
    assert readings == readings[:1] * 5


def test_a_look_at_the_dead_letters_is_not_at_those_of_a_moment_ago(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_at: list[Sequence[str]] = []
    monkeypatch.setattr(Redriving, "look", lambda _, holding: looked_at.append(holding))
    readings = iter([status(), status(part("deliver-accounting", dead_letters=1))])
    monkeypatch.setattr(StatusReader, "read", lambda _: next(readings))
    state = a_state()
    state.reader = StatusReader(state.service, None, 60.0)
    client = browser(state)
    client.get("/")
    client.get("/dead-letters")
    assert looked_at == [["accounting"]]
