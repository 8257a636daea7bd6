"""Where a security check is answered with a reason instead of a change."""

from __future__ import annotations

import json

from aws_cdk import Acknowledgment, Stack, Validations
from constructs import IConstruct


def accept_finding(resource: IConstruct, rule: str, *, reason: str) -> None:
    """Accept what cdk-nag's `rule` finds in this resource. Call it next to the resource."""
    Validations.of(resource).acknowledge(Acknowledgment(id=rule, reason=reason))


def as_cited(scope: IConstruct, value: str) -> str:
    """How cdk-nag writes a value in the text of a finding, which is accepted by that whole text."""
    match Stack.of(scope).resolve(value):
        case {"Fn::Join": ["", parts]}:
            return "".join(map(_part, parts))
        case whole:
            return _part(whole)


def _part(value: object) -> str:
    match value:
        case str():
            return value
        case {"Ref": name}:
            return f"<{name}>"
    return json.dumps(value, separators=(",", ":"))
