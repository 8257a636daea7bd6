"""What an account gets once, before a stage: GitHub's role, and what CloudFormation may do."""

from __future__ import annotations

import json
from fnmatch import fnmatch
from typing import Any

import msgspec
import pytest

from infra.bundle import ROOT
from tests.infra.templates import Templates

EXECUTION = json.loads((ROOT / "infra" / "execution-policy.json").read_text())["Statement"]
#: The service of a template's type, as permissions call it, where that is not its name in capitals.
SERVICES = {"apigatewayv2": "apigateway", "cognito": "cognito-idp"}


@pytest.fixture(scope="module")
def github() -> dict[str, Any]:
    template: dict[str, Any] = msgspec.yaml.decode(
        (ROOT / "infra" / "github-role.yaml").read_text()
    )
    return template


def may(action: str) -> bool:
    return any(
        fnmatch(action, pattern)
        for statement in EXECUTION
        for pattern in _list(statement["Action"])
    )


def test_cloudformation_may_make_what_the_stacks_are_made_of(
    dev: Templates, prod: Templates, unusual: Templates
) -> None:
    types = dev.types() | prod.types() | unusual.types()
    services = {type_.split("::")[1].lower() for type_ in types} - {"iam"}
    assert not [name for name in services if not may(f"{SERVICES.get(name, name)}:Anything")]


@pytest.mark.parametrize(
    "action",
    [
        # A reference to another stack's output is looked up with this role.
        "cloudformation:DescribeStacks",
        # The template's version parameter.
        "ssm:GetParameters",
        # The API's access log.
        "logs:CreateLogDelivery",
        "logs:PutResourcePolicy",
        "iam:PassRole",
        "iam:CreateRole",
        # A table, on demand too: CloudFormation asks whether something scales it, when it makes,
        # reads and deletes it (the handlers in `aws cloudformation describe-type --type RESOURCE
        # --type-name AWS::DynamoDB::GlobalTable`).
        "application-autoscaling:DescribeScalableTargets",
        "kms:DescribeKey",
        # A stage with [network]: its endpoints, and what Lambda asks about the subnets.
        "ec2:CreateVpcEndpoint",
        "ec2:CreateSecurityGroup",
        "ec2:AuthorizeSecurityGroupIngress",
        "ec2:CreateTags",
        "ec2:DeleteTags",
        # That Lambda has given back a deleted function's interfaces.
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeVpcs",
        # An endpoint's private names.
        "route53:AssociateVPCWithHostedZone",
    ],
)
def test_cloudformation_may_do_what_no_resource_s_name_tells(action: str) -> None:
    assert may(action)


def test_cloudformation_changes_no_role_but_the_stages_own() -> None:
    for statement in EXECUTION:
        actions = _list(statement["Action"])
        if any(action.startswith("iam:") for action in actions):
            assert statement["Resource"].startswith("arn:aws:iam::*:role/")
            assert not [action for action in actions if "*" in action]
        assert not {"iam:*", "sts:*", "*"} & set(actions)


def test_github_s_role_is_for_one_repository_and_one_environment(github: dict[str, Any]) -> None:
    [trusted] = github["Resources"]["Deploy"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trusted["Action"] == "sts:AssumeRoleWithWebIdentity"
    issuer = "token.actions.githubusercontent.com"
    assert trusted["Condition"] == {
        "StringEquals": {
            f"{issuer}:aud": "sts.amazonaws.com",
            f"{issuer}:sub": {
                "Fn::Sub": "repo:${Owner}@${OwnerId}/${Repository}@${RepositoryId}"
                ":environment:${Stage}"
            },
        }
    }


def test_github_s_role_may_only_become_the_cdk_s_and_read_addresses(
    github: dict[str, Any],
) -> None:
    [policy] = github["Resources"]["Deploy"]["Properties"]["Policies"]
    allowed = {one["Action"] for one in policy["PolicyDocument"]["Statement"]}
    assert allowed == {"sts:AssumeRole", "cloudformation:DescribeStacks"}


def _list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
