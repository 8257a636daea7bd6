"""Where a service is and how it is reached: one on this machine, or one in the operator's account.

On AWS the operator's own credentials are used, as the AWS command line would find them. Its stacks
say where everything is; nothing is configured here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.metrics import EVERY_FUNCTION
from spillway.errors import SpillwayError
from spillway.run.stack.ports import port_option
from spillway.target.outputs import queues, tables

#: By the names that the functions have in the account, in the order of an order's path.
FUNCTIONS = EVERY_FUNCTION
LOCAL_STAGE = "local"

Clients = Callable[[str], Any]


@dataclass(frozen=True)
class Service:
    """`client` gives boto3 clients by service name. `tables` are names: `orders`, and one for each
    downstream whose records can be read. `queues` are URLs by name, see `spillway.target.outputs`.
    `emulator` is its address where the service runs on one. `options` say on a command line which
    service is meant, with a space before them; nothing for the one that is meant without them.
    """

    stage: str
    client: Clients
    tables: Mapping[str, str]
    queues: Mapping[str, str]
    emulator: str | None = None
    options: str = ""

    _clients: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def dynamodb(self) -> Any:
        return self.make_client("dynamodb")

    @property
    def sqs(self) -> Any:
        return self.make_client("sqs")

    @property
    def logs(self) -> Any:
        return self.make_client("logs")

    @property
    def cloudwatch(self) -> Any:
        return self.make_client("cloudwatch")

    def make_client(self, name: str) -> Any:
        """One client for each AWS service. Threads may share it, but must not make it: whoever
        starts threads makes theirs before."""
        if name not in self._clients:
            self._clients[name] = self.client(name)
        return self._clients[name]

    def resource_name(self, name: str) -> str:
        """What a resource is called in the account; as infra.stage has it."""
        return f"spillway-{self.stage}-{name}"

    def log_group(self, function: str) -> str:
        return f"/aws/lambda/{self.resource_name(function)}"

    def queue_name(self, name: str) -> str:
        """The queue's own name, which its metrics are under."""
        return self.queues[name].rpartition("/")[2]


def on_this_machine(port: int) -> Service:
    """The service whose origin is on `port`. Raises SpillwayError where none runs."""
    from spillway.run.stack import attach

    stack = attach(port)
    return Service(
        LOCAL_STAGE,
        stack.client,
        stack.tables,
        stack.queues,
        stack.emulator,
        port_option(port),
    )


def on_aws(stage: str, *, profile: str | None, region: str | None) -> Service:
    """The service of a stage in the operator's account. Raises SpillwayError where none is."""
    import boto3

    outputs = outputs_of(stage, profile=profile, region=region)
    # By name at run time, which its typed overloads don't know.
    session: Any = boto3.Session(profile_name=profile, region_name=region)
    named = {"stage": stage, "profile": profile, "region": region}
    options = "".join(f" --{name} {value}" for name, value in named.items() if value is not None)
    return Service(stage, session.client, tables(outputs), queues(outputs), options=options)


def outputs_of(stage: str, *, profile: str | None, region: str | None) -> dict[str, str]:
    """What a stage's stacks tell of themselves. Raises SpillwayError where there are none."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        session = boto3.Session(profile_name=profile, region_name=region)
        outputs = _outputs(session.client("cloudformation"), stage)
    except (BotoCoreError, ClientError) as error:
        raise SpillwayError(
            f"AWS did not tell where stage {stage!r} is ({error}): check the credentials with"
            " `aws sts get-caller-identity`, and name a --profile and a --region if need be."
        ) from error
    if not outputs:
        raise SpillwayError(
            f"There is no stage {stage!r} in this account and Region: deploy it with"
            f" `make deploy STAGE={stage}`, or name another --region."
        )
    return outputs


def _outputs(cloudformation: Any, stage: str) -> dict[str, str]:
    return {
        output["OutputKey"]: output["OutputValue"]
        for page in cloudformation.get_paginator("describe_stacks").paginate()
        for stack in page["Stacks"]
        if stack["StackName"].startswith(f"spillway-{stage}-")
        for output in stack.get("Outputs", ())
    }
