"""The production guide leaves out nothing that a reviewer must know."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from infra.alarms import alarms
from infra.stage import load
from orders.domain.saga import DOWNSTREAMS

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "production.md").read_text()
INVENTORY = (ROOT / "docs" / "production-inventory.md").read_text()

SETTINGS = tomllib.loads((ROOT / "infra" / "stages" / "prod.toml").read_text())

#: How the guide calls each service.
SERVICES = {
    "ApiGatewayV2": "API Gateway",
    "CloudFront": "CloudFront",
    "CloudWatch": "CloudWatch alarms",
    "CodeDeploy": "CodeDeploy",
    "Cognito": "Cognito",
    "DynamoDB": "DynamoDB storage",
    "IAM": "IAM",
    "Lambda": "Lambda's polling",
    "Logs": "logs",
    "S3": "S3",
    "SNS": "SNS",
    "SQS": "SQS requests",
}


@pytest.mark.parametrize("section", [name for name in SETTINGS if isinstance(SETTINGS[name], dict)])
def test_every_section_of_the_settings_is_explained(section: str) -> None:
    assert re.search(rf"`\[{section}(\.\*)?\]`", GUIDE)


def test_every_service_that_is_deployed_has_its_cost_or_quota() -> None:
    deployed = set(re.findall(r"^\| AWS::(\w+)::", INVENTORY, re.MULTILINE))
    assert deployed == set(SERVICES)
    assert not [name for name in SERVICES.values() if name not in GUIDE]


def test_every_secret_is_put_before_the_first_deployment() -> None:
    secrets = set(re.findall(r"^\| (/spillway/prod/[\w/-]+) \|", INVENTORY, re.MULTILINE))
    made_by_a_command = {"/spillway/prod/coupon-keys"}
    assert secrets - made_by_a_command == {
        f"/spillway/prod/{downstream}/api-key" for downstream in DOWNSTREAMS
    } | {"/spillway/prod/receipt-keys"}
    put = section("3. Secrets")
    assert "--name /spillway/prod/receipt-keys" in put
    assert "--name /spillway/prod/inventory/api-key" in put
    for downstream in DOWNSTREAMS:
        assert downstream in put


def test_how_many_alarms_are_paid_for_is_how_many_there_are() -> None:
    [at_rest] = re.findall(r"\((\d+), and five more", section("5. What it costs"))
    assert int(at_rest) == len(alarms(load("prod")))
    assert int(at_rest) + 5 == len(names(INVENTORY, "AWS::CloudWatch::Alarm"))


def test_the_largest_stack_is_as_large_as_is_said() -> None:
    """By the inventory, which lists a part of the resources by their number only."""
    sizes = []
    for stack in re.split(r"^### ", INVENTORY.partition("## Permissions")[0], flags=re.MULTILINE):
        listed = len(names(stack, r"AWS::\S+"))
        sizes.append(listed + sum(map(int, re.findall(r"(\d+) AWS::", stack))))
    [row] = re.findall(r"^\| CloudFormation resources.*$", GUIDE, re.MULTILINE)
    assert f"| {max(sizes)} " in row


def test_every_command_of_an_operator_has_its_permissions() -> None:
    permissions = section("9. On call")
    for command in ("status", "console", "logs", "redrive", "restore", "publish", "migrate"):
        assert re.search(rf"^\|.*`{command}`", permissions, re.MULTILINE), command
    assert "`orders`" in permissions
    assert "`customers erase`" in permissions


def names(text: str, type_: str) -> list[str]:
    """The resources of a type that the inventory names."""
    rows = re.findall(rf"^\| {type_} \| (.+?) \| \w* \|$", text, re.MULTILINE)
    return [name for row in rows for name in row.split("<br>")]


def section(title: str) -> str:
    return GUIDE.partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_no_price_is_typed_by_hand() -> None:
    """They change: the inventory has them from the price list."""
    assert not re.findall(r"\d\.\d\d", section("5. What it costs"))
