"""What outlives every deployment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from infra.event_sources import OUTAGE_SECONDS_MAX
from orders.aws import items
from orders.domain.backoff import DELIVER, DRAIN
from orders.domain.keeping import KEPT_DAYS_MIN
from orders.domain.order import VoidId
from orders.domain.refusals import ORDER_ID_AGE_MAX_MS, ORDER_ID_AHEAD_MAX_MS
from orders.domain.saga import DOWNSTREAMS
from tests.builders import NOW, accepted
from tests.infra.templates import KEPT, Properties, Templates

HOURS = 60 * 60
DAYS = 24 * HOURS
#: How far back DynamoDB can restore a table, if nothing else is said.
RECOVERY_DAYS = 35


def queue(templates: Templates, name: str) -> Properties:
    full_name = templates.stage.resource_name(name)
    found: Properties = templates.resource("AWS::SQS::Queue", QueueName=full_name)["Properties"]
    return found


def table(templates: Templates, name: str) -> Properties:
    return templates.resource(
        "AWS::DynamoDB::GlobalTable", TableName=templates.stage.resource_name(name)
    )


def orders_table(templates: Templates) -> Properties:
    return table(templates, "orders")


def test_the_table_is_paid_by_use_and_streams_both_images(dev: Templates) -> None:
    properties = orders_table(dev)["Properties"]
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert [(key["AttributeName"], key["KeyType"]) for key in properties["KeySchema"]] == [
        ("pk", "HASH"),
        ("sk", "RANGE"),
    ]


def test_the_table_has_no_secondary_index_which_would_cost_a_write_an_order(dev: Templates) -> None:
    assert not {"GlobalSecondaryIndexes", "LocalSecondaryIndexes"} & set(
        orders_table(dev)["Properties"]
    )


def test_no_order_is_deleted_by_its_table_and_a_void_id_only_after_its_last_order(
    dev: Templates,
) -> None:
    """An order that overflowed waits in two queues, one after the other, and is placed however old
    it is."""
    assert orders_table(dev)["Properties"]["TimeToLiveSpecification"] == {
        "AttributeName": "expires_at",
        "Enabled": True,
    }
    order, void = accepted(), VoidId(accepted().key, NOW)
    assert "expires_at" not in items.order_item(order)
    waits = sum(
        queue(dev, name)["MessageRetentionPeriod"] for name in ("overflow", "overflow-dead-letters")
    )
    last_placed = (NOW + ORDER_ID_AHEAD_MAX_MS + ORDER_ID_AGE_MAX_MS) / 1000 + waits
    assert int(items.void_item(void)["expires_at"]["N"]) > last_placed


def test_the_uses_of_coupons_are_paid_by_use_under_one_key_and_have_no_stream(
    dev: Templates,
) -> None:
    properties = table(dev, "coupons")["Properties"]
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert [key["AttributeName"] for key in properties["KeySchema"]] == ["pk"]
    assert "StreamSpecification" not in properties


@pytest.mark.parametrize("name", ["orders", "coupons"])
def test_each_table_is_recoverable_protected_and_kept_in_every_stage(
    local: Templates, dev: Templates, name: str
) -> None:
    for each in (table(local, name), table(dev, name)):
        [replica] = each["Properties"]["Replicas"]
        assert replica["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert replica["DeletionProtectionEnabled"] is True
        assert (each["DeletionPolicy"], each["UpdateReplacePolicy"]) == KEPT


@pytest.mark.parametrize("name", ["orders", "coupons"])
def test_each_table_is_under_the_key_that_costs_nothing(dev: Templates, name: str) -> None:
    properties = table(dev, name)["Properties"]
    assert properties["SSESpecification"] == {"SSEEnabled": False}


def test_the_orders_table_has_the_class_that_its_stage_names(
    local: Templates, dev: Templates, unusual: Templates
) -> None:
    """A stage that names none changes nothing of a table that is there already."""
    assert unusual.stage.keeping.table_class == "infrequent_access"
    [orders] = orders_table(unusual)["Properties"]["Replicas"]
    assert orders["TableClass"] == "STANDARD_INFREQUENT_ACCESS"
    for other in (orders_table(local), orders_table(dev), table(unusual, "coupons")):
        [replica] = other["Properties"]["Replicas"]
        assert "TableClass" not in replica


def test_an_order_outstays_whatever_can_still_be_under_way_to_it(dev: Templates) -> None:
    """A message waits in its queue and among the dead letters, a void id keeps orders out, and the
    table can be restored to any moment of so many days."""
    kept = KEPT_DAYS_MIN * DAYS
    for name in WORKED_OFF:
        waits = sum(
            queue(dev, each)["MessageRetentionPeriod"] for each in (name, f"{name}-dead-letters")
        )
        assert kept > 2 * waits
    assert kept >= items.VOID_KEPT_SECONDS
    assert KEPT_DAYS_MIN > RECOVERY_DAYS
    assert kept * 1000 > ORDER_ID_AGE_MAX_MS + ORDER_ID_AHEAD_MAX_MS


WORKED_OFF = (*DOWNSTREAMS, "overflow", "watchdog")


@pytest.mark.parametrize("name", WORKED_OFF)
def test_a_message_outlasts_hours_in_which_its_function_cannot_start(
    dev: Templates, name: str
) -> None:
    """Each throttled batch, and each that kills its function, uses up a receive of its messages."""
    receives = queue(dev, name)["RedrivePolicy"]["maxReceiveCount"]
    assert receives * queue(dev, name)["VisibilityTimeout"] >= 10 * HOURS


@pytest.mark.parametrize("name", WORKED_OFF)
def test_what_a_queue_gives_up_lies_with_its_own_dead_letters(dev: Templates, name: str) -> None:
    target = queue(dev, name)["RedrivePolicy"]["deadLetterTargetArn"]
    assert dev.named(target) == f"spillway-dev-{name}-dead-letters"


def test_a_watch_waits_a_quarter_of_an_hour_and_everything_else_not_at_all(dev: Templates) -> None:
    delays = {name: queue(dev, name)["DelaySeconds"] for name in WORKED_OFF}
    assert delays == {**dict.fromkeys(WORKED_OFF, 0), "watchdog": 900}


@pytest.mark.parametrize("downstream", DOWNSTREAMS)
def test_a_command_is_tried_through_an_outage_of_a_day_before_it_is_dead(
    dev: Templates, downstream: str
) -> None:
    receives = queue(dev, downstream)["RedrivePolicy"]["maxReceiveCount"]
    waits = [DELIVER.delay_seconds(count, jitter=0.0) for count in range(1, receives)]
    assert sum(waits) >= OUTAGE_SECONDS_MAX


def test_an_overflowed_order_is_tried_through_a_day_within_what_a_queue_counts(
    dev: Templates,
) -> None:
    receives = queue(dev, "overflow")["RedrivePolicy"]["maxReceiveCount"]
    waits = [DRAIN.delay_seconds(count, 0.0) for count in range(1, receives)]
    assert sum(waits) >= DAYS
    assert receives <= 1_000


def test_every_queue_keeps_messages_for_two_weeks_encrypted_and_refuses_plain_http(
    dev: Templates,
) -> None:
    queues = dev.resources("AWS::SQS::Queue")
    assert len(queues) == 2 * len(WORKED_OFF) + 1
    assert {
        (found["MessageRetentionPeriod"], found["SqsManagedSseEnabled"]) for found in queues
    } == {(14 * DAYS, True)}
    assert {
        dev.named(policy["Queues"][0])
        for policy in dev.resources("AWS::SQS::QueuePolicy")
        if refuses_plain_http(policy)
    } == {found["QueueName"] for found in queues}


def test_every_queue_takes_a_megabyte_wherever_its_default_is_less(dev: Templates) -> None:
    sizes = {found["MaximumMessageSize"] for found in dev.resources("AWS::SQS::Queue")}
    assert sizes == {1_048_576}


def test_only_its_own_queue_may_have_a_dead_letter_queue(dev: Templates) -> None:
    for found in dev.resources("AWS::SQS::Queue"):
        name = found["QueueName"]
        policy = found.get("RedriveAllowPolicy", {})
        if not name.endswith("-dead-letters"):
            assert not policy
        elif name == "spillway-dev-relay-dead-letters":
            assert policy == {"redrivePermission": "denyAll"}
        else:
            assert policy["redrivePermission"] == "byQueue"
            [source] = policy["sourceQueueArns"]
            assert dev.named(source) == name.removesuffix("-dead-letters")


def test_the_topics_refuse_plain_http(dev: Templates) -> None:
    policies = dev.resources("AWS::SNS::TopicPolicy")
    assert {dev.named(policy["Topics"][0]) for policy in policies} == {
        "spillway-dev-order-events",
        "spillway-dev-alarms",
    }
    assert all(map(refuses_plain_http, policies))


def refuses_plain_http(policy: Properties) -> bool:
    return any(
        statement["Effect"] == "Deny"
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        for statement in policy["PolicyDocument"]["Statement"]
    )


def test_what_can_hold_the_only_copy_of_an_order_outlives_the_stack(dev: Templates) -> None:
    kept = {
        found["Properties"]["QueueName"]
        for found in dev.by_stack["spillway-dev-data"]["Resources"].values()
        if found["Type"] == "AWS::SQS::Queue" and found.get("DeletionPolicy") == KEPT[0]
    }
    assert kept == {"spillway-dev-overflow", "spillway-dev-overflow-dead-letters"}


def test_queues_are_encrypted_and_reached_by_tls_alone(dev: Templates) -> None:
    queues = dev.resources("AWS::SQS::Queue")
    assert all(queue["SqsManagedSseEnabled"] is True for queue in queues)
    policies = dev.resources("AWS::SQS::QueuePolicy")
    assert len(policies) == len(queues)
    for policy in policies:
        assert denies_plain_http(policy)


def test_topics_are_reached_by_tls_alone(dev: Templates) -> None:
    policies = dev.resources("AWS::SNS::TopicPolicy")
    assert len(policies) == len(dev.resources("AWS::SNS::Topic"))
    assert all(denies_plain_http(policy) for policy in policies)


def denies_plain_http(policy: Mapping[str, Any]) -> bool:
    return any(
        statement["Effect"] == "Deny"
        and statement["Principal"] in ("*", {"AWS": "*"})
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        for statement in policy["PolicyDocument"]["Statement"]
    )


@pytest.mark.parametrize("kind", ["Prices", "Archive"])
def test_a_bucket_is_private_encrypted_kept_and_can_be_had_back(
    dev: Templates, local: Templates, kind: str
) -> None:
    """The archive's is there also where no order leaves the table: those that have left must be
    found."""
    for templates in (dev, local):
        name, bucket = bucket_of(templates, kind)
        assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == KEPT
        properties = bucket["Properties"]
        assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
        assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
        [rule] = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
        policies = [
            policy
            for policy in templates.resources("AWS::S3::BucketPolicy")
            if policy["Bucket"] == {"Ref": name}
        ]
        assert [denies_plain_http(policy) for policy in policies] == [True]


def test_only_the_archive_forgets_and_only_what_was_written_over(dev: Templates) -> None:
    assert "LifecycleConfiguration" not in bucket_of(dev, "Prices")[1]["Properties"]
    [rule] = bucket_of(dev, "Archive")[1]["Properties"]["LifecycleConfiguration"]["Rules"]
    assert rule["Status"] == "Enabled"
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": RECOVERY_DAYS}
    assert "ExpirationInDays" not in rule


def bucket_of(templates: Templates, kind: str) -> tuple[str, Properties]:
    """Its logical id and the whole resource."""
    data = templates.by_stack[templates.stage.resource_name("data")]["Resources"]
    [found] = [
        (name, resource)
        for name, resource in data.items()
        if resource["Type"] == "AWS::S3::Bucket" and name.startswith(kind)
    ]
    return found
