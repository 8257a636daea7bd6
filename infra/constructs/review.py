"""Where a security check is answered with a reason instead of a change."""

from __future__ import annotations

from aws_cdk import Acknowledgment, Validations
from constructs import IConstruct


def accept_finding(resource: IConstruct, rule: str, *, reason: str) -> None:
    """Accept what cdk-nag's `rule` finds in this resource. Call it next to the resource."""
    Validations.of(resource).acknowledge(Acknowledgment(id=rule, reason=reason))
