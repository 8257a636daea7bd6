"""What real AWS was seen to answer, held against the world and the emulator.

Each fact of aws_facts.json that the service relies on is a test of both. `steps` are calls, each
with what it answers; `batches` are what a function answers to a batch of a queue, and which of its
two messages then come again; `record` is what Lambda hands over. The last two are tested on the
world alone: on the emulator each would need a function of its own.

`source` says who recorded it of AWS, or where AWS documents it; `basis` is `derived` where it only
follows from such a record. `emulator` says what the emulator does instead: such a fact must fail
there, so that the list ends when the emulator is mended.

In a step, `$name` is a thing that the test provides (`$queue`, `$me` for the fact's own name), or
what an earlier step answered (`$first.Messages.0.MessageId` of the one that is kept `as` "first").
In an answer, members that are not named may be there; `$any` must be, `$absent` must not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.event_sources import RECORD_AGE_SECONDS_MAX, QueueSource, StreamSource
from simulation.catalogue import START
from simulation.world.event_sources import QueueReader, ShardReader, record_of
from simulation.world.faults import Faults
from simulation.world.functions import OnEnd
from simulation.world.scheduler import Scheduler
from simulation.world.sqs import Queue
from simulation.world.stream import Stream
from spillway.run.stack import Stack
from tests.simulation.world.aws import PARAMETER, SECRET, Aws, Emulator, Model

FACTS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "aws_facts.json").read_text())
PAGE = (Path(__file__).parents[3] / "docs" / "simulation.md").read_text()
#: Of the emulator. Fewer are welcome.
DIFFERENCES_MAX = 18

_OF_CALLS = [fact for fact in FACTS if "steps" in fact]


def ids(facts: list[dict[str, Any]]) -> list[str]:
    return [fact["id"] for fact in facts]


class Told:
    """Plays one fact's steps. `things` are what `$name` stands for."""

    def __init__(self, aws: Aws, fact: dict[str, Any]) -> None:
        self.aws = aws
        self.me = fact["id"]
        self.answers: dict[str, Any] = {}
        self.things: dict[str, Callable[[], Any]] = {
            "me": lambda: self.me,
            "table": lambda: aws.table,
            "topic": lambda: aws.topic,
            "no_topic": lambda: f"{aws.topic}-nowhere",
            "no_queue": lambda: aws.queue().rpartition("/")[0] + "/nowhere",
            "parameter": lambda: PARAMETER,
            "secret": lambda: SECRET,
        }
        if "receives_max" in fact:
            pair = aws.queue_with_dead_letters(fact["receives_max"])
            self.things |= {"queue": lambda: pair[0], "dead_letters": lambda: pair[1]}

    def play(self, step: dict[str, Any]) -> None:
        request = self.meant(step["with"])
        try:
            answer = self.call(step["call"], request)
            assert "error" not in step, f"{step['call']} was not refused"
        except ClientError as error:
            answer = error.response
            code = error.response["Error"]["Code"].rpartition(".")[2]
            assert code == step.get("error"), f"{step['call']}: {code}"
        if "as" in step:
            self.answers[step["as"]] = answer
        self.compare(answer, step.get("answer", {}), step["call"])

    def call(self, name: str, request: dict[str, Any]) -> Any:
        if name == "records":
            ours = [
                record
                for record in self.aws.records()
                if record["dynamodb"]["Keys"]["pk"]["S"] == self.me
            ]
            return {"Records": ours}
        service, _, operation = name.partition(".")
        return getattr(getattr(self.aws, service), operation)(**request)

    def meant(self, given: Any, number: int = 0) -> Any:
        """What is written in a step, as the call needs it."""
        match given:
            case {"$repeat": text, "times": times}:
                return text * times
            case {"$bytes": count}:
                return b"x" * count
            case {"$range": count, "each": each}:
                return [self.meant(each, place) for place in range(count)]
            case dict():
                return {
                    self.meant(name): self.meant(value, number) for name, value in given.items()
                }
            case list():
                return [self.meant(each, number) for each in given]
            case "$n":
                return str(number)
            case str() if "$" in given:
                return self.thing(given)
        return given

    def thing(self, text: str) -> Any:
        if not text.startswith("$"):
            return text.replace("$me", self.me)
        name, *path = text[1:].split(".")
        if name == "queue" and name not in self.things:
            url = self.aws.queue()
            self.things["queue"] = lambda: url
        found = self.things[name]() if name in self.things else self.answers[name]
        for part in path:
            found = found[int(part) if part.isdecimal() else part]
        return found

    def compare(self, answer: Any, expected: Any, where: str) -> None:
        match expected:
            case {"$exactly": whole}:
                assert answer == self.meant(whole), where
            case {"$not": other}:
                assert answer != self.meant(other), where
            case {"$bytes": _}:
                assert answer == self.meant(expected), where
            case dict():
                for name, value in expected.items():
                    self.compare_member(answer, self.meant(name), value, where)
            case list():
                assert len(answer) == len(expected), where
                for place, (one, other) in enumerate(zip(answer, expected, strict=True)):
                    self.compare(one, other, f"{where}.{place}")
            case _:
                assert answer == self.meant(expected), where

    def compare_member(self, answer: Any, name: str, expected: Any, where: str) -> None:
        assert (name in answer) is (expected != "$absent"), f"{where}.{name}"
        if expected not in ("$any", "$absent"):
            self.compare(answer[name], expected, f"{where}.{name}")


