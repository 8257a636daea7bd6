"""A function that EventBridge Scheduler runs: free at this rate."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

from infra.constructs.function import Deployment, OrderFunction


def run_on_schedule(
    scope: Construct,
    function: OrderFunction,
    *,
    id_: str,
    expression: str,
    description: str,
    deployment: Deployment,
) -> None:
    """Run it once each time, and none a second time: what a run leaves, a later one puts right."""
    lambda_.CfnEventInvokeConfig(
        scope,
        "Once",
        function_name=function.function.function_name,
        qualifier=function.alias.alias_name,
        maximum_retry_attempts=0,
    )
    role = iam.Role(
        scope,
        "ScheduleRole",
        assumed_by=iam.ServicePrincipal("scheduler.amazonaws.com"),
        description=f"Starts the {function.name} function",
    )
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["lambda:InvokeFunction"], resources=[function.alias.function_arn]
        )
    )
    schedule = scheduler.CfnSchedule(
        scope,
        id_,
        name=deployment.stage.resource_name(function.name),
        description=description,
        schedule_expression=expression,
        flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
        target=scheduler.CfnSchedule.TargetProperty(
            arn=function.alias.function_arn,
            role_arn=role.role_arn,
            input="{}",
            retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(maximum_retry_attempts=0),
        ),
    )
    schedule.node.add_dependency(role)
