"""Doctor asks the emulator's account: nothing is wrong with a sound stage, each fault is found, and
asking changes nothing.

Where a fault would be in the way of other tests, it is made for a stage called `ill` in the same
account, which has no stacks.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from typer.testing import CliRunner

from infra.stage import Stage
from spillway.cli import app
from spillway.operate.doctor.account import Account, of_stack
from spillway.operate.doctor.examining import CHECKS, examine
from spillway.operate.doctor.findings import Finding
from spillway.run.stack import Stack
from spillway.target.service import Service
from tests.builders import NOW

GUIDE = (Path(__file__).parents[4] / "docs" / "production.md").read_text()
#: CloudFormation reads the resources for it, and only notes when it did.
DETECTS_DRIFT = "cloudformation:DetectStackDrift"
#: Methods of API Gateway's interface are its actions in IAM.
IAM_NAMES = {"apigateway:GetAccount": "apigateway:GET"}
IAM_SERVICES = {"monitoring": "cloudwatch"}
#: Asked before there is an account to record, for drift that there is not, or by no emulator. S3
#: says that an object is missing only to whoever may list the bucket.
NOT_ON_EMULATOR = {
    "cloudformation:DescribeStacks",
    "cloudformation:DescribeStackResourceDrifts",
    "servicequotas:GetServiceQuota",
    "servicequotas:GetAWSDefaultServiceQuota",
    "s3:ListBucket",
}
CERTIFICATE = "arn:aws:acm:us-east-1:000000000000:certificate/none"
KEY = "k" * 24


def no_sleep(_: float) -> None:
    raise AssertionError("the emulator detects drift at once")


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False) as client:
        yield client


@pytest.fixture
def sound(stack: Stack, http: httpx.Client) -> Account:
    return of_stack(stack, http, lambda: NOW, no_sleep)


@pytest.fixture
def ill(sound: Account, stack: Stack) -> Account:
    """A stage of another name, with no stacks."""
    stage = msgspec.structs.replace(sound.stage, name="ill")
    service = Service("ill", sound.service.client, {}, {}, emulator=stack.emulator)
    return dataclasses.replace(sound, stage=stage, service=service, stacks={})


def faults(check: str, account: Account) -> dict[str, Finding]:
    """What is not in order, by what it is about."""
    found = {one.about: one for one in CHECKS[check](account) if one.state != "ok"}
    assert all(one.next_step for one in found.values())
    return found


def crowded(stage: Stage) -> Stage:
    place = msgspec.structs.replace(stage.api.place, requests_per_second_max=10_000)
    return msgspec.structs.replace(stage, api=msgspec.structs.replace(stage.api, place=place))


def with_certificate(stage: Stage, arn: str) -> Stage:
    own = {"url": "https://store.test", "certificate_arn": arn}
    return msgspec.structs.replace(stage, web=msgspec.structs.replace(stage.web, **own))


@contextmanager
def subscribed(stack: Stack, topic: str) -> Iterator[None]:
    sns = stack.client("sns")
    made = sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="pager@example.com")
    try:
        yield
    finally:
        sns.unsubscribe(SubscriptionArn=made["SubscriptionArn"])


def test_a_sound_stage_is_all_right_and_asking_only_reads(
    stack: Stack, sound: Account, ill: Account
) -> None:
    called: set[str] = set()
    requests: list[httpx.Request] = []

    def recording(name: str) -> Any:
        client = stack.client(name)
        client.meta.events.register("before-call", record)
        return client

    def record(model: Any, **_: Any) -> None:
        service = model.service_model.signing_name
        called.add(f"{IAM_SERVICES.get(service, service)}:{model.name}")

    def asked(account: Account, stage: Stage) -> list[Finding]:
        service = dataclasses.replace(account.service, client=recording)
        begun = _published_at(stack, sound)
        account = dataclasses.replace(account, stage=stage, service=service, now=lambda: begun)
        return [finding for _, finding in examine(account)]

    sound.http.event_hooks = {"request": [requests.append]}
    topics = sound.outputs["AlarmsTopicArn"], sound.outputs["EventsTopicArn"]
    with subscribed(stack, topics[0]), subscribed(stack, topics[1]):
        found = asked(sound, sound.stage)
    assert [finding for finding in found if finding.state != "ok"] == []
    # And all that is asked before a first deployment, of a store with its own domain.
    asked(ill, with_certificate(crowded(ill.stage), CERTIFICATE))
    verbs = {re.split("[a-z](?=[A-Z])", one.partition(":")[2])[0] for one in called}
    assert verbs <= {"Ge", "Lis", "Describ", "Detec", "Scan", "Filte"}
    assert {one for one in called if ":Detect" in one} == {DETECTS_DRIFT}
    listed = permissions()
    assert {IAM_NAMES.get(one, one) for one in called} <= listed
    assert listed - {IAM_NAMES.get(one, one) for one in called} == NOT_ON_EMULATOR
    # An empty command has nothing in it that a downstream could do.
    sent = {(one.method, one.content) for one in requests if one.method != "GET"}
    assert sent == {("POST", b"{}")}


def permissions() -> set[str]:
    """What the guide lists."""
    [row] = re.findall(r"^\| `doctor` \|.*$", GUIDE, re.MULTILINE)
    return set(re.findall(r"`(\w+:\w+)`", row))


def _published_at(stack: Stack, account: Account) -> int:
    from spillway.operate.prices.bucket import PriceBucket

    bucket = PriceBucket(stack.client("s3"), account.outputs["PricesBucketName"])
    return bucket.publications()[0].entries[-1].begins + 60_000


def test_the_command_says_what_it_found_and_ends_with_0_for_warnings(stack: Stack) -> None:
    done = CliRunner().invoke(app, ["doctor", "--json", "--port", str(stack.port)])
    said = json.loads(done.stdout)
    assert (done.exit_code, said["sound"], said["stage"]) == (0, True, "local")
    warned = [one for one in said["findings"] if one["state"] != "ok"]
    assert [(one["check"], one["state"]) for one in warned] == [("alarms", "warning")]
    assert "email" in warned[0]["next_step"]


def test_the_command_ends_with_1_for_a_fault_and_names_the_next_step(stack: Stack) -> None:
    functions = stack.client("lambda")
    [mapping] = [
        one
        for page in functions.get_paginator("list_event_source_mappings").paginate()
        for one in page["EventSourceMappings"]
        # It has another one of its queue, and goes on with the checks that are there.
        if "local-watchdog" in one["FunctionArn"] and ":dynamodb:" in one["EventSourceArn"]
    ]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    try:
        done = CliRunner().invoke(app, ["doctor", "--port", str(stack.port)])
    finally:
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
    assert done.exit_code == 1
    assert "watchdog's stream" in done.stdout
    assert f"update-event-source-mapping --uuid {mapping['UUID']} --enabled" in done.stdout


@pytest.mark.parametrize(
    ("name", "value", "fact"),
    [
        ("receipt-keys", None, "is not there"),
        ("receipt-keys", "no json", "no JSON object"),
        ("receipt-keys", '{"v2.k1":"00"}', "16 bytes"),
        ("receipt-keys", json.dumps({"k1": "ab" * 32}), "name no customer"),
        ("price-keys", "{}", "no JSON object"),
        ("coupon-keys", '{"k1":"xyz"}', "no JSON object"),
        ("inventory/api-key", None, "is not there"),
        ("inventory/api-key", f"{KEY}\n", "line break"),
    ],
)
def test_a_secret_that_the_service_could_not_use_is_found(
    stack: Stack, ill: Account, name: str, value: str | None, fact: str
) -> None:
    ssm = stack.client("ssm")
    signing = json.dumps({"v2.k1": "ab" * 32})
    values = {"receipt-keys": signing, "price-keys": signing}
    values |= {f"{one}/api-key": KEY for one in ("inventory", "fulfilment", "accounting")}
    values |= {name: value} if value is not None else {}
    if value is None:
        del values[name]
    for one, text in values.items():
        ssm.put_parameter(Name=f"/spillway/ill/{one}", Value=text, Type="SecureString")
    try:
        found = faults("secrets", ill)
    finally:
        ssm.delete_parameters(Names=[f"/spillway/ill/{one}" for one in values])
    [about] = found
    assert about == f"/spillway/ill/{name}"
    assert fact in found[about].says
    assert about in found[about].next_step or "gateway" in found[about].next_step


def test_a_secret_in_clear_is_found(stack: Stack, ill: Account) -> None:
    ssm, name = stack.client("ssm"), "/spillway/ill/accounting/api-key"
    ssm.put_parameter(Name=name, Value=KEY, Type="String")
    try:
        assert "in clear" in faults("secrets", ill)[name].says
    finally:
        ssm.delete_parameter(Name=name)


def test_what_would_collide_with_a_first_deployment_is_found(stack: Stack, ill: Account) -> None:
    dynamodb, sqs, logs = map(stack.client, ("dynamodb", "sqs", "logs"))
    assert faults("collisions", ill) == {}
    table, group = "spillway-ill-orders", "/aws/lambda/spillway-ill-intake"
    dynamodb.create_table(
        TableName=table,
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    queue = sqs.create_queue(QueueName="spillway-ill-overflow")["QueueUrl"]
    logs.create_log_group(logGroupName=group)
    try:
        found = faults("collisions", ill)
    finally:
        dynamodb.delete_table(TableName=table)
        sqs.delete_queue(QueueUrl=queue)
        logs.delete_log_group(logGroupName=group)
    assert set(found) == {f"table {table}", "queue spillway-ill-overflow", f"log group {group}"}


def test_parameters_that_a_crowd_would_wait_for_are_found(stack: Stack, ill: Account) -> None:
    account = dataclasses.replace(ill, stage=crowded(ill.stage))
    [found] = faults("parameters", account).values()
    setting = {"SettingId": "/ssm/parameter-store/high-throughput-enabled"}
    ssm = stack.client("ssm")
    ssm.update_service_setting(**setting, SettingValue="true")
    try:
        assert faults("parameters", account) == {}
    finally:
        ssm.reset_service_setting(**setting)
    assert setting["SettingId"] in found.next_step
    # The same crowd is more than the account's functions can take.
    assert faults("quotas", account)["Lambda concurrent executions"].state == "fault"


def test_alarms_that_are_gone_off_or_unheard_are_found(stack: Stack, sound: Account) -> None:
    cloudwatch, name = stack.client("cloudwatch"), "spillway-local-needs-a-fix"
    cloudwatch.disable_alarm_actions(AlarmNames=[name])
    try:
        found = faults("alarms", sound)
    finally:
        cloudwatch.enable_alarm_actions(AlarmNames=[name])
    assert set(found) == {name, "spillway-local-alarms"}
    assert found[name].state == "fault"
    elsewhere = Service("ill", sound.service.client, {}, {}, emulator=stack.emulator)
    gone = faults("alarms", dataclasses.replace(sound, service=elsewhere))
    assert "not there" in gone["spillway-ill-needs-a-fix"].says


def test_a_resource_that_was_changed_by_hand_is_found(stack: Stack, sound: Account) -> None:
    sqs, url = stack.client("sqs"), stack.queues["watchdog_dead_letter"]
    name = "MessageRetentionPeriod"
    before = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={name: "3600"})
    try:
        found = faults("drift", sound)
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes=before)
    assert set(found) == {"spillway-local-data"}
    assert "WatchdogDeadLetters" in found["spillway-local-data"].says
    assert faults("drift", sound) == {}


def test_stacks_and_mappings_that_are_missing_or_failed_are_found(
    sound: Account, ill: Account
) -> None:
    data, service = sound.stacks["data"], sound.stacks["service"]
    failed = {"data": data, "service": {**service, "StackStatus": "ROLLBACK_COMPLETE"}}
    found = faults("stacks", dataclasses.replace(ill, stacks=failed))
    missing = {f"spillway-ill-{name}" for name in ("identity", "operations", "web", "downstreams")}
    assert set(found) == {*missing, "spillway-ill-service"}
    assert "first-deployment" in found["spillway-ill-service"].next_step
    unmapped = faults("mappings", dataclasses.replace(ill, stacks=failed))
    assert {"relay", "drain", "watchdog"} < set(unmapped)


def test_a_stage_without_a_price_book_that_can_be_read_is_found(
    stack: Stack, sound: Account
) -> None:
    s3, bucket = stack.client("s3"), "spillway-ill-prices"
    s3.create_bucket(Bucket=bucket)
    output = {"OutputKey": "PricesBucketName", "OutputValue": bucket}
    account = dataclasses.replace(sound, stacks={"data": {"Outputs": [output]}})
    try:
        assert "none is in force" in faults("price_book", account)["price book"].says
        s3.put_object(Bucket=bucket, Key="index.json", Body=b"{")
        assert "cannot be read" in faults("price_book", account)["price book"].says
    finally:
        s3.delete_object(Bucket=bucket, Key="index.json")
        s3.delete_bucket(Bucket=bucket)


def test_a_certificate_that_is_not_there_is_found(stack: Stack, ill: Account) -> None:
    acm = stack.client("acm")
    arn = acm.request_certificate(DomainName="store.test")["CertificateArn"]
    for named, found in ((arn, set()), (CERTIFICATE, {CERTIFICATE})):
        stage = with_certificate(ill.stage, named)
        assert set(faults("certificate", dataclasses.replace(ill, stage=stage))) == found
    acm.delete_certificate(CertificateArn=arn)
