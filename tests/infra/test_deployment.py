"""`make deploy`, the stock CDK command line, against the emulator: a stage's whole life."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from infra.bundle import ROOT
from infra.stage import Recreated, Stage, load
from spillway.run.stack.aws import client
from spillway.run.stack.emulator import emulator
from spillway.run.stack.processes import isolated_environment

if TYPE_CHECKING:
    from aws_cdk import App

pytestmark = [pytest.mark.usefixtures("own_stacks"), pytest.mark.timeout(300)]

DATA, IDENTITY, SERVICE = (f"spillway-local-{name}" for name in ("data", "identity", "service"))
ORDERS = "spillway-local-orders"
INTAKE = "spillway-local-intake"
TURNED_AWAY = "spillway-local-customers-turned-away"
ORDER = {"pk": {"S": "customer-ada"}, "sk": {"S": "an order"}}


@dataclass(frozen=True)
class Account:
    """An empty account on the emulator, and `make` with nothing but that account in reach."""

    endpoint: str
    folder: Path

    def make(self, target: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = isolated_environment(
            self.folder,
            AWS_ENDPOINT_URL=self.endpoint,
            NODE_COMPILE_CACHE=str(ROOT / ".spillway" / "cache" / "node"),
            CDK_DISABLE_CLI_TELEMETRY="true",
        )
        return subprocess.run(  # noqa: S603 - the command is ours
            ("/usr/bin/env", "make", target, *arguments),
            cwd=ROOT,
            env=environment,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def deploy(self, assembly: Path | None = None) -> subprocess.CompletedProcess[str]:
        """What an operator types; `assembly` stands for a project that was changed."""
        arguments = f"--require-approval never --output {self.folder / 'cdk.out'}"
        if assembly is not None:
            arguments = f"--require-approval never --app {assembly}"
        return self.make("deploy", "STAGE=local", f"ARGS={arguments}")

    def client(self, service: str) -> Any:
        return client(self.endpoint, service)

    def statuses(self) -> dict[str, str]:
        stacks = self.client("cloudformation").describe_stacks()["Stacks"]
        return {stack["StackName"]: stack["StackStatus"] for stack in stacks}

    def intake(self) -> tuple[int, str]:
        """The memory of what callers call, and the version that they call."""
        functions = self.client("lambda")
        live = functions.get_alias(FunctionName=INTAKE, Name="live")
        in_service = functions.get_function_configuration(FunctionName=INTAKE, Qualifier="live")
        return in_service["MemorySize"], live["FunctionVersion"]

    def api_ids(self) -> dict[str, str]:
        """Of the API: its own id, and where the other two stacks think that it is."""
        [api] = self.client("apigatewayv2").get_apis()["Items"]
        [alarm] = self.client("cloudwatch").describe_alarms(AlarmNames=[TURNED_AWAY])[
            "MetricAlarms"
        ]
        [store] = self.client("cloudfront").list_distributions()["DistributionList"]["Items"]
        [origin] = [
            one["DomainName"] for one in store["Origins"]["Items"] if "CustomOriginConfig" in one
        ]
        [dimension] = alarm["Dimensions"]
        return {
            "service": api["ApiId"],
            "operations": dimension["Value"],
            "web": origin.partition(".")[0],
        }

    def pools(self) -> list[str]:
        found = self.client("cognito-idp").list_user_pools(MaxResults=10)["UserPools"]
        return [pool["Name"] for pool in found]

    def pool_id(self) -> str:
        found = self.client("cognito-idp").list_user_pools(MaxResults=10)["UserPools"]
        [pool] = [one["Id"] for one in found if one["Name"] == "spillway-local-customers"]
        return str(pool)

    def lift_protection(self, stack: str) -> None:
        """`aws cloudformation update-termination-protection --no-enable-termination-protection`."""
        self.client("cloudformation").update_termination_protection(
            StackName=stack, EnableTerminationProtection=False
        )

    def delete_tables_and_queues(self) -> None:
        """By the commands of docs/first-deployment.md."""
        tables, queues = self.client("dynamodb"), self.client("sqs")
        for name in (ORDERS, "spillway-local-coupons"):
            tables.update_table(TableName=name, DeletionProtectionEnabled=False)
            tables.delete_table(TableName=name)
        for url in queues.list_queues()["QueueUrls"]:
            queues.delete_queue(QueueUrl=url)

    def take_back(self, pool: str) -> subprocess.CompletedProcess[str]:
        """What a person answers to `cdk import`'s questions is in a file here."""
        assembly = self.folder / "cdk.out"
        template = json.loads((assembly / f"{IDENTITY}.template.json").read_text())
        [logical_id] = [
            name
            for name, found in template["Resources"].items()
            if found["Type"] == "AWS::Cognito::UserPool"
        ]
        answers = self.folder / "answers.json"
        answers.write_text(json.dumps({logical_id: {"UserPoolId": pool}}))
        return self.make(
            "cdk", f"ARGS=import {IDENTITY} --app {assembly} --resource-mapping {answers}"
        )

    def has_its_order(self) -> bool:
        return "Item" in self.client("dynamodb").get_item(TableName=ORDERS, Key=ORDER)


