"""Writes to the tables: every refusal is read, the rate gives way, and the lease is asked first."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError
from urllib3.response import HTTPResponse

from spillway.errors import SpillwayError
from spillway.migrate.new.target import Put, Rate, Writer, encode_at_once, units_of
from spillway.run.stack.aws import client


class Clock:
    """Sleeping is what makes time pass."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Table:
    """Takes what each answer says, in turn: everything, a part, or nothing."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.there: dict[str, Any] = {}

    def batch_write_item(self, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        answer = self.answers.pop(0) if self.answers else "all"
        if answer not in ("all", "half"):
            raise ClientError({"Error": {"Code": answer}}, "BatchWriteItem")
        requests = RequestItems["t"]
        assert len(requests) <= 25
        taken = requests if answer == "all" else requests[: len(requests) // 2]
        for request in taken:
            item = request["PutRequest"]["Item"]
            self.there[item["pk"]["S"]] = item
        left = requests[len(taken) :]
        return {"UnprocessedItems": {"t": left} if left else {}}


def puts(count: int) -> list[Put]:
    return [Put("t", {"pk": {"S": f"k{number}"}}) for number in range(count)]


def writer(table: Table, clock: Clock, budget: float = 1_000) -> Writer:
    rate = Rate(budget, clock, clock.sleep)
    return Writer(table, rate, lambda: None, sleep=clock.sleep)


@pytest.mark.parametrize(
    "answers",
    [
        (),
        ("half", "half"),
        ("ProvisionedThroughputExceededException", "half", "ThrottlingException"),
    ],
)
def test_whatever_was_not_taken_is_sent_again(answers: tuple[str, ...]) -> None:
    table, clock = Table(*answers), Clock()
    made = writer(table, clock)
    made.write(puts(60))
    assert len(table.there) == 60
    assert made.counts["throttles"] == len(answers)


def test_a_refusal_that_is_no_throttle_is_not_tried_again() -> None:
    with pytest.raises(ClientError):
        writer(Table("AccessDeniedException"), Clock()).write(puts(1))


def test_a_table_that_never_answers_ends_in_a_sentence() -> None:
    table = Table(*["InternalServerError"] * 100)
    with pytest.raises(SpillwayError, match="tables"):
        writer(table, Clock()).write(puts(1))


def test_nothing_is_sent_without_the_lease() -> None:
    table = Table()

    def lost() -> None:
        raise SpillwayError("lost")

    rate = Rate(1_000, Clock(), lambda _seconds: None)
    with pytest.raises(SpillwayError, match="lost"):
        Writer(table, rate, lost).write(puts(1))
    assert table.there == {}


def test_the_budget_is_kept() -> None:
    clock = Clock()
    writer(Table(), clock, budget=100).write(puts(1_000))
    assert 1_000 / clock.now <= 110


def test_the_rate_falls_when_the_table_throttles_and_comes_back() -> None:
    clock = Clock()
    rate = Rate(1_000, clock, clock.sleep)
    for _ in range(3):
        clock.now += 1
        rate.throttled()
    fallen = rate.rate
    assert fallen < 500
    for _ in range(60):
        clock.now += 1
        rate.take(1)
    assert rate.rate == 1_000


def test_throttles_of_one_moment_count_once() -> None:
    clock = Clock()
    rate = Rate(1_000, clock, clock.sleep)
    for _ in range(50):
        rate.throttled()
    assert rate.rate == 700


def test_a_batch_is_encoded_as_botocore_encodes_it() -> None:
    sent: list[Any] = []
    response: Any = AWSResponse

    def answer(request: Any, **_rest: Any) -> Any:
        sent.append(json.loads(request.body))
        raw = HTTPResponse(io.BytesIO(b"{}"), preload_content=False)
        return response(request.url, 200, {}, raw)

    item = {
        "pk": {"S": "José 🎁\n"},
        "content": {"B": bytes(range(256))},
        "at": {"N": "1700000000000"},
        "facts": {"M": {"ship": {"M": {"reason": {"S": "too_late"}}}, "x": {"BOOL": False}}},
        "stale": {"L": [{"L": [{"S": "a"}, {"S": ""}]}]},
    }
    batch: list[Any] = [
        {"PutRequest": {"Item": item}},
        {"DeleteRequest": {"Key": {"pk": {"S": "x"}}}},
    ]
    dynamodb = client("http://127.0.0.1:9", "dynamodb")
    dynamodb.meta.events.register("before-send.dynamodb.BatchWriteItem", answer)
    for at_once in (False, True):
        if at_once:
            encode_at_once(dynamodb)
        dynamodb.batch_write_item(RequestItems={"orders": batch, "state": batch[:1]})
    assert sent[0] == sent[1]


def test_units_are_started_kilobytes() -> None:
    item = {
        "pk": {"S": "é" * 10},
        "content": {"B": b"x" * 1_000},
        "facts": {"M": {"a": {"N": "1"}}},
    }
    assert units_of(Put("t", item)) == 2
