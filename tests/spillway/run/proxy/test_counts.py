"""What is counted, exactly, and that calls without a fault pass unchanged."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from multidict import CIMultiDict

from spillway.run.proxy.calls import Call, Request, answer_of
from spillway.run.proxy.counts import OTHER, SERIES_MAX, Exchange, Tally
from tests.spillway.run.proxy.conftest import QUEUE, TABLE, TOPIC, Wire

pytestmark = pytest.mark.timeout(60)

_KIB = 1024


def _put(wire: Wire, key: str, content: str = "", **settings: Any) -> None:
    item = {"pk": {"S": key}, "content": {"S": content}}
    wire.through("dynamodb", **settings).put_item(TableName=TABLE, Item=item)


class TestAKnownSequence:
    def test_every_call_is_counted_under_its_kind(self, wire: Wire) -> None:
        entries = [{"Id": str(number), "MessageBody": "m"} for number in range(7)]
        for number in range(3):
            _put(wire, str(number), user_agent_appid="intake")
        with suppress(ClientError):
            wire.through("dynamodb", user_agent_appid="intake").put_item(
                TableName=TABLE,
                Item={"pk": {"S": "1"}},
                ConditionExpression="attribute_not_exists(pk)",
            )
        dynamodb, sqs, sns = map(wire.through, ("dynamodb", "sqs", "sns"))
        dynamodb.get_item(TableName=TABLE, Key={"pk": {"S": "1"}}, ConsistentRead=True)
        dynamodb.batch_get_item(
            RequestItems={TABLE: {"Keys": [{"pk": {"S": key}} for key in "ab"]}}
        )
        sqs.send_message_batch(QueueUrl=wire.queue_url, Entries=entries)
        sns.publish_batch(
            TopicArn=wire.topic_arn,
            PublishBatchRequestEntries=[{"Id": "1", "Message": "m"}, {"Id": "2", "Message": "m"}],
        )
        with suppress(ClientError):
            wire.through("ssm").get_parameter(Name="/spillway/local/key")

        counted = {
            (
                *(series.kind.service, series.kind.operation, series.kind.resource),
                *(series.kind.function, series.kind.status),
                *(series.kind.consistent, series.requests, series.forwarded, series.entries),
            )
            for series in wire.proxy.counts().series
        }
        assert counted == {
            ("dynamodb", "PutItem", TABLE, "intake", 200, False, 3, 3, 3),
            ("dynamodb", "PutItem", TABLE, "intake", 400, False, 1, 1, 1),
            ("dynamodb", "GetItem", TABLE, None, 200, True, 1, 1, 1),
            ("dynamodb", "BatchGetItem", TABLE, None, 200, False, 1, 1, 2),
            ("sqs", "SendMessageBatch", QUEUE, None, 200, False, 1, 1, 7),
            ("sns", "PublishBatch", TOPIC, None, 200, False, 1, 1, 2),
            ("ssm", "GetParameter", "/spillway/local/key", None, 400, False, 1, 1, 1),
        }

    def test_calls_are_counted_with_their_fault(self, wire: Wire) -> None:
        with wire.proxy.inject(cut=True), suppress(ConnectionClosedError):
            _put(wire, "1")
        with wire.proxy.inject(lose_answer=True), suppress(ConnectionClosedError):
            _put(wire, "1")
        with wire.proxy.inject(refuse="ThrottlingException"), suppress(ClientError):
            _put(wire, "1")
        with wire.proxy.inject(duplicate=True):
            _put(wire, "1")
        counted = {
            (series.kind.fault, series.kind.status, series.forwarded)
            for series in wire.proxy.counts().series
        }
        assert counted == {
            ("cut", None, 0),
            ("lose_answer", None, 1),
            ("refuse", 400, 0),
            ("duplicate", 200, 2),
        }

    def test_counts_are_added_up_over_what_is_asked(self, wire: Wire) -> None:
        for key in "abc":
            _put(wire, key)
        wire.through("dynamodb").get_item(TableName=TABLE, Key={"pk": {"S": "a"}})
        counts = wire.proxy.counts()
        assert counts.requests() == counts.entries() == 4
        assert sum(series.forwarded for series in counts.series) == 4
        assert counts.requests(operation="PutItem", status=200) == 3
        assert counts.requests(service="sqs") == 0

    def test_a_reset_begins_anew(self, wire: Wire) -> None:
        _put(wire, "1")
        wire.proxy.reset()
        assert wire.proxy.counts().series == ()


class TestUnits:
    """By AWS's rules: each started KB written, each started 4 KB read, each started 64 KB sent."""

    @pytest.mark.parametrize(
        # "pk", one letter and "content" are 10 bytes.
        ("content_bytes", "written", "read"),
        [
            (0, 1, 0.5),
            (_KIB - 10, 1, 0.5),
            (_KIB - 9, 2, 0.5),
            (4 * _KIB - 10, 4, 0.5),
            (4 * _KIB - 9, 5, 1.0),
            (300 * _KIB, 301, 38.0),
        ],
    )
    def test_an_item_written_and_read(
        self, wire: Wire, content_bytes: int, written: int, read: float
    ) -> None:
        wire.proxy.ask_consumed()
        _put(wire, "k", "x" * content_bytes)
        for consistent in (False, True):
            wire.through("dynamodb").get_item(
                TableName=TABLE, Key={"pk": {"S": "k"}}, ConsistentRead=consistent
            )
        put, eventual, strong = wire.proxy.counts().series
        assert (put.write_units, put.consumed_units, put.read_units) == (written, written, 0)
        assert (eventual.read_units, strong.read_units) == (read, 2 * read)

    def test_an_update_counts_what_the_table_says_it_consumed(self, wire: Wire) -> None:
        _put(wire, "k", "x" * 3 * _KIB)
        wire.proxy.reset()
        for asked in (False, True):
            if asked:
                wire.proxy.ask_consumed()
            wire.through("dynamodb").update_item(
                TableName=TABLE,
                Key={"pk": {"S": "k"}},
                UpdateExpression="SET n = :n",
                ExpressionAttributeValues={":n": {"N": "1"}},
            )
        (updates,) = wire.proxy.counts().series
        assert updates.consumed_units == 4
        assert updates.write_units == 1 + 4

    def test_a_batch_of_reads_counts_each_item_by_itself(self, wire: Wire) -> None:
        _put(wire, "small")
        _put(wire, "large", "x" * 5 * _KIB)
        wire.proxy.reset()
        keys = [{"pk": {"S": key}} for key in ("small", "large", "missing")]
        wire.through("dynamodb").batch_get_item(RequestItems={TABLE: {"Keys": keys}})
        (series,) = wire.proxy.counts().series
        assert series.read_units == 0.5 * (1 + 2 + 1)

    def test_every_kind_of_attribute(self, wire: Wire) -> None:
        item = {
            "pk": {"S": "é"},  # 2 + 2
            "n": {"N": "1234"},  # 1 + 3
            "b": {"B": b"x" * 500},  # 1 + 500
            "l": {"L": [{"S": "ab"}, {"BOOL": True}]},  # 1 + 3 + 2 + 1 + 1 + 1
            "m": {"M": {"k": {"NULL": True}}},  # 1 + 3 + 1 + 1 + 1
            "s": {"SS": ["ab", "c"]},  # 1 + 3
        }
        rest = _KIB - (4 + 4 + 501 + 9 + 7 + 4) - len("rest")
        for filler in (rest, rest + 1):
            wire.through("dynamodb").put_item(
                TableName=TABLE, Item={**item, "rest": {"S": "x" * filler}}
            )
        (series,) = wire.proxy.counts().series
        assert series.write_units == 1 + 2

    @pytest.mark.parametrize(("each", "chunks"), [(1, 1), (21 * _KIB, 1), (22 * _KIB, 2)])
    def test_a_batch_of_messages_counts_whole(self, wire: Wire, each: int, chunks: int) -> None:
        entries = [{"Id": str(number), "MessageBody": "x" * each} for number in range(3)]
        wire.through("sqs").send_message_batch(QueueUrl=wire.queue_url, Entries=entries)
        wire.through("sns").publish_batch(
            TopicArn=wire.topic_arn,
            PublishBatchRequestEntries=[
                {"Id": entry["Id"], "Message": entry["MessageBody"]} for entry in entries
            ],
        )
        sent, published = wire.proxy.counts().series
        assert (sent.chunks, published.chunks) == (chunks, chunks)

    def test_attributes_of_messages_count(self, wire: Wire) -> None:
        attribute = {"DataType": "String", "StringValue": "x" * _KIB}
        body = "x" * (64 * _KIB - len("reason") - len("String") - _KIB)
        for text in (body, body + "x"):
            wire.through("sqs").send_message(
                QueueUrl=wire.queue_url,
                MessageBody=text,
                MessageAttributes={"reason": attribute},
            )
        (series,) = wire.proxy.counts().series
        assert series.chunks == 1 + 2