def tell(aws: Aws, fact: dict[str, Any]) -> None:
    told = Told(aws, fact)
    for step in fact["steps"]:
        told.play(step)


IN_WORLD = [fact for fact in _OF_CALLS if "emulator_only" not in fact]


@pytest.mark.parametrize("fact", IN_WORLD, ids=ids(IN_WORLD))
def test_the_world_answers_as_aws_did(fact: dict[str, Any]) -> None:
    tell(Model(), fact)


@pytest.fixture(scope="module")
def emulator(stack: Stack) -> Iterator[Emulator]:
    """One for all facts: each has a partition and queues of its own."""
    made = Emulator(stack)
    yield made
    made.close()


@pytest.mark.emulator
@pytest.mark.parametrize("fact", _OF_CALLS, ids=ids(_OF_CALLS))
def test_the_emulator_answers_as_aws_did(emulator: Emulator, fact: dict[str, Any]) -> None:
    if "emulator" not in fact:
        tell(emulator, fact)
        return
    with pytest.raises(AssertionError):
        tell(emulator, fact)


def test_the_page_names_each_difference_of_the_emulator_and_there_are_no_more() -> None:
    different = [fact["id"] for fact in FACTS if "emulator" in fact]
    assert len(different) <= DIFFERENCES_MAX
    assert f" {len(FACTS)} facts" in PAGE
    assert [id_ for id_ in different if f"`{id_}`" not in PAGE] == []


def test_each_fact_has_a_source() -> None:
    assert len(set(ids(FACTS))) == len(FACTS) >= 80
    for fact in FACTS:
        assert fact["source"], fact["id"]
        assert fact["basis"] in ("recorded", "documented", "derived"), fact["id"]


class Whole:
    """Chance that takes all of a queue, in order."""

    def __call__(self) -> float:
        return 0.0

    def below(self, bound: int) -> int:
        return bound - 1

    def shuffled(self, things: list[Any]) -> list[Any]:
        return things


class Answering:
    """A function that always answers the same. `$first` is the id of the first message."""

    name = "answering"

    def __init__(self, answer: Any) -> None:
        self.answer = json.dumps(answer)

    def invoke(
        self, _: str, event: dict[str, Any], on_end: Callable[[Any, str | None], None]
    ) -> None:
        first, second = (record["messageId"] for record in event["Records"])
        text = self.answer.replace("$first", first).replace("$second", second)
        on_end(json.loads(text), None)


