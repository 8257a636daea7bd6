"""One suite for what the service relies on of AWS: the model of the simulation does what the
emulator does. What real AWS was seen to answer, one call at a time, is in test_aws_facts.py."""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from orders.aws.coupon_tries import DynamoCouponTries
from orders.domain.quote import TRIES_MAX, TRIES_WINDOW_SECONDS
from orders.domain.units import CustomerId, Millis
from spillway.run.stack import Stack
from tests.builders import NOW
from tests.simulation.world.aws import PARAMETER, SECRET, Aws, Emulator, Model

ITEM = {"pk": {"S": "ada"}, "sk": {"S": "1"}, "content": {"B": b"\x00tea"}, "at": {"N": "1"}}
KEY = {"pk": {"S": "ada"}, "sk": {"S": "1"}}
IS_NEW = "attribute_not_exists(pk)"


@pytest.fixture(params=["model", pytest.param("emulator", marks=pytest.mark.emulator)])
def aws(request: pytest.FixtureRequest) -> Iterator[Aws]:
    if request.param == "model":
        yield Model()
        return
    stack: Stack = request.getfixturevalue("stack")
    emulator = Emulator(stack)
    yield emulator
    emulator.close()


def code_of(failing: pytest.ExceptionInfo[ClientError]) -> str:
    code: str = failing.value.response["Error"]["Code"]
    return code.rpartition(".")[2]


# DynamoDB


def test_a_put_without_a_condition_replaces_what_is_there(aws: Aws) -> None:
    aws.dynamodb.put_item(TableName=aws.table, Item=ITEM)
    aws.dynamodb.put_item(TableName=aws.table, Item={**KEY, "at": {"N": "2"}})
    answer = aws.dynamodb.get_item(TableName=aws.table, Key=KEY, ConsistentRead=True)
    assert answer["Item"] == {**KEY, "at": {"N": "2"}}


def test_an_item_that_is_not_there_is_left_out_of_the_answer(aws: Aws) -> None:
    for consistent in (True, False):
        answer = aws.dynamodb.get_item(TableName=aws.table, Key=KEY, ConsistentRead=consistent)
        assert "Item" not in answer


def set_once(aws: Aws, name: str, value: str, condition: str) -> dict[str, Any]:
    answer: dict[str, Any] = aws.dynamodb.update_item(
        TableName=aws.table,
        Key=KEY,
        UpdateExpression="SET #step = :fact",
        ConditionExpression=condition,
        ExpressionAttributeNames={"#step": name},
        ExpressionAttributeValues={":fact": {"M": {"at": {"N": value}}}},
        ReturnValues="ALL_NEW",
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
    )
    return answer


def test_an_attribute_is_set_once_and_the_first_stands(aws: Aws) -> None:
    fact = {"reserve": {"M": {"at": {"N": "5"}}}}
    answer = set_once(aws, "reserve", "5", "attribute_not_exists(#step)")
    assert answer["Attributes"] == {**KEY, **fact}
    with pytest.raises(ClientError) as failing:
        set_once(aws, "reserve", "6", "attribute_not_exists(#step)")
    response: Any = failing.value.response
    assert response["Item"] == {**KEY, **fact}


def test_two_conditions_must_both_hold(aws: Aws) -> None:
    both = "attribute_not_exists(#step) AND attribute_exists(pk)"
    with pytest.raises(ClientError) as failing:
        set_once(aws, "reserve", "5", both)
    # Nothing is there, so nothing can be told of it.
    assert "Item" not in failing.value.response
    aws.dynamodb.put_item(TableName=aws.table, Item=ITEM)
    assert set_once(aws, "reserve", "5", both)["Attributes"]["at"] == {"N": "1"}


def page(aws: Aws, **request: Any) -> tuple[list[str], dict[str, Any] | None]:
    answer = aws.dynamodb.query(
        TableName=aws.table,
        KeyConditionExpression="pk = :customer",
        ExpressionAttributeValues={":customer": {"S": "ada"}},
        **request,
    )
    return [item["sk"]["S"] for item in answer["Items"]], answer.get("LastEvaluatedKey")


