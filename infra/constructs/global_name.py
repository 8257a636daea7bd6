"""Names of what an account has once for all its Regions: CloudFront's parts and dashboards."""

from __future__ import annotations

from aws_cdk import Stack
from constructs import Construct

from infra.stage import Stage


def global_name(scope: Construct, name: str, *, stage: Stage) -> str:
    """With the Region in it, so that a stage can be in a second one of the same account: CloudFront
    refuses a name that is there, and CloudWatch would overwrite the other Region's dashboard."""
    return f"{stage.resource_name(name)}-{Stack.of(scope).region}"