OF_BATCHES = [
    (fact["id"], case["answer"], case["again"])
    for fact in FACTS
    for case in fact.get("batches", ())
]


@pytest.mark.parametrize(("fact", "answer", "again"), OF_BATCHES)
def test_a_batch_comes_again_in_the_world_as_aws_brings_it_again(
    fact: str, answer: Any, again: list[str]
) -> None:
    scheduler = Scheduler(START)
    queue = Queue("queue", "url", now=lambda: scheduler.now, chance=Whole())  # type: ignore[arg-type]
    failed: list[str] = []
    QueueReader(
        queue,
        QueueSource("answering", 10, batch_size=10, concurrency_max=2),
        Answering(answer),  # type: ignore[arg-type]
        scheduler,
        Faults(0, {}, 0),
        Whole(),  # type: ignore[arg-type]
        lambda _, reason: failed.append(reason),
    )
    for body in ("first", "second"):
        queue.send(body, body, {}, None)
    scheduler.run(START + 1_000)
    assert [message.body for message in queue.messages.values()] == again
    assert bool(failed) is (fact == "esm-sqs-bad-identifier")


class FailsOn:
    """A function that fails where one of the records has this sort key."""

    name = "relay"

    def __init__(self, poison: str) -> None:
        self.poison = poison

    def invoke(self, _: str, event: dict[str, Any], on_end: OnEnd) -> None:
        keys = [record["dynamodb"]["Keys"]["sk"]["S"] for record in event["Records"]]
        on_end(None, "raised" if self.poison in keys else None)


def given_up(sort_keys: str, poison: str) -> Any:
    """What Lambda writes of a stream's changes when the one that always fails is too old."""
    scheduler = Scheduler(START)
    stream = Stream(1, lambda: scheduler.now)
    letters: list[str] = []
    ShardReader(
        stream.shards[0],
        StreamSource("relay", dead_letters="relay", batch_size=200),
        FailsOn(poison),  # type: ignore[arg-type]
        scheduler,
        Faults(0, {}, 0),
        Whole(),  # type: ignore[arg-type]
        lambda _: "a record",
        letters.append,
        lambda *_: None,
        poll_ms=20,
    )
    for sort_key in sort_keys:
        stream.append(("ada", sort_key), None, {"pk": {"S": "ada"}, "sk": {"S": sort_key}})
    scheduler.run(START + 2 * RECORD_AGE_SECONDS_MAX * 1000)
    [letter] = letters
    return json.loads(letter)


def of_queue() -> Any:
    queue = Queue("queue", "url", now=lambda: START, chance=Whole())  # type: ignore[arg-type]
    reason = {"reason": {"DataType": "String", "StringValue": "x"}}
    queue.send("tea", "tea", reason, None)
    [message] = queue.receive(1)
    return record_of(message, "queue")


def of_stream() -> Any:
    stream = Stream(1, lambda: START)
    item = {"pk": {"S": "ada"}, "sk": {"S": "1"}, "content": {"B": b"tea"}}
    stream.append(("ada", "1"), None, item)
    return stream.shards[0].records[0]


HANDED_OVER: dict[str, Callable[[], Any]] = {
    "esm-sqs-record": of_queue,
    "esm-ddb-record": of_stream,
    "esm-letter-age": lambda: given_up("1", "1"),
    "esm-ddb-bisect": lambda: given_up("1234", "4"),
}


def test_lambda_hands_over_in_the_world_what_it_hands_over_on_aws() -> None:
    expected = {fact["id"]: fact for fact in FACTS if "record" in fact}
    assert expected.keys() == HANDED_OVER.keys()
    for id_, fact in expected.items():
        Told(Model(), fact).compare(HANDED_OVER[id_](), fact["record"], id_)