@contextmanager
def account(folder: Path) -> Iterator[Account]:
    with emulator(folder) as started:
        yield Account(started.url, folder)


def with_memory(megabytes: int) -> Stage:
    stage = load("local")
    size = msgspec.structs.replace(stage.functions.intake, memory_mb=megabytes)
    functions = msgspec.structs.replace(stage.functions, intake=size)
    return msgspec.structs.replace(stage, functions=functions)


def recreated(stage: Stage) -> Stage:
    return msgspec.structs.replace(stage, recreated=Recreated(service=1))


def assembly(stage: Stage, directory: Path, change: Callable[[App], None] | None = None) -> Path:
    from tests.infra.synthesis import app_of

    app = app_of(stage, directory=directory)
    if change is not None:
        change(app)
    app.synth()
    return directory


def add_what_cannot_be(app: App) -> None:
    """A second alias of a name that is taken: refused when intake has been changed already."""
    from aws_cdk import Stack
    from aws_cdk import aws_lambda as lambda_

    service = app.node.find_child(SERVICE)
    assert isinstance(service, Stack)
    function = (
        service.node.find_child("Intake").node.find_child("Intake").node.find_child("Function")
    )
    assert isinstance(function, lambda_.Function)
    second = lambda_.CfnAlias(
        service,
        "Second",
        function_name=function.function_name,
        function_version=function.current_version.version,
        name="live",
    )
    second.node.add_dependency(function.node.find_child("Live"))


