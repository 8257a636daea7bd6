"""The orders table's stream: which orders have changed.

A stream is a tree of shards. Each is read after its parent has ended, so that an order's changes
come in their order. The caller stores how far each has been read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from spillway.errors import SpillwayError

#: DynamoDB keeps a change in the stream for that long.
RETENTION_HOURS = 24
PAGES_A_ROUND = 5
ENDED = "ended"

GONE_FOR_GOOD = (
    f"The stream no longer has all changes: it keeps {RETENTION_HOURS} h, and `back` did not run"
    " for longer. Run `spillway migrate back --resync`, which reads the whole orders"
    " table: nothing is lost."
)
_GONE = frozenset({"TrimmedDataAccessException", "ResourceNotFoundException"})

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """Records of one shard. Store `place` after they are handled: where to continue, or `ENDED`."""

    shard: str
    records: tuple[Record, ...]
    place: str | None


@dataclass(slots=True)
class Stream:
    """`streams` is a boto3 client of DynamoDB Streams; `places` are the stored ones, by shard."""

    streams: Any
    arn: str
    places: dict[str, str]
    #: The last round has left something for the next one.
    behind: bool = True
    _iterators: dict[str, str | None] = field(default_factory=dict)

    def round(self) -> Iterator[Page]:
        """What the stream has now, some pages of each shard.

        SpillwayError: a shard that was not read to its end is gone.
        """
        shards = self._shards()
        if any(place != ENDED for shard, place in self.places.items() if shard not in shards):
            raise SpillwayError(GONE_FOR_GOOD)
        self.behind = False
        for shard, parent in shards.items():
            waits = parent in shards and self.places.get(parent) != ENDED
            self.behind = self.behind or waits
            if waits or self.places.get(shard) == ENDED:
                continue
            for _ in range(PAGES_A_ROUND):
                page = self._page(shard)
                if page.records or page.place == ENDED:
                    yield page
                if page.place is not None:
                    self.places[shard] = page.place
                if not page.records or page.place == ENDED:
                    break
            else:
                self.behind = True

    def _shards(self) -> dict[str, str]:
        """Every shard with its parent, parents first."""
        found: dict[str, str] = {}
        start: dict[str, str] | None = {}
        while start is not None:
            answer = self.streams.describe_stream(StreamArn=self.arn, **start)
            description = answer["StreamDescription"]
            for shard in description["Shards"]:
                found[shard["ShardId"]] = shard.get("ParentShardId", "")
            last = description.get("LastEvaluatedShardId")
            start = {"ExclusiveStartShardId": last} if last else None
        # A shard's id begins with the time at which it was created.
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
                raise SpillwayError(GONE_FOR_GOOD) from error
            raise
        following = self._iterators[shard] = answer.get("NextShardIterator")
        records = tuple(answer["Records"])
        reached = records[-1]["dynamodb"]["SequenceNumber"] if records else None
        return Page(shard, records, reached if following else ENDED)

    def _iterator(self, shard: str) -> str:
        kept = self.places.get(shard)
        how: dict[str, str] = {"ShardIteratorType": "TRIM_HORIZON"}
        if kept:
            how = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": kept}
        answer = self.streams.get_shard_iterator(StreamArn=self.arn, ShardId=shard, **how)
        iterator: str = answer["ShardIterator"]
        return iterator
