"""Gradual releases: a new version of a function gets a part of the orders first, then all."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_codedeploy as codedeploy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.alarms import page_of
from infra.constructs.function import OrderFunction
from infra.constructs.review import accept_finding
from infra.stage import Stage

#: Outcomes that a sound version never logs (orders.flow.consumer, orders.handlers.intake): a bug, a
#: dead letter, and an answer of 503. A wrong permission or setting shows up here too, but not what
#: is `misconfigured`: that loses nothing, and the release that mends it must not be rolled back by
#: the lines of the version before.
FAULTS = ("bug", "dead_lettered")
#: A release makes all environments new, and Parameter Store answers only so many at once: that says
#: nothing of the version.
NO_FAULT = "GetParameter: ThrottlingException"
#: What the CDK gives CodeDeploy's role.
POLICY = "service-role/AWSCodeDeployRoleForLambdaLimited"
METRICS_NAMESPACE = "Spillway"
#: Where the runbook treats the alarms of a release.
PAGE = page_of("release-faults")
_MINUTE = Duration.minutes(1)


class GradualReleases(Construct):
    """Shifts the aliases of some functions to their new versions bit by bit, and back on a fault.

    One fault is enough to go back: a release that is stopped for nothing costs minutes, one that is
    not stopped costs orders. CodeDeploy is free for Lambda; we pay for one alarm per function and
    one for all.
    """

    def __init__(
        self, scope: Construct, id_: str, *, functions: Sequence[OrderFunction], stage: Stage
    ) -> None:
        super().__init__(scope, id_)
        self._application = codedeploy.LambdaApplication(
            self, "Application", application_name=stage.resource_name("releases")
        )
        self._role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("codedeploy.amazonaws.com"),
            description="Moves aliases to new versions, and back",
        )
        accept_finding(
            self._role,
            f"AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/{POLICY}]",
            reason="AWS's own policy for CodeDeploy on Lambda, the limited one: it may move aliases"
            " and read alarms. Only CodeDeploy itself can take the role.",
        )
        self._faults = self._faults_alarm(functions, stage)
        for function in functions:
            self._shift(function, stage)

    def _faults_alarm(self, functions: Sequence[OrderFunction], stage: Stage) -> cloudwatch.Alarm:
        """Counts the lines that no sound version writes. Without such lines it costs nothing."""
        metric = cloudwatch.Metric(
            namespace=METRICS_NAMESPACE,
            metric_name=stage.resource_name("release-faults"),
            statistic="Sum",
            period=_MINUTE,
        )
        outcome = partial(logs.FilterPattern.string_value, "$.outcome", "=")
        unavailable = logs.FilterPattern.all(
            outcome("unavailable"), logs.FilterPattern.string_value("$.detail", "!=", NO_FAULT)
        )
        pattern = logs.FilterPattern.any(*map(outcome, FAULTS), unavailable)
        for function in functions:
            logs.MetricFilter(
                function,
                "Faults",
                log_group=function.log_group,
                filter_pattern=pattern,
                metric_namespace=metric.namespace,
                metric_name=metric.metric_name,
                metric_value="1",
            )
        return _alarm(
            self, "Faults", metric, stage.resource_name("release-faults"), "A function logs faults"
        )

    def _shift(self, function: OrderFunction, stage: Stage) -> None:
        full_name = stage.resource_name(f"{function.name}-release-errors")
        errors = _alarm(
            function,
            "Errors",
            function.alias.metric_errors(period=_MINUTE),
            full_name,
            f"{function.name} fails altogether",
        )
        codedeploy.LambdaDeploymentGroup(
            function,
            "Releases",
            application=self._application,
            deployment_group_name=stage.resource_name(function.name),
            alias=function.alias,
            deployment_config=getattr(
                codedeploy.LambdaDeploymentConfig, stage.releases.shifting.upper()
            ),
            alarms=[errors, self._faults],
            role=self._role,
            # Also when an alarm can't be read: nothing is then known of the new version.
            auto_rollback=codedeploy.AutoRollbackConfig(
                failed_deployment=True, stopped_deployment=True, deployment_in_alarm=True
            ),
        )


def _alarm(
    scope: Construct, id_: str, metric: cloudwatch.Metric, name: str, description: str
) -> cloudwatch.Alarm:
    return cloudwatch.Alarm(
        scope,
        f"{id_}Alarm",
        alarm_name=name,
        alarm_description=f"{description}: a release under way is rolled back. {PAGE}",
        metric=metric,
        threshold=1,
        evaluation_periods=1,
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
    )
