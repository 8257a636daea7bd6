"""docs/without-the-cdk.md, command by command: the stock AWS CLI and bash, on the emulator."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.bundle import ROOT
from infra.stage import STAGES, load
from simulation.downstreams.ledger import MemoryLedger
from simulation.downstreams.server import application, uvicorn_config
from spillway.operate.archive import BUCKET
from spillway.run.stack.aws import client
from spillway.run.stack.emulator import emulator
from spillway.run.stack.keys import DOWNSTREAMS, Keys
from spillway.run.stack.ports import listen, port_of
from spillway.run.stack.processes import isolated_environment
from spillway.run.stack.serving import serving
from spillway.run.stack.tokens import claims
from spillway.run.stack.users import Pool
from spillway.run.storefront import site
from spillway.run.storefront.publish import settings_of
from spillway.target.service import outputs_in, stacks_of
from tests.builders import order_body, order_id

pytestmark = [pytest.mark.usefixtures("own_stacks"), pytest.mark.timeout(600), pytest.mark.slow]

PAGE = (ROOT / "docs" / "without-the-cdk.md").read_text()
BLOCK = re.compile(r"^```\n(.+?)^```", re.M | re.S)
VERSION = "AWS::Lambda::Version"

Served = tuple[object, str, str, dict[str, str]]
"""What is in a page's place, its type, how long it is kept, and what else is said of it."""


def commands(title: str) -> str:
    """What the page's section has a person type."""
    return "".join(BLOCK.findall(PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]))


def served(content: bytes, type_: str, cache_control: str, metadata: dict[str, str]) -> Served:
    """The AWS CLI names no character set, which each page does itself, and calls JavaScript as
    browsers have always understood it."""
    essence = type_.partition(";")[0].replace("application/javascript", "text/javascript")
    read: object = json.loads(content) if essence == "application/json" else content
    return read, essence, cache_control, metadata