def placed(aws: Aws, *sort_keys: str, customer: str = "ada") -> None:
    for sort_key in sort_keys:
        aws.dynamodb.put_item(
            TableName=aws.table, Item={"pk": {"S": customer}, "sk": {"S": sort_key}}
        )


def test_a_query_reads_one_customers_items_in_the_order_of_their_keys(aws: Aws) -> None:
    placed(aws, "2", "1#progress", "1", "3")
    placed(aws, "9", customer="bob")
    assert page(aws) == (["1", "1#progress", "2", "3"], None)
    assert page(aws, ScanIndexForward=False) == (["3", "2", "1#progress", "1"], None)


def test_a_range_of_keys_includes_its_bounds(aws: Aws) -> None:
    placed(aws, "1", "1#progress", "2")
    answer = aws.dynamodb.query(
        TableName=aws.table,
        ConsistentRead=True,
        KeyConditionExpression="pk = :customer AND sk BETWEEN :order AND :progress",
        ExpressionAttributeValues={
            ":customer": {"S": "ada"},
            ":order": {"S": "1"},
            ":progress": {"S": "1#progress"},
        },
    )
    assert [item["sk"]["S"] for item in answer["Items"]] == ["1", "1#progress"]


def test_many_items_are_read_at_once_and_those_that_are_not_there_left_out(aws: Aws) -> None:
    placed(aws, "1", "2")
    keys = [{"pk": {"S": "ada"}, "sk": {"S": sort_key}} for sort_key in ("2", "7", "1")]
    answer = aws.dynamodb.batch_get_item(RequestItems={aws.table: {"Keys": keys}})
    found = [item["sk"]["S"] for item in answer["Responses"][aws.table]]
    assert sorted(found) == ["1", "2"]
    assert answer["UnprocessedKeys"] == {}


def test_each_change_of_an_item_is_a_record_with_both_images_in_the_order_of_the_changes(
    aws: Aws,
) -> None:
    aws.dynamodb.put_item(TableName=aws.table, Item=ITEM)
    set_once(aws, "reserve", "5", "attribute_not_exists(#step)")
    set_once(aws, "ship", "6", "attribute_not_exists(#step)")
    with pytest.raises(ClientError):
        set_once(aws, "ship", "7", "attribute_not_exists(#step)")
    records = aws.records()
    assert [record["eventName"] for record in records] == ["INSERT", "MODIFY", "MODIFY"]
    images = [record["dynamodb"] for record in records]
    assert [image["Keys"] for image in images] == [KEY] * 3
    assert "OldImage" not in images[0]
    assert images[1]["NewImage"] == images[2]["OldImage"]
    assert images[2]["NewImage"].keys() - images[2]["OldImage"].keys() == {"ship"}
    numbers = [int(image["SequenceNumber"]) for image in images]
    assert numbers == sorted(set(numbers))


def test_a_scan_reads_every_item(aws: Aws) -> None:
    placed(aws, "1", "2")
    placed(aws, "1", customer="bob")
    pages = aws.dynamodb.get_paginator("scan").paginate(TableName=aws.table, ConsistentRead=True)
    items = [item for scanned in pages for item in scanned["Items"]]
    assert sorted((item["pk"]["S"], item["sk"]["S"]) for item in items) == [
        ("ada", "1"),
        ("ada", "2"),
        ("bob", "1"),
    ]


def putting(aws: Aws, **request: Any) -> dict[str, Any]:
    return {"Put": {"TableName": aws.table, "Item": ITEM, **request}}


def counting(aws: Aws, limit: int, name: str = "counter") -> dict[str, Any]:
    return {
        "Update": {
            "TableName": aws.unsorted_table,
            "Key": {"pk": {"S": name}},
            "UpdateExpression": "ADD used :one",
            "ConditionExpression": "attribute_not_exists(used) OR used < :limit",
            "ExpressionAttributeValues": {":one": {"N": "1"}, ":limit": {"N": str(limit)}},
        }
    }


