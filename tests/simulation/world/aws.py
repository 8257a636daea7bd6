"""AWS as a test sees it: the model of the simulation, or the emulator. One suite runs on both."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any, Protocol

from simulation.catalogue import START
from simulation.world import stream as streams
from simulation.world.calls import Calls
from simulation.world.chance import Chance
from simulation.world.dynamodb import About, DynamoClient, Table
from simulation.world.faults import Faults
from simulation.world.parameters import SsmClient
from simulation.world.scheduler import Scheduler
from simulation.world.sqs import Queue, SqsClient
from simulation.world.stream import Stream, StreamsClient
from simulation.world.topic import SnsClient, Topic
from spillway.run.stack import Stack
from tests.tables import make_table

PARAMETER = "/spillway/contract/key"
SECRET = "the secret"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:contract"


class Aws(Protocol):
    dynamodb: Any
    sqs: Any
    sns: Any
    ssm: Any
    #: An empty table with a stream, keys `pk` and `sk`.
    table: str
    #: An empty table without a stream, key `pk`.
    unsorted_table: str
    topic: str

    def queue(self, *, visibility_seconds: int = 30, delay_seconds: int = 0) -> str:
        """The URL of a new queue."""

    def queue_with_dead_letters(self, receives_max: int) -> tuple[str, str]:
        """The URLs of a new queue and of its dead letters'."""

    def records(self) -> list[dict[str, Any]]:
        """All records of the table's stream: eventName and dynamodb, as the API gives them."""

    def wait(self, seconds: float) -> None: ...


class Model:
    def __init__(self) -> None:
        self.scheduler = Scheduler(START)
        calls = Calls(self.scheduler, Faults(0, {}, 0), None)
        self.stream = Stream(1, self._now)
        self.table, self.unsorted_table = "contract", "contract-unsorted"
        tables = {
            self.table: Table(self.table, self._now, self.stream.append),
            self.unsorted_table: Table("", self._now, lambda *_: None, sorted=False),
        }
        self.dynamodb = DynamoClient(calls, tables, 6.0, About(None))
        self.queues: dict[str, Queue] = {}
        self.sqs = SqsClient(calls, self.queues, 6.0, lambda body: body)
        self.topic = TOPIC
        self.sns = SnsClient(calls, Topic(TOPIC, lambda _: None))
        self.ssm = SsmClient(calls, {PARAMETER: SECRET})
        self.streams = StreamsClient(self.stream, self._now)

    def queue(self, *, visibility_seconds: int = 30, delay_seconds: int = 0) -> str:
        return self._queue(visibility_seconds=visibility_seconds, delay_seconds=delay_seconds)

    def queue_with_dead_letters(self, receives_max: int) -> tuple[str, str]:
        dead_letters = self._queue()
        url = self._queue(
            visibility_seconds=0, receives_max=receives_max, dead_letters=self.queues[dead_letters]
        )
        return url, dead_letters

    def records(self) -> list[dict[str, Any]]:
        [shard] = self.stream.shards
        if not shard.records:
            return []
        first = shard.records[0]["dynamodb"]["SequenceNumber"]
        iterator = self.streams.get_shard_iterator(
            StreamArn=streams.ARN,
            ShardId=shard.name,
            ShardIteratorType="AT_SEQUENCE_NUMBER",
            SequenceNumber=first,
        )
        records: list[dict[str, Any]] = self.streams.get_records(**iterator)["Records"]
        return records

    def wait(self, seconds: float) -> None:
        self.scheduler.skip_to(self.scheduler.now + round(seconds * 1000))

    def _queue(self, **settings: Any) -> str:
        name = f"queue-{len(self.queues)}"
        url = f"https://sqs/{name}"
        self.queues[url] = Queue(name, url, now=self._now, chance=Chance(0, name), **settings)
        return url

    def _now(self) -> int:
        return self.scheduler.now


class Emulator:
    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.dynamodb, self.sqs = stack.client("dynamodb"), stack.client("sqs")
        self.sns, self.ssm = stack.client("sns"), stack.client("ssm")
        self._queues: list[str] = []
        self.table = make_table(self.dynamodb, "contract", streamed=True)
        self.unsorted_table = make_table(self.dynamodb, "contract-unsorted", keys=("pk",))
        self.topic = self.sns.create_topic(Name="contract")["TopicArn"]
        self.ssm.put_parameter(Name=PARAMETER, Value=SECRET, Type="SecureString", Overwrite=True)

    def queue(self, *, visibility_seconds: int = 30, delay_seconds: int = 0) -> str:
        return self._queue(VisibilityTimeout=visibility_seconds, DelaySeconds=delay_seconds)

    def queue_with_dead_letters(self, receives_max: int) -> tuple[str, str]:
        dead_letters = self._queue()
        arn = self.sqs.get_queue_attributes(QueueUrl=dead_letters, AttributeNames=["QueueArn"])
        target = arn["Attributes"]["QueueArn"]
        policy = f'{{"deadLetterTargetArn":"{target}","maxReceiveCount":{receives_max}}}'
        return self._queue(VisibilityTimeout=0, RedrivePolicy=policy), dead_letters

    def records(self) -> list[dict[str, Any]]:
        client = self.stack.client("dynamodbstreams")
        [stream] = client.list_streams(TableName=self.table)["Streams"]
        arn = stream["StreamArn"]
        found: list[dict[str, Any]] = []
        for shard in client.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
            iterator = client.get_shard_iterator(
                StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )
            # A page is at most 1 MB.
            page = client.get_records(ShardIterator=iterator["ShardIterator"])
            while page["Records"]:
                found += page["Records"]
                page = client.get_records(ShardIterator=page["NextShardIterator"])
        return found

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def close(self) -> None:
        """The stack is everybody's: nothing of these tests stays in it."""
        for table in (self.table, self.unsorted_table):
            self.dynamodb.delete_table(TableName=table)
        for url in self._queues:
            self.sqs.delete_queue(QueueUrl=url)
        self.sns.delete_topic(TopicArn=self.topic)
        self.ssm.delete_parameter(Name=PARAMETER)

    def _queue(self, **attributes: object) -> str:
        named: Mapping[str, str] = {name: str(value) for name, value in attributes.items()}
        url: str = self.sqs.create_queue(
            QueueName=f"contract-{uuid.uuid4().hex[:8]}", Attributes=named
        )["QueueUrl"]
        self._queues.append(url)
        return url
