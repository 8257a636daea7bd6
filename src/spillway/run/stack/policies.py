"""What the deployed functions' roles allow, as the emulator's IAM has it, for the proxy."""

from collections.abc import Iterator
from typing import Any

from spillway.errors import SpillwayError
from spillway.run.stack.aws import client
from spillway.run.stack.deployment import STAGE

Policies = dict[str, list[dict[str, list[str]]]]
_PREFIX = f"spillway-{STAGE}-"


def deployed_policies(endpoint: str) -> Policies:
    """The statements of each function's role, by the name under which the function calls AWS.

    Raises SpillwayError when a policy has what the proxy cannot judge.
    """
    iam = client(endpoint, "iam")
    return {
        function["Environment"]["Variables"]["AWS_SDK_UA_APP_ID"]: [
            _statement(statement)
            for statement in _statements(iam, function["Role"].rpartition("/")[2])
        ]
        for function in _functions(client(endpoint, "lambda"))
    }


def _functions(lambda_: Any) -> Iterator[dict[str, Any]]:
    for page in lambda_.get_paginator("list_functions").paginate():
        for function in page["Functions"]:
            variables = function.get("Environment", {}).get("Variables", {})
            if function["FunctionName"].startswith(_PREFIX) and "AWS_SDK_UA_APP_ID" in variables:
                yield function


def _statements(iam: Any, role: str) -> Iterator[dict[str, Any]]:
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        yield from document["Statement"]


def _statement(statement: dict[str, Any]) -> dict[str, list[str]]:
    if statement["Effect"] != "Allow" or statement.keys() - {"Effect", "Action", "Resource", "Sid"}:
        raise SpillwayError(
            f"A function's policy has what a local run cannot judge ({sorted(statement)}):"
            " teach src/spillway/run/proxy/permissions.py."
        )
    return {
        "actions": _list(statement["Action"]),
        "resources": _list(statement["Resource"]),
    }


def _list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