def claiming(aws: Aws, holder: str) -> dict[str, Any]:
    return {
        "Put": {
            "TableName": aws.unsorted_table,
            "Item": {"pk": {"S": "claim"}, "holder": {"S": holder}, "sent": {"S": "1"}},
            "ConditionExpression": "attribute_not_exists(pk) OR holder = :holder AND sent = :sent",
            "ExpressionAttributeValues": {":holder": {"S": holder}, ":sent": {"S": "1"}},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }


def cancelled(aws: Aws, *operations: dict[str, Any]) -> list[Any]:
    with pytest.raises(ClientError) as failing:
        aws.dynamodb.transact_write_items(TransactItems=list(operations))
    assert code_of(failing) == "TransactionCanceledException"
    response: Any = failing.value.response
    return [(reason["Code"], reason.get("Item")) for reason in response["CancellationReasons"]]


def in_unsorted_table(aws: Aws, name: str) -> dict[str, Any] | None:
    key = {"pk": {"S": name}}
    answer = aws.dynamodb.get_item(TableName=aws.unsorted_table, Key=key, ConsistentRead=True)
    item: dict[str, Any] | None = answer.get("Item")
    return item


def test_a_transaction_writes_to_two_tables_all_or_nothing(aws: Aws) -> None:
    write = [putting(aws, ConditionExpression=IS_NEW), counting(aws, 2), claiming(aws, "ada")]
    aws.dynamodb.transact_write_items(TransactItems=write)
    assert in_unsorted_table(aws, "counter") == {"pk": {"S": "counter"}, "used": {"N": "1"}}
    # The order is there, and so the other two, which could be done, are not.
    assert cancelled(aws, *write) == [
        ("ConditionalCheckFailed", None),
        ("None", None),
        ("None", None),
    ]
    assert in_unsorted_table(aws, "counter") == {"pk": {"S": "counter"}, "used": {"N": "1"}}
    assert len(aws.records()) == 1


def test_every_reason_of_a_cancelled_transaction_is_told_with_what_is_there(aws: Aws) -> None:
    aws.dynamodb.transact_write_items(TransactItems=[counting(aws, 1), claiming(aws, "ada")])
    [of_put, of_counter, of_claim] = cancelled(
        aws, putting(aws), counting(aws, 1), claiming(aws, "bob")
    )
    assert of_put == ("None", None)
    assert of_counter == ("ConditionalCheckFailed", None)
    claim = {"pk": {"S": "claim"}, "holder": {"S": "ada"}, "sent": {"S": "1"}}
    assert of_claim == ("ConditionalCheckFailed", claim)
    answer = aws.dynamodb.get_item(TableName=aws.table, Key=KEY, ConsistentRead=True)
    assert "Item" not in answer


def test_a_claim_can_be_put_again_by_its_holder_and_deleted_by_no_other(aws: Aws) -> None:
    def deleting(holder: str) -> dict[str, Any]:
        return {
            "Delete": {
                "TableName": aws.unsorted_table,
                "Key": {"pk": {"S": "claim"}},
                "ConditionExpression": "holder = :holder",
                "ExpressionAttributeValues": {":holder": {"S": holder}},
            }
        }

    for _ in range(2):
        aws.dynamodb.transact_write_items(TransactItems=[claiming(aws, "ada")])
    assert cancelled(aws, deleting("bob"))[0][0] == "ConditionalCheckFailed"
    aws.dynamodb.transact_write_items(TransactItems=[deleting("ada")])
    assert in_unsorted_table(aws, "claim") is None
    # Where nothing is, nothing is held.
    assert cancelled(aws, deleting("ada"))[0][0] == "ConditionalCheckFailed"
    # Nor is anything claimed for an order that is not there.
    of_order = {"TableName": aws.table, "Key": KEY, "ConditionExpression": "attribute_exists(pk)"}
    for_order = [{"ConditionCheck": of_order}, claiming(aws, "bob")]
    assert [code for code, _ in cancelled(aws, *for_order)] == ["ConditionalCheckFailed", "None"]
    aws.dynamodb.transact_write_items(TransactItems=[putting(aws)])
    records = len(aws.records())
    aws.dynamodb.transact_write_items(TransactItems=for_order)
    assert len(aws.records()) == records, "looked at, not written"


def test_a_counter_goes_down_again_but_not_below_nothing(aws: Aws) -> None:
    down: dict[str, Any] = {
        "Update": {
            **counting(aws, 1)["Update"],
            "ConditionExpression": "used > :zero",
            "ExpressionAttributeValues": {":one": {"N": "-1"}, ":zero": {"N": "0"}},
        }
    }
    assert cancelled(aws, down)[0][0] == "ConditionalCheckFailed"
    aws.dynamodb.transact_write_items(TransactItems=[counting(aws, 1)])
    aws.dynamodb.transact_write_items(TransactItems=[down])
    assert in_unsorted_table(aws, "counter") == {"pk": {"S": "counter"}, "used": {"N": "0"}}
    assert cancelled(aws, down)[0][0] == "ConditionalCheckFailed"


def test_a_transaction_does_not_write_one_item_twice(aws: Aws) -> None:
    with pytest.raises(ClientError) as failing:
        aws.dynamodb.transact_write_items(TransactItems=[counting(aws, 2), counting(aws, 2)])
    assert code_of(failing) == "ValidationException"


# SQS


def received(aws: Aws, url: str) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = aws.sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        MessageAttributeNames=["reason"],
        MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
    ).get("Messages", [])
    return messages


