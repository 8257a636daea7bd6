"""The orders behind a batch of stream records that Lambda gave up on.

Lambda's dead letter has only the records' position. The stream keeps records for 24 h, and Lambda
gives up on a batch after 22 h (infra/event_sources.py).

Relay and the watchdog read each shard all the time, and DynamoDB may throttle a third reader. A
redrive is one for a moment: the SDK tries again, and what it could not read stays a dead letter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from orders.aws import items
from orders.domain.order import OrderKey
from spillway.operate.redrive.dead_letters import StreamBatch, Unmovable

if TYPE_CHECKING:
    from types_boto3_dynamodbstreams import DynamoDBStreamsClient

#: A shard that is still written to never ends, and its pages may be empty. A page is up to 1,000
#: records or 1 MB, a batch is at most 2,000 records.
PAGES_MAX = 100

_GONE = frozenset({"TrimmedDataAccessException", "ResourceNotFoundException"})


#: Why a dead letter stays if its changes are gone.
EXPIRED = (
    "the stream no longer has the changes (it keeps them for 24 h): run `spillway orders resume"
    " --unsettled`, then set this message aside"
)


def orders_changed(streams: DynamoDBStreamsClient, batch: StreamBatch) -> list[OrderKey]:
    """The orders that the batch's records changed, each once.

    Unmovable: not all of them can be read any more.
    """
    try:
        # Only the keys are read: a record that relay could not understand still has them.
        keys = [items.key_of(record["dynamodb"]["Keys"]) for record in _records(streams, batch)]
    except ClientError as error:
        if error.response["Error"]["Code"] in _GONE:
            raise Unmovable(EXPIRED) from error
        raise
    return list(dict.fromkeys(keys))


def _records(streams: Any, batch: StreamBatch) -> Iterator[Mapping[str, Any]]:
    """Up to and including the batch's last record."""
    iterator = streams.get_shard_iterator(
        StreamArn=batch.stream_arn,
        ShardId=batch.shard_id,
        ShardIteratorType="AT_SEQUENCE_NUMBER",
        SequenceNumber=batch.first,
    )["ShardIterator"]
    last = int(batch.last)
    for _ in range(PAGES_MAX):
        page = streams.get_records(ShardIterator=iterator)
        for record in page["Records"]:
            number = int(record["dynamodb"]["SequenceNumber"])
            if number <= last:
                yield record
            if number >= last:
                return
        iterator = page.get("NextShardIterator")
        if iterator is None:
            break
    raise Unmovable(EXPIRED)
