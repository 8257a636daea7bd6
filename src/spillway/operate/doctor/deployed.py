"""What is deployed, and what is in the way of a deployment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from infra.alarms import alarms
from infra.metrics import ARCHIVE, OUTCOMES, PAYMENTS
from infra.stage import PROTECTED_STACKS
from orders.aws.book_file import BookFileInvalid
from orders.domain.units import Millis
from orders.settings import has_book
from spillway.errors import SpillwayError
from spillway.operate.doctor.account import Account
from spillway.operate.doctor.findings import Finding, fault, ok, warning
from spillway.operate.prices.bucket import PriceBucket
from spillway.operate.status.evaluating import described
from spillway.operate.status.parts import read_mappings
from spillway.target.service import FUNCTIONS

_SOUND = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"})
_DRIFT_POLL_SECONDS = 3.0
#: AWS: a detection "can take up to several minutes".
_DRIFT_POLLS_MAX = 200


def check_stacks(account: Account) -> Iterator[Finding]:
    """None at all is the state before a first deployment."""
    if not account.stacks:
        yield ok("stacks", "none yet: this would be the first deployment")
        return
    for name in account.expected_stacks:
        yield _stack(account, name)


def _stack(account: Account, name: str) -> Finding:
    about = account.service.resource_name(name)
    stack = account.stacks.get(name)
    if stack is None:
        return fault(about, "is not there, and others are", account.deploy)
    status = stack["StackStatus"]
    if status in _SOUND:
        if name in PROTECTED_STACKS and not stack.get("EnableTerminationProtection"):
            return warning(
                about,
                "is not protected: one command deletes it",
                "`aws cloudformation update-termination-protection --enable-termination-protection"
                f" --stack-name {about}`",
            )
        return ok(about, status)
    if status.endswith("_IN_PROGRESS"):
        return warning(about, f"{status}: it is being changed", "ask again when that is over")
    return fault(about, status, "docs/first-deployment.md says what to do with it")


def check_collisions(account: Account) -> Iterator[Finding]:
    """What survived its stack has a fixed name, which a first deployment cannot take again."""
    looks: tuple[tuple[str, Callable[[Account], Iterator[str]]], ...] = (
        ("data", _kept_data),
        ("service", _kept_logs),
    )
    for stack, kept in looks:
        if stack in account.stacks:
            continue
        for about in kept(account):
            yield fault(
                about,
                f"is there, and its stack {account.service.resource_name(stack)} is not: creating"
                " that would fail",
                "docs/first-deployment.md says how to deploy again",
            )


def _kept_data(account: Account) -> Iterator[str]:
    dynamodb, sqs = account.client("dynamodb"), account.client("sqs")
    for name in map(account.service.resource_name, ("orders", "coupons")):
        try:
            dynamodb.describe_table(TableName=name)
        except dynamodb.exceptions.ResourceNotFoundException:
            continue
        yield f"table {name}"
    for name in map(account.service.resource_name, ("overflow", "overflow-dead-letters")):
        try:
            sqs.get_queue_url(QueueName=name)
        except sqs.exceptions.QueueDoesNotExist:
            continue
        yield f"queue {name}"


def _kept_logs(account: Account) -> Iterator[str]:
    """A function that still ran when its log group was deleted has made it again."""
    prefix = f"/aws/lambda/{account.service.resource_name('')}"
    pages = account.client("logs").get_paginator("describe_log_groups")
    names = [*FUNCTIONS]
    names += [ARCHIVE] if account.stage.keeping.days is not None else []
    names += [PAYMENTS] if account.stage.payments is not None else []
    names += [OUTCOMES] if account.stage.tellers else []
    functions = {account.service.log_group(name) for name in names}
    for page in pages.paginate(logGroupNamePrefix=prefix):
        yield from (
            f"log group {group['logGroupName']}"
            for group in page["logGroups"]
            if group["logGroupName"] in functions
        )


def check_mappings(account: Account) -> Iterator[Finding]:
    """What a queue or the stream starts runs only while its mapping is enabled."""
    if "service" not in account.stacks:
        return
    tellers = [f"outcomes-{name}" for name in account.stage.tellers]
    for name, mapping in read_mappings(account.service, tellers).items():
        yield _mapping(account, name, mapping)


def _mapping(account: Account, name: str, mapping: Mapping[str, Any] | None) -> Finding:
    if mapping is None:
        return fault(name, "has no event source mapping: it never runs", account.deploy)
    result = str(mapping.get("LastProcessingResult", ""))
    if result.startswith("PROBLEM"):
        return fault(name, f"Lambda can't read what it processes: {result}", account.deploy)
    state = mapping["State"]
    if state == "Enabled":
        return ok(name, "its mapping is enabled")
    enable = f"`aws lambda update-event-source-mapping --uuid {mapping['UUID']} --enabled`"
    return fault(name, f"its mapping is {state}: what comes in waits", enable)


def check_alarms(account: Account) -> Iterator[Finding]:
    topic = account.outputs.get("AlarmsTopicArn")
    if topic is None:
        return
    there = {one["AlarmName"]: one for one in described(account.service)}
    for alarm in alarms(account.stage):
        name = account.service.resource_name(alarm.name)
        if name not in there:
            yield fault(name, "is not there: nothing would ring", account.deploy)
        elif not there[name].get("ActionsEnabled", True):
            yield fault(
                name,
                "is switched off: it rings unheard",
                f"`aws cloudwatch enable-alarm-actions --alarm-names {name}`",
            )
    yield _subscribers(account, topic)


def _subscribers(account: Account, topic: str) -> Finding:
    pages = account.client("sns").get_paginator("list_subscriptions_by_topic")
    arns = [
        one["SubscriptionArn"]
        for page in pages.paginate(TopicArn=topic)
        for one in page["Subscriptions"]
    ]
    heard = sum(arn.startswith("arn:") for arn in arns)
    about = topic.rpartition(":")[2]
    if heard:
        return ok(about, f"{heard} confirmed, {len(arns) - heard} unconfirmed subscriptions")
    if arns:
        return warning(about, "no subscription is confirmed", "confirm it by the link in the mail")
    return warning(
        about,
        "nobody is told when an alarm rings",
        f"set [alarms] email in {account.file} and deploy, or subscribe your pager",
    )


def check_drift(account: Account) -> Iterator[Finding]:
    """CloudFormation compares the resources with the templates. It notes when it did so, which is
    all that changes."""
    started = {}
    for name, stack in account.stacks.items():
        if stack["StackStatus"] in _SOUND:
            answer = account.client("cloudformation").detect_stack_drift(
                StackName=stack["StackName"]
            )
            started[name] = answer["StackDriftDetectionId"]
    for name, detection in started.items():
        yield _drift(account, account.service.resource_name(name), detection)


def _drift(account: Account, about: str, detection: str) -> Finding:
    found = _when_detected(account, detection)
    if found["DetectionStatus"] == "DETECTION_IN_PROGRESS":
        return warning(about, "the detection of drift takes too long", "look at it in the console")
    if found.get("StackDriftStatus") == "DRIFTED":
        return warning(
            about,
            f"was changed by hand: {', '.join(_drifted(account, about))}",
            "undo the change, or put it into the settings: a deployment may overwrite it",
        )
    if found["DetectionStatus"] == "DETECTION_FAILED":
        return warning(
            about,
            f"was compared in part: {found.get('DetectionStatusReason', 'no reason given')}",
            "ask with credentials that may read every resource (AWS's policy ReadOnlyAccess)",
        )
    return ok(about, "is as its template says")


def _when_detected(account: Account, detection: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(_DRIFT_POLLS_MAX):
        found = account.client("cloudformation").describe_stack_drift_detection_status(
            StackDriftDetectionId=detection
        )
        if found["DetectionStatus"] != "DETECTION_IN_PROGRESS":
            break
        account.sleep(_DRIFT_POLL_SECONDS)
    return found


def _drifted(account: Account, stack: str) -> list[str]:
    answer = account.client("cloudformation").describe_stack_resource_drifts(
        StackName=stack, StackResourceDriftStatusFilters=["MODIFIED", "DELETED"]
    )
    return sorted(drift["LogicalResourceId"] for drift in answer["StackResourceDrifts"])


def check_price_book(account: Account) -> Iterator[Finding]:
    name = account.outputs.get("PricesBucketName")
    if name is None or not has_book(account.stage.orders.prices):
        return
    bucket = PriceBucket(account.client("s3"), name)
    publish = f"`spillway prices publish <book.toml> --stage {account.stage.name}`"
    try:
        current = bucket.publications()[0].current(Millis(account.now()))
        if current is None:
            yield fault("price book", "none is in force: orders are answered 503", publish)
            return
        bucket.book(current.version)
    except (SpillwayError, BookFileInvalid, ClientError) as error:
        yield fault("price book", f"cannot be read: {error}", publish)
        return
    yield ok("price book", f"{current.version} is in force")
