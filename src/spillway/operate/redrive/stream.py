"""The orders behind a batch of stream records that Lambda gave up on.

Lambda's dead letter has only the records' position. The stream keeps records for 24 h, and Lambda
gives up on a batch after 22 h (infra/constructs/relay.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from orders.aws import items
from orders.domain.order import OrderKey
from spillway.operate.redrive.dead_letters import StreamBatch

if TYPE_CHECKING:
    from types_boto3_dynamodbstreams import DynamoDBStreamsClient

#: A shard that is still written to never ends, and its pages may be empty. A page is up to 1,000
#: records or 1 MB, a batch is at most 100 records.
PAGES_MAX = 100

_GONE = frozenset({"TrimmedDataAccessException", "ResourceNotFoundException"})


class RecordsExpired(Exception):
    """The stream no longer has the records: it keeps them for 24 h."""


def orders_changed(streams: DynamoDBStreamsClient, batch: StreamBatch) -> list[OrderKey]:
    """The orders that the batch's records changed, each once.

    RecordsExpired: not all of them can be read any more.
    """
    keys: dict[OrderKey, None] = {}
    for record in _records(streams, batch):
        # Only the keys are read: a record that relay could not understand still has them.
        keys[items.key_of(record["dynamodb"]["Keys"])] = None
    return list(keys)


def _records(streams: DynamoDBStreamsClient, batch: StreamBatch) -> Iterator[Mapping[str, Any]]:
    """Up to and including the batch's last record."""
    iterator, last = _start(streams, batch), int(batch.last)
    for _ in range(PAGES_MAX):
        try:
            page = streams.get_records(ShardIterator=iterator)
        except ClientError as error:
            raise _translated(error) from error
        for record in page["Records"]:
            number = int(record["dynamodb"]["SequenceNumber"])
            if number <= last:
                yield record
            if number >= last:
                return
        iterator = page.get("NextShardIterator")
        if iterator is None:
            break
    raise RecordsExpired


def _start(streams: DynamoDBStreamsClient, batch: StreamBatch) -> str:
    try:
        answer = streams.get_shard_iterator(
            StreamArn=batch.stream_arn,
            ShardId=batch.shard_id,
            ShardIteratorType="AT_SEQUENCE_NUMBER",
            SequenceNumber=batch.first,
        )
    except ClientError as error:
        raise _translated(error) from error
    iterator: str = answer["ShardIterator"]
    return iterator


def _translated(error: ClientError) -> Exception:
    return RecordsExpired() if error.response["Error"]["Code"] in _GONE else error