def counts(aws: Aws, url: str) -> list[int]:
    names = [f"ApproximateNumberOfMessages{state}" for state in ("", "NotVisible", "Delayed")]
    answer = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)
    return [int(answer["Attributes"][name]) for name in names]


def test_a_message_is_received_as_it_was_sent_and_is_invisible_then(aws: Aws) -> None:
    url = aws.queue()
    reason = {"reason": {"DataType": "String", "StringValue": "broken"}}
    aws.sqs.send_message(QueueUrl=url, MessageBody="tea", MessageAttributes=reason)
    [message] = received(aws, url)
    assert message["Body"] == "tea"
    assert message["MessageAttributes"]["reason"]["StringValue"] == "broken"
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    assert received(aws, url) == []
    assert counts(aws, url) == [0, 1, 0]


def test_a_message_that_is_not_deleted_comes_again_with_another_receipt(aws: Aws) -> None:
    url = aws.queue(visibility_seconds=1)
    aws.sqs.send_message(QueueUrl=url, MessageBody="tea")
    [first] = received(aws, url)
    aws.wait(1.2)
    [second] = received(aws, url)
    assert second["MessageId"] == first["MessageId"]
    assert second["ReceiptHandle"] != first["ReceiptHandle"]
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
    aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=second["ReceiptHandle"])
    aws.wait(1.2)
    assert received(aws, url) == []
    assert counts(aws, url) == [0, 0, 0]


def test_a_message_can_be_made_visible_again_sooner_or_later(aws: Aws) -> None:
    url = aws.queue()
    aws.sqs.send_message(QueueUrl=url, MessageBody="tea")
    for seconds in (0, 1):
        [message] = received(aws, url)
        aws.sqs.change_message_visibility(
            QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=seconds
        )
        if seconds:
            assert received(aws, url) == []
        aws.wait(seconds * 1.2)
    assert len(received(aws, url)) == 1


def test_a_message_received_too_often_goes_to_the_dead_letters(aws: Aws) -> None:
    url, dead_letters = aws.queue_with_dead_letters(receives_max=2)
    aws.sqs.send_message(QueueUrl=url, MessageBody="tea")
    assert [len(received(aws, url)) for _ in range(3)] == [1, 1, 0]
    [dead_letter] = received(aws, dead_letters)
    assert dead_letter["Body"] == "tea"
    assert counts(aws, url) == [0, 0, 0]


def test_a_queue_can_delay_what_it_delivers(aws: Aws) -> None:
    url = aws.queue(delay_seconds=1)
    aws.sqs.send_message(QueueUrl=url, MessageBody="tea")
    assert received(aws, url) == []
    assert counts(aws, url) == [0, 0, 1]
    aws.wait(1.2)
    assert len(received(aws, url)) == 1


