"""The production guide leaves nothing out that a reviewer has to know."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "production.md").read_text()
INVENTORY = (ROOT / "docs" / "production-inventory.md").read_text()
PERSONAL_DATA = (ROOT / "docs" / "personal-data.md").read_text()

SETTINGS = tomllib.loads((ROOT / "infra" / "stages" / "prod.toml").read_text())

#: What each service is called where its price stands.
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
    secrets = set(re.findall(r"^\| /spillway/prod/([\w/-]+) \|", INVENTORY, re.MULTILINE))
    assert secrets == {
        "receipt-keys",
        "inventory/api-key",
        "fulfilment/api-key",
        "accounting/api-key",
    }
    assert "/spillway/prod/receipt-keys" in GUIDE
    assert "/spillway/prod/inventory/api-key" in GUIDE
    assert "fulfilment, accounting too" in GUIDE


def test_how_many_alarms_are_paid_for_is_how_many_there_are() -> None:
    [(always, releases)] = re.findall(r"first ten \((\d+), and (\w+) more", GUIDE)
    assert releases == "five"
    assert int(always) + 5 == INVENTORY.count("| AWS::CloudWatch::Alarm |")


def test_the_largest_stack_is_as_large_as_is_said() -> None:
    """By the inventory, which lists a part of the resources by their number only."""
    sizes = []
    for stack in re.split(r"^### ", INVENTORY.partition("## Permissions")[0], flags=re.MULTILINE):
        listed = len(re.findall(r"^\| AWS::", stack, re.MULTILINE))
        sizes.append(listed + sum(map(int, re.findall(r"(\d+) AWS::", stack))))
    assert f"| CloudFormation resources, stack | 500 | {max(sizes)} in the largest" in GUIDE


def test_no_price_is_typed_by_hand() -> None:
    """They change: the inventory has them from the price book."""
    costs = GUIDE.partition("## 5.")[2].partition("## 6.")[0]
    assert not re.findall(r"\d\.\d\d", costs)
    for part in ("alarms", "dashboard", "polls that find nothing", "kept, each month"):
        assert part in INVENTORY.partition("## Costs")[2]


def test_every_place_that_keeps_orders_is_told_to_who_answers_for_them() -> None:
    for kept in (
        "table",
        "stream",
        "backups",
        "queues",
        "dead letters",
        "topic",
        "logs",
        "browser",
    ):
        assert kept in PERSONAL_DATA.lower()
