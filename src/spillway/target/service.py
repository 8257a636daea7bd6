"""A running service and its AWS clients: on this machine's emulator, or in the operator's account.

On AWS the operator's own credentials are used, found in the same way as by the AWS command line.
The stacks' outputs name all tables and queues, so nothing is configured here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from infra.metrics import EVERY_FUNCTION
from infra.stage import STACKS
from orders.domain.saga import DOWNSTREAMS
from spillway.errors import SpillwayError
from spillway.run.stack.ports import port_option
from spillway.target.archive import OUTPUT as ARCHIVE_BUCKET
from spillway.target.archive import Archive
from spillway.target.reading import OrdersTable
from spillway.target.unreachable import unreachable

if TYPE_CHECKING:
    from types_boto3_cloudwatch import CloudWatchClient
    from types_boto3_logs import CloudWatchLogsClient
    from types_boto3_sqs import SQSClient

    from spillway.run.stack import Stack

#: The functions' names in the account, in the order of the path.
FUNCTIONS = EVERY_FUNCTION

#: Queues that a function reads. Relay reads the table's stream.
QUEUES = (*DOWNSTREAMS, "overflow", "watchdog")

Clients = Callable[[str], Any]


@dataclass(frozen=True)
class Service:
    """`client` gives the one boto3 client of an AWS service.

    `tables` has `orders` and `coupons`, and one for each downstream whose table can be read.
    `queues` are URLs by name, like `inventory` and `inventory_dead_letter`. `emulator` is the
    emulator's address, None on AWS. `options` name this service on a command line, with a space
    before them; "" for the default service.
    """

    stage: str
    client: Clients
    tables: Mapping[str, str]
    queues: Mapping[str, str]
    emulator: str | None = None
    options: str = ""

    @property
    def dynamodb(self) -> Any:
        return self.client("dynamodb")

    @property
    def orders(self) -> OrdersTable:
        """The orders table with its archive."""
        return OrdersTable(self.dynamodb, self.tables["orders"], self.archive)

    @property
    def archive(self) -> Archive:
        return Archive(lambda: self.client("s3"), lambda: self.output(ARCHIVE_BUCKET))

    @property
    def sqs(self) -> SQSClient:
        return cast("SQSClient", self.client("sqs"))

    @property
    def logs(self) -> CloudWatchLogsClient:
        return cast("CloudWatchLogsClient", self.client("logs"))

    @property
    def cloudwatch(self) -> CloudWatchClient:
        return cast("CloudWatchClient", self.client("cloudwatch"))

    def resource_name(self, name: str) -> str:
        """A resource's name in the account, as in `infra.stage`."""
        return f"spillway-{self.stage}-{name}"

    def log_group(self, function: str) -> str:
        return f"/aws/lambda/{self.resource_name(function)}"

    def output(self, name: str) -> str:
        """An output of the stage's stacks. SpillwayError: they have none of this name."""
        found = _outputs(self.client("cloudformation"), self.stage)
        if name not in found:
            raise SpillwayError(
                f"The stacks of stage {self.stage!r} have no output {name}: deploy them again."
            )
        return found[name]

    def queue_name(self, name: str) -> str:
        """The queue's own name, which its metrics use."""
        return self.queues[name].rpartition("/")[2]


def on_this_machine(port: int) -> Service:
    """The service on `port`. SpillwayError: none runs there."""
    from spillway.run.stack import attach

    return of_stack(attach(port))


def of_stack(stack: Stack) -> Service:
    return Service(
        "local",
        shared(stack.client),
        stack.tables,
        stack.queues,
        stack.emulator,
        port_option(stack.port),
    )


def on_aws(stage: str, *, profile: str | None, region: str | None) -> Service:
    """A stage's service in the operator's account. SpillwayError: there is none."""
    outputs = outputs_of(stage, profile=profile, region=region)
    session = session_of(profile=profile, region=region)
    options = options_of(stage, profile=profile, region=region)
    return Service(stage, shared(session.client), tables(outputs), queues(outputs), options=options)


def options_of(stage: str, *, profile: str | None, region: str | None) -> str:
    """What says on a command line which stage is meant, with a space before it."""
    named = {"stage": stage, "profile": profile, "region": region}
    return "".join(f" --{name} {value}" for name, value in named.items() if value is not None)