def test_a_message_of_a_batch_may_have_a_delay_of_its_own_in_place_of_the_queues(aws: Aws) -> None:
    url = aws.queue(delay_seconds=60)
    later, now = ({"Id": str(n), "MessageBody": str(n), "DelaySeconds": n} for n in (1, 0))
    aws.sqs.send_message_batch(QueueUrl=url, Entries=[later, now])
    assert [message["Body"] for message in received(aws, url)] == ["0"]
    aws.wait(1.2)
    assert [message["Body"] for message in received(aws, url)] == ["1"]


def entries(count: int) -> list[dict[str, str]]:
    return [{"Id": str(place), "MessageBody": f"message {place}"} for place in range(count)]


def test_ten_messages_are_one_batch(aws: Aws) -> None:
    url = aws.queue()
    answer = aws.sqs.send_message_batch(QueueUrl=url, Entries=entries(10))
    assert len(answer["Successful"]) == 10
    assert not answer.get("Failed")
    bodies: set[str] = set()
    for _ in range(40):
        bodies |= {message["Body"] for message in received(aws, url)}
    assert len(bodies) == 10


def test_dead_letters_are_deleted_and_put_back_in_batches(aws: Aws) -> None:
    url = aws.queue()
    aws.sqs.send_message_batch(QueueUrl=url, Entries=entries(2))
    held: list[dict[str, Any]] = []
    while len(held) < 2:
        held += received(aws, url)
    first, second = held
    aws.sqs.delete_message_batch(
        QueueUrl=url, Entries=[{"Id": "0", "ReceiptHandle": first["ReceiptHandle"]}]
    )
    aws.sqs.change_message_visibility_batch(
        QueueUrl=url,
        Entries=[{"Id": "0", "ReceiptHandle": second["ReceiptHandle"], "VisibilityTimeout": 0}],
    )
    assert [message["Body"] for message in received(aws, url)] == [second["Body"]]


def test_every_answer_of_sqs_has_its_clock(aws: Aws) -> None:
    answer = aws.sqs.get_queue_attributes(
        QueueUrl=aws.queue(), AttributeNames=["ApproximateNumberOfMessages"]
    )
    assert parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])


# SNS and SSM


def announcements(count: int) -> list[dict[str, Any]]:
    return [
        {
            "Id": str(place),
            "Message": f'{{"id":"{place}"}}',
            "MessageAttributes": {"type": {"DataType": "String", "StringValue": "t"}},
        }
        for place in range(count)
    ]


def test_ten_events_are_one_batch(aws: Aws) -> None:
    answer = aws.sns.publish_batch(TopicArn=aws.topic, PublishBatchRequestEntries=announcements(10))
    assert len(answer["Successful"]) == 10
    assert not answer.get("Failed")


def test_a_parameter_is_read_in_the_clear(aws: Aws) -> None:
    answer = aws.ssm.get_parameter(Name=PARAMETER, WithDecryption=True)
    assert answer["Parameter"]["Value"] == SECRET
    with pytest.raises(ClientError) as failing:
        aws.ssm.get_parameter(Name="/nowhere", WithDecryption=True)
    assert code_of(failing) == "ParameterNotFound"


def test_a_customer_may_try_so_many_coupons_and_each_of_them_again(aws: Aws) -> None:
    tries = DynamoCouponTries(aws.dynamodb, aws.unsorted_table)

    def tried(*codes: str, customer: str = "ada", at: int = NOW) -> bool:
        return tries.count(CustomerId(customer), codes, Millis(at))

    assert all(tried(f"CODE-{number}") for number in range(TRIES_MAX - 1))
    assert not tried("ONE", "MORE")
    assert tried("ONE")
    assert not tried("MORE")
    assert tried("ONE", "CODE-0")
    assert not tried("ONE", "MORE")
    assert not tried(*(f"CODE-{number}" for number in range(TRIES_MAX + 1)))
    assert tried("MORE", customer="bob")
    assert tried("MORE", at=NOW + TRIES_WINDOW_SECONDS * 1000)
