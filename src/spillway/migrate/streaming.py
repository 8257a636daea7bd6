"""The orders table's stream, read by the operator's own process: which orders have changed.

A stream is a tree of shards; one is read only when its parent is at its end, so that an order's
changes come in their order. How far each has been read is for the caller to keep.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from spillway.errors import SpillwayError

#: Kept by DynamoDB; after that a change can no longer be read from the stream.
RETENTION_HOURS = 24
PAGES_A_ROUND = 5
ENDED = "ended"

_GONE = frozenset({"TrimmedDataAccessException", "ResourceNotFoundException"})

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """Records of one shard. `place` is to be kept once they are dealt with: where to go on, or
    `ENDED`."""

    shard: str
    records: tuple[Record, ...]
    place: str | None


@dataclass(slots=True)
class Stream:
    """`streams` is a boto3 client of DynamoDB Streams; `places` is what was kept, by shard."""

    streams: Any
    arn: str
    places: dict[str, str]
    _iterators: dict[str, str | None] = field(default_factory=dict)

    def round(self) -> Iterator[Page]:
        """What is there at present, some pages of each shard."""
        shards = self._shards()
        for shard, parent in shards.items():
            if self.places.get(shard) == ENDED:
                continue
            if parent in shards and self.places.get(parent) != ENDED:
                continue
            for _ in range(PAGES_A_ROUND):
                page = self._page(shard)
                if page.records or page.place == ENDED:
                    yield page
                if page.place is not None:
                    self.places[shard] = page.place
                if not page.records or page.place == ENDED:
                    break

    def _shards(self) -> dict[str, str]:
        """Every shard with its parent, parents first."""
        found: dict[str, str] = {}
        start: dict[str, str] = {}
        while True:
            answer = self.streams.describe_stream(StreamArn=self.arn, **start)
            description = answer["StreamDescription"]
            for shard in description["Shards"]:
                found[shard["ShardId"]] = shard.get("ParentShardId", "")
            last = description.get("LastEvaluatedShardId")
            if not last:
                break
            start = {"ExclusiveStartShardId": last}
        # A shard's id begins with the time of its birth.
        return dict(sorted(found.items()))

    def _page(self, shard: str) -> Page:
        try:
            iterator = self._iterators.get(shard) or self._iterator(shard)
            answer = self.streams.get_records(ShardIterator=iterator)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "ExpiredIteratorException":
                self._iterators.pop(shard, None)
                return Page(shard, (), None)
            if code in _GONE:
                raise SpillwayError(
                    f"The stream no longer has what changed: it keeps {RETENTION_HOURS} h, and"
                    " `back` stood still for longer. Run `spillway migrate back --resync`: it goes"
                    " over the whole orders table; nothing is lost by it."
                ) from error
            raise
        self._iterators[shard] = answer.get("NextShardIterator")
        records = tuple(answer["Records"])
        if answer.get("NextShardIterator") is None:
            return Page(shard, records, ENDED)
        return Page(shard, records, records[-1]["dynamodb"]["SequenceNumber"] if records else None)

    def _iterator(self, shard: str) -> str:
        kept = self.places.get(shard)
        how: dict[str, str] = {"ShardIteratorType": "TRIM_HORIZON"}
        if kept:
            how = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": kept}
        answer = self.streams.get_shard_iterator(StreamArn=self.arn, ShardId=shard, **how)
        iterator: str = answer["ShardIterator"]
        return iterator
