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
    [told] = re.findall(
        r"alarms: (\d+) and, with gradual releases, (\d+) \| .*: ([\d.]+) \|", GUIDE
    )
    always, releases = int(told[0]), int(told[1])
    assert always + releases == INVENTORY.count("| AWS::CloudWatch::Alarm |")
    assert float(told[2]) == pytest.approx((always + releases - 10) * 0.10)


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