@dataclass(frozen=True)
class Account:
    """An empty account on the emulator, a project of one's own, and what the downstreams did."""

    endpoint: str
    project: Path
    environment: Mapping[str, str]
    keys: Keys
    done: MemoryLedger

    def run(self, script: str) -> str:
        """A script's output, which goes to its end or fails the test."""
        ran = subprocess.run(  # noqa: S603 - the page's commands
            ("/usr/bin/env", "bash", "-euo", "pipefail", "-c", script),
            cwd=self.project,
            env=dict(self.environment),
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert ran.returncode == 0, ran.stdout
        return ran.stdout

    def archive(self) -> bytes:
        [path] = (self.project / "dist").iterdir()
        return path.read_bytes()

    def client(self, service: str) -> Any:
        return client(self.endpoint, service)

    @property
    def outputs(self) -> dict[str, str]:
        return outputs_in(stacks_of(self.client("cloudformation"), "dev").values())

    def made(self) -> dict[tuple[str, str], tuple[str, str]]:
        """Type and id in the account, by stack and name there."""
        cloudformation = self.client("cloudformation")
        return {
            (stack, found["LogicalResourceId"]): (
                found["ResourceType"],
                found["PhysicalResourceId"],
            )
            for stack in stacks_of(cloudformation, "dev")
            for page in cloudformation.get_paginator("list_stack_resources").paginate(
                StackName=f"spillway-dev-{stack}"
            )
            for found in page["StackResourceSummaries"]
        }

    def code(self) -> dict[str, str]:
        """A digest of the code that a function's callers call, by the function's name."""
        functions = self.client("lambda")
        return {
            name: functions.get_function_configuration(FunctionName=name, Qualifier="live")[
                "CodeSha256"
            ]
            for type_, name in self.made().values()
            if type_ == "AWS::Lambda::Function"
        }

    def parameters(self) -> set[str]:
        service = stacks_of(self.client("cloudformation"), "dev")["service"]
        return {parameter["ParameterKey"] for parameter in service["Parameters"]}

    def published(self) -> dict[str, Served]:
        """What `spillway publish` would upload."""
        return {
            file.key: served(file.content, file.media_type, file.cache_control, file.metadata)
            for file in site.build(settings_of(self.outputs))
        }

    def pages(self) -> dict[str, Served]:
        """What the storefront's bucket holds."""
        s3, bucket = self.client("s3"), self.outputs["SiteBucketName"]
        return {
            found["Key"]: served(
                one["Body"].read(), one["ContentType"], one["CacheControl"], one["Metadata"]
            )
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
            for found in page["Contents"]
            for one in [s3.get_object(Bucket=bucket, Key=found["Key"])]
        }

    def protected(self) -> set[str]:
        stacks = stacks_of(self.client("cloudformation"), "dev")
        return {name for name, stack in stacks.items() if stack["EnableTerminationProtection"]}

    def order(self) -> None:
        """A customer orders by a real token, and the order settles."""
        outputs = self.outputs
        pool = Pool(self.endpoint, outputs["UserPoolId"], outputs["UserPoolClientId"])
        name = f"shopper-{time.time_ns()}"
        token = pool.token(name, pool.create(name))
        customer, id_ = claims(f"Bearer {token}")["sub"], order_id(time.time_ns() // 1_000_000)
        body = order_body(
            id_, key=self.keys.receipt.key, price_key=self.keys.price.key, customer_id=customer
        )
        headers = {
            "authorization": f"Bearer {token}",
            # How the emulator knows an API.
            "host": f"{outputs['ApiId']}.execute-api.127.0.0.1",
        }
        with httpx.Client(
            base_url=f"{self.endpoint}/api", headers=headers, timeout=60, trust_env=False
        ) as http:
            answer = http.put(f"/orders/{id_}", json=body)
            assert answer.status_code in (200, 201), answer.text
            deadline = time.monotonic() + 300
            while not (order := http.get(f"/orders/{id_}").json())["settled"]:
                assert time.monotonic() < deadline, order
                time.sleep(0.2)
        assert order["status"] == "confirmed"
        steps = {entry.step for entry in self.done.entries(customer, id_) if entry.done}
        assert steps == {"reserve", "ship", "post"}


@contextmanager
def account(folder: Path) -> Iterator[Account]:
    keys, ledger, listener = Keys.generate(), MemoryLedger(), listen(0)
    fakes = application(dict.fromkeys(DOWNSTREAMS, ledger), api_keys=keys.api_keys)
    project = own_project(folder, port_of(listener))
    with ExitStack() as parts:
        aws = parts.enter_context(emulator(folder))
        parts.enter_context(serving(uvicorn_config(fakes, port=port_of(listener)), listener))
        put_secrets(client(aws.url, "ssm"), keys)
        binaries = (str(Path(sys.executable).parent), os.environ["PATH"])
        environment = isolated_environment(
            folder,
            AWS_ENDPOINT_URL=aws.url,
            PATH=os.pathsep.join(binaries),
            # Else the toolbox would be the one that this virtual environment was made for.
            PYTHONPATH=str(project / "src"),
            NODE_COMPILE_CACHE=str(ROOT / ".spillway" / "cache" / "node"),
            CDK_DISABLE_CLI_TELEMETRY="true",
        )
        yield Account(aws.url, project, environment, keys, ledger)


def own_project(folder: Path, downstreams: int) -> Path:
    """The project as a company has it, whose stage `dev` is one that the emulator can run."""
    project = folder / "project"
    left_out = shutil.ignore_patterns(
        ".*", "__pycache__", "node_modules", "cdk.out", "dist", "tests"
    )
    shutil.copytree(ROOT, project, ignore=left_out)
    for installed in (".venv", "node_modules"):
        (project / installed).symlink_to(ROOT / installed)
    settings = (STAGES / "local.toml").read_text()
    assert "127.0.0.1:8090" in settings
    (project / "infra" / "stages" / "dev.toml").write_text(
        settings.replace("127.0.0.1:8090", f"127.0.0.1:{downstreams}")
    )
    return project


def put_secrets(ssm: Any, keys: Keys) -> None:
    stage = load("dev")
    values = {stage.receipt_keys_parameter: keys.receipt.parameter}
    values["/spillway/dev/price-keys"] = keys.price.parameter
    values |= {stage.secret_parameter(name, "api-key"): key for name, key in keys.api_keys.items()}
    for name, value in values.items():
        ssm.put_parameter(Name=name, Value=value, Type="SecureString")


def change_the_code(project: Path) -> None:
    """The next release. All functions share their code."""
    handler = project / "src" / "orders" / "handlers" / "intake.py"
    handler.write_text(f"{handler.read_text()}\nNEXT_RELEASE = True\n")


def test_a_stage_is_deployed_changed_moved_to_the_cdk_and_back_and_deleted(tmp_path: Path) -> None:
    archive, deploy = commands("Make the archive"), commands("Deploy")
    operate, delete = commands("Operate"), commands("Delete")
    assert archive + deploy + operate + delete == "".join(BLOCK.findall(PAGE))
    assert "aws s3 mb" in deploy
    once_more = archive + deploy.replace("aws s3 mb", ": aws s3 mb")  # the bucket is made once
    with account(tmp_path) as here:
        here.run(archive + deploy)
        assert here.protected() == {"data", "identity"}
        assert here.pages() == here.published()
        here.run(operate)
        here.order()

        # Deployed again without a change, everything stays.
        first, code = here.made(), here.code()
        packed = here.archive()
        said = here.run(once_more)
        assert here.archive() == packed
        assert said.count("No changes to deploy") == len({stack for stack, _ in first})
        assert here.made() == first

        # New code makes new versions, which the callers call, and nothing else.
        change_the_code(here.project)
        here.run(once_more)
        second = here.made()
        assert {type_ for _, (type_, _) in first.items() ^ second.items()} == {VERSION}
        assert here.code().keys() == code.keys()
        assert not here.code().items() & code.items()
        here.order()

        # The CDK takes the stage over and gives it back, and every resource stays what it is.
        here.run("make cdk ARGS='bootstrap -c stage=dev'")
        here.run("make deploy STAGE=dev ARGS='--require-approval never'")
        assert "BootstrapVersion" in here.parameters()
        assert here.made() == second
        here.run(once_more)
        assert BUCKET in here.parameters()
        assert here.made() == second
        here.order()

        here.run(f"cd spillway-*-dev\n{delete}")
        assert here.made() == {}
        assert here.client("dynamodb").list_tables()["TableNames"] == [
            "spillway-dev-coupons",
            "spillway-dev-orders",
        ]