def session_of(*, profile: str | None = None, region: str | None = None) -> Any:
    """The operator's credentials and Region. SpillwayError: there are none.

    The Region is the one that the AWS command line and the CDK take: boto3 alone does not read
    AWS_REGION, so it would ask another Region than was deployed to, or none.
    """
    import boto3
    from botocore.exceptions import BotoCoreError

    region = region or os.environ.get("AWS_REGION")
    try:
        session = boto3.Session(profile_name=profile, region_name=region)
        found = session.get_credentials() is not None
    except BotoCoreError as error:
        raise unreachable(error, on_aws=True) from error
    if not found:
        raise SpillwayError(
            "There are no AWS credentials here: sign in (`aws sso login`), or choose some"
            " (`export AWS_PROFILE=...`)."
        )
    if session.region_name is None:
        raise SpillwayError(
            "No AWS Region is chosen: choose the one of the stage (`export AWS_REGION=eu-west-1`)."
        )
    return session


def shared(make: Clients) -> Clients:
    """One client of each service for all threads, which may share one but not make it at once."""
    made, making = cache(make), Lock()

    def client(service: str) -> Any:
        with making:
            return made(service)

    return client


def outputs_of(stage: str, *, profile: str | None, region: str | None) -> dict[str, str]:
    """The outputs of a stage's stacks. SpillwayError: there are none."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    session = session_of(profile=profile, region=region)
    try:
        outputs = _outputs(session.client("cloudformation"), stage)
    except (BotoCoreError, ClientError, ResponseParserError) as error:
        raise unreachable(error, on_aws=True) from error
    if not outputs:
        raise SpillwayError(
            f"There is no stage {stage!r} in this account and Region: deploy it with"
            f" `make deploy STAGE={stage}`, or name another --region."
        )
    return outputs


def _outputs(cloudformation: Any, stage: str) -> dict[str, str]:
    return outputs_in(stacks_of(cloudformation, stage).values())


def outputs_in(stacks: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """By their keys."""
    return {
        output["OutputKey"]: output["OutputValue"]
        for stack in stacks
        for output in stack.get("Outputs", ())
    }


def stacks_of(cloudformation: Any, stage: str) -> dict[str, Mapping[str, Any]]:
    """The stage's stacks as CloudFormation describes them, by their names without the stage.

    This stage's and no others: `spillway-dev-x-data` is none of `dev`.
    """
    described = {name: _described(cloudformation, f"spillway-{stage}-{name}") for name in STACKS}
    return {name: stack for name, stack in described.items() if stack is not None}


def _described(cloudformation: Any, name: str) -> Mapping[str, Any] | None:
    """None where there is no such stack."""
    from botocore.exceptions import ClientError

    try:
        [stack] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        return None
    return cast("Mapping[str, Any]", stack)


def tables(outputs: Mapping[str, str]) -> dict[str, str]:
    """Names: `orders`, `coupons`, and one for each downstream if the stage has fakes of them."""
    keys = {name: f"{name.capitalize()}TableName" for name in ("orders", "coupons", *DOWNSTREAMS)}
    return {name: outputs[key] for name, key in keys.items() if key in outputs}


def queues(outputs: Mapping[str, str]) -> dict[str, str]:
    """URLs: `inventory`, `inventory_dead_letter` and so on, `relay_dead_letter`, and for each
    downstream that tells what it decides later `outcomes-inventory` and its dead letters."""
    urls = {name: outputs[f"{name.capitalize()}QueueUrl"] for name in QUEUES}
    for name in (*QUEUES, "relay"):
        urls[f"{name}_dead_letter"] = outputs[f"{name.capitalize()}DeadLetterQueueUrl"]
    for name in DOWNSTREAMS:
        key = f"Outcomes{name.capitalize()}"
        if f"{key}QueueUrl" in outputs:
            urls[f"outcomes-{name}"] = outputs[f"{key}QueueUrl"]
            urls[f"outcomes-{name}_dead_letter"] = outputs[f"{key}DeadLetterQueueUrl"]
    return urls