class TestUntouched:
    def test_large_bodies_come_through_both_ways(self, wire: Wire) -> None:
        content = "é" * 150 * _KIB
        _put(wire, "large", content)
        found = wire.through("dynamodb").get_item(TableName=TABLE, Key={"pk": {"S": "large"}})
        assert found["Item"]["content"]["S"] == content

    def test_an_answer_is_the_emulators_to_the_byte(self, wire: Wire) -> None:
        _put(wire, "same")
        asked = {"TableName": TABLE, "Key": {"pk": {"S": "same"}}}
        direct = wire.direct("dynamodb").get_item(**asked)
        through = wire.through("dynamodb").get_item(**asked)
        assert through["Item"] == direct["Item"]
        differing = {"date", "x-amzn-requestid", "x-amz-request-id", "x-amz-id-2"}
        kept = [
            {k: v for k, v in headers.items() if k not in differing}
            for headers in (
                answer["ResponseMetadata"]["HTTPHeaders"] for answer in (direct, through)
            )
        ]
        assert kept[0] == kept[1]

    def test_an_object_that_waits_for_leave_to_be_sent(self, wire: Wire) -> None:
        s3 = wire.through("s3", s3={"addressing_style": "path"})
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="a/b", Body=b"x" * 300 * _KIB)
        assert s3.get_object(Bucket="bucket", Key="a/b")["Body"].read() == b"x" * 300 * _KIB
        assert s3.head_object(Bucket="bucket", Key="a/b")["ContentLength"] == 300 * _KIB
        assert wire.proxy.counts().requests(service="s3") == 4

    def test_many_callers_at_once_are_kept_apart_and_all_counted(self, wire: Wire) -> None:
        dynamodb, together = wire.through("dynamodb"), threading.Barrier(16)

        def work(caller: int) -> None:
            together.wait()
            for number in range(20):
                key = f"{caller}-{number}"
                dynamodb.put_item(TableName=TABLE, Item={"pk": {"S": key}})
                found = dynamodb.get_item(TableName=TABLE, Key={"pk": {"S": key}})
                assert found["Item"] == {"pk": {"S": key}}

        _all_at_once(work, callers=16)
        counts = wire.proxy.counts()
        assert counts.requests(operation="PutItem", status=200) == 320
        assert counts.requests(operation="GetItem", status=200) == 320
        assert counts.requests() == 640

    def test_faults_are_injected_as_often_as_asked_under_concurrency(self, wire: Wire) -> None:
        dynamodb = wire.through("dynamodb")

        def work(_: int) -> None:
            for key in map(str, range(20)):
                with suppress(ClientError):
                    dynamodb.put_item(TableName=TABLE, Item={"pk": {"S": key}})

        with wire.proxy.inject(refuse="ThrottlingException", times=50, probability=0.5) as fault:
            _all_at_once(work, callers=8)
        assert fault.fired() == 50
        assert wire.proxy.counts().requests(fault="refuse") == 50
        assert wire.proxy.counts().requests(status=200) == 110


def _all_at_once(work: Callable[[int], None], callers: int) -> None:
    with ThreadPoolExecutor(callers) as pool:
        list(pool.map(work, range(callers)))


class TestMemory:
    def test_kinds_beyond_the_bound_are_counted_together(self) -> None:
        tally = Tally()
        for number in range(SERIES_MAX + 5):
            tally.record(_exchange(f"queue-{number}"))
        counts = tally.counts()
        assert len(counts.series) == SERIES_MAX + 1
        assert counts.requests() == SERIES_MAX + 5
        assert counts.requests(service=OTHER) == 5


def _exchange(resource: str) -> Exchange:
    call = Call(
        service="sqs",
        operation="SendMessage",
        resource=resource,
        function=None,
        form=False,
        entries=1,
        body={},
    )
    request = Request("POST", "/", CIMultiDict(), b"")
    return Exchange(request, call, answer_of(200, "", b""), forwarded=1, fault=None)