@pytest.mark.slow
def test_a_stage_is_deployed_changed_rolled_back_and_destroyed_and_keeps_its_orders(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "account"
    folder.mkdir()
    with account(folder) as here, ThreadPoolExecutor(1) as beside:
        # Synthesis takes seconds, which pass while the first deployment runs.
        changed = beside.submit(assembly, with_memory(640), tmp_path / "changed")
        again = beside.submit(assembly, recreated(with_memory(640)), tmp_path / "again")
        failing = beside.submit(
            assembly, with_memory(768), tmp_path / "failing", add_what_cannot_be
        )
        done = here.make("cdk", "ARGS=bootstrap -c stage=local")
        assert done.returncode == 0, done.stdout

        done = here.deploy()
        assert done.returncode == 0, done.stdout
        assert {DATA, IDENTITY, SERVICE} < set(here.statuses())
        memory, first = here.intake()
        assert memory == load("local").functions.intake.memory_mb
        here.client("dynamodb").put_item(TableName=ORDERS, Item=ORDER)

        # A change makes a new version, and the callers come with it.
        done = here.deploy(changed.result())
        assert done.returncode == 0, done.stdout
        assert here.statuses()[SERVICE] == "UPDATE_COMPLETE"
        memory, second = here.intake()
        assert memory == 640
        assert second != first
        assert here.has_its_order()

        # A change that fails half way leaves everything as it was.
        done = here.deploy(failing.result())
        assert done.returncode != 0
        assert "live already exists" in done.stdout
        assert here.statuses()[SERVICE] == "UPDATE_ROLLBACK_COMPLETE"
        assert here.intake() == (640, second)
        assert here.has_its_order()

        # The service stack has no data: it may go. Its new API has another id, which reaches the
        # other stacks because the stage counts the stack as recreated.
        before = here.api_ids()
        alone = f"ARGS=destroy {SERVICE} --exclusively --force --app {changed.result()}"
        done = here.make("cdk", alone)
        assert done.returncode == 0, done.stdout
        assert here.has_its_order()
        done = here.deploy(again.result())
        assert done.returncode == 0, done.stdout
        [old], [new] = set(before.values()), set(here.api_ids().values())
        assert new != old

        # Nobody deletes orders by one command. Those who mean it lift the protection first, and
        # even then the orders, and who the customers are, stay.
        destroy = f"ARGS=destroy --all --force -c stage=local --app {again.result()}"
        done = here.make("cdk", destroy)
        assert done.returncode != 0
        assert {DATA, IDENTITY} <= set(here.statuses())
        assert here.has_its_order()
        for stack in (DATA, IDENTITY):
            here.lift_protection(stack)
        done = here.make("cdk", destroy)
        assert done.returncode == 0, done.stdout
        assert not [name for name in here.statuses() if name.startswith("spillway-")]
        assert here.has_its_order()
        queues = here.client("sqs").list_queues()["QueueUrls"]
        assert {url.rpartition("/")[2] for url in queues} == {
            "spillway-local-overflow",
            "spillway-local-overflow-dead-letters",
        }
        assert here.pools() == ["spillway-local-customers"]
        assert json.dumps(here.client("lambda").list_functions()["Functions"]) == "[]"


@pytest.mark.slow
def test_a_first_deployment_that_failed_and_a_stage_that_was_destroyed_are_deployed_again(
    tmp_path: Path,
) -> None:
    """By what docs/first-deployment.md says."""
    folder = tmp_path / "account"
    folder.mkdir()
    with account(folder) as here:
        done = here.make("cdk", "ARGS=bootstrap -c stage=local")
        assert done.returncode == 0, done.stdout

        # Somebody else has the sign-in page's name. What was made before goes again, but the stack
        # is protected, so that the CDK can't begin anew.
        pools = here.client("cognito-idp")
        theirs = pools.create_user_pool(PoolName="theirs")["UserPool"]["Id"]
        pools.create_user_pool_domain(UserPoolId=theirs, Domain="spillway-local")
        done = here.deploy()
        assert (done.returncode, "already exists" in done.stdout) == (2, True), done.stdout
        assert here.statuses()[IDENTITY] == "ROLLBACK_COMPLETE"
        assert here.pools() == ["theirs"]
        done = here.deploy()
        assert "cannot be deleted while TerminationProtection is enabled" in done.stdout
        pools.delete_user_pool_domain(UserPoolId=theirs, Domain="spillway-local")
        here.lift_protection(IDENTITY)
        done = here.deploy()
        assert done.returncode == 0, done.stdout
        here.client("dynamodb").put_item(TableName=ORDERS, Item=ORDER)

        # The whole stage is destroyed. The customers' pool is taken back, so that they keep their
        # ids; tables and queues begin from nothing. That CloudFormation takes the tables back only
        # an account can show: the emulator imports no global table.
        customers = here.pool_id()
        for stack in (DATA, IDENTITY):
            here.lift_protection(stack)
        done = here.make("cdk", "ARGS=destroy --all --force -c stage=local")
        assert done.returncode == 0, done.stdout
        here.delete_tables_and_queues()
        done = here.take_back(customers)
        assert done.returncode == 0, done.stdout
        done = here.deploy()
        assert done.returncode == 0, done.stdout
        assert here.pool_id() == customers
        assert len(set(here.api_ids().values())) == 1
        assert not here.has_its_order()


def test_the_command_is_the_stock_cdk_s() -> None:
    shown = subprocess.run(
        ("/usr/bin/env", "make", "--dry-run", "--silent", "deploy", "STAGE=dev"),
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert "node_modules/aws-cdk/bin/cdk deploy --all -c stage=dev" in shown
