"""The table's stream: its shards, and the client that an operator reads them with.

A partition key is always in the same shard, so that the changes of a key keep their order. Between
shards there is no order. Records are kept for 24 hours.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from simulation.world.calls import client_error
from simulation.world.dynamodb import Item, Key

RETENTION_MS = 24 * 60 * 60 * 1000
ARN = "arn:aws:dynamodb:eu-west-1:123456789012:table/spillway/stream/2026-11-23T00:00:00.000"
#: Sequence numbers have 21 to 40 digits.
_FIRST_NUMBER = 100_000_000_000_000_000_000
#: What no version of the service has ever written.
_SPOILT = {"content": {"B": "?"}, "reserve": {"S": "?"}}

Record = dict[str, Any]


@dataclass(eq=False)
class Shard:
    """Records in order. Each of `on_record` is called after each new one."""

    name: str
    records: list[Record] = field(default_factory=list)
    written_at: list[int] = field(default_factory=list)
    on_record: list[Callable[[], None]] = field(default_factory=list)


class Stream:
    """`NEW_AND_OLD_IMAGES`, as Lambda hands them over: JSON, and so bytes as base64 text."""

    def __init__(self, shards: int, now: Callable[[], int]) -> None:
        self.shards = [Shard(f"shardId-{number:020d}") for number in range(shards)]
        self._now = now
        self._number = _FIRST_NUMBER
        self._to_spoil: dict[int, Callable[[], bool]] = {}

    def spoil(self, place: int, is_spoilt: Callable[[], bool]) -> None:
        """Have the record at this place of the whole stream (0 for the first) come unreadable, if
        it is spoilt still when it is written."""
        self._to_spoil[place] = is_spoilt

    def append(self, key: Key, before: Item | None, after: Item | None) -> None:
        self._number += 1
        now = self._now()
        images: dict[str, Any] = {}
        if after is not None:
            images["NewImage"] = _as_json(after)
        if before is not None:
            images["OldImage"] = _as_json(before)
        is_spoilt = self._to_spoil.get(self._number - _FIRST_NUMBER - 1)
        if is_spoilt is not None and is_spoilt():
            images["NewImage"] = {**images.get("NewImage", {}), **_SPOILT}
        shard = self.shards[crc32(key[0].encode()) % len(self.shards)]
        shard.records.append(
            {
                "eventID": f"{self._number:x}",
                "eventName": _event_name(before, after),
                "eventVersion": "1.1",
                "eventSource": "aws:dynamodb",
                "awsRegion": "eu-west-1",
                "dynamodb": {
                    "ApproximateCreationDateTime": now // 1000,
                    "Keys": {"pk": {"S": key[0]}, "sk": {"S": key[1]}},
                    **images,
                    "SequenceNumber": str(self._number),
                    "SizeBytes": 512,
                    "StreamViewType": "NEW_AND_OLD_IMAGES",
                },
                "eventSourceARN": ARN,
            }
        )
        shard.written_at.append(now)
        for read in shard.on_record:
            read()


@dataclass(frozen=True, slots=True)
class StreamsClient:
    """A boto3 client of DynamoDB Streams, as far as `spillway redrive` calls it."""

    stream: Stream
    now: Callable[[], int]

    def get_shard_iterator(
        self, *, StreamArn: str, ShardId: str, ShardIteratorType: str, SequenceNumber: str
    ) -> dict[str, str]:
        shard = next((shard for shard in self.stream.shards if shard.name == ShardId), None)
        if StreamArn != ARN or shard is None:
            raise client_error("ResourceNotFoundException", "GetShardIterator")
        for place, record in enumerate(shard.records):
            if record["dynamodb"]["SequenceNumber"] == SequenceNumber:
                if self.now() - shard.written_at[place] > RETENTION_MS:
                    break
                return {"ShardIterator": f"{ShardId}/{place}"}
        raise client_error("TrimmedDataAccessException", "GetShardIterator")

    def get_records(self, *, ShardIterator: str) -> dict[str, Any]:
        name, _, place = ShardIterator.partition("/")
        shard = next(shard for shard in self.stream.shards if shard.name == name)
        records = shard.records[int(place) :]
        return {"Records": records, "NextShardIterator": f"{name}/{len(shard.records)}"}


def _event_name(before: Item | None, after: Item | None) -> str:
    if after is None:
        return "REMOVE"
    return "INSERT" if before is None else "MODIFY"


def _as_json(item: Item) -> dict[str, Any]:
    """Binary values stand at an item's top level only: the service writes no others."""
    return {
        name: {"B": base64.b64encode(value["B"]).decode()} if "B" in value else value
        for name, value in item.items()
    }
