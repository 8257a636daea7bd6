"""For operators: alarms, dashboard, saved queries. Runs nothing."""

from __future__ import annotations

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.alarms import alarms
from infra.constructs.dashboard import PathDashboard
from infra.constructs.monitoring import StageAlarm
from infra.constructs.saved_queries import SavedQueries
from infra.stage import Stage


class OperationsStack(Stack):
    """Has no data and no code: it can be deployed and deleted alone."""

    def __init__(self, scope: Construct, id_: str, *, api_id: str, stage: Stage) -> None:
        super().__init__(scope, id_, description="Spillway: alarms, dashboard, saved queries")
        topic = sns.Topic(
            self, "Alarms", topic_name=stage.resource_name("alarms"), enforce_ssl=True
        )
        # A policy of our own replaces the default one, which lets CloudWatch publish.
        topic.grant_publish(
            iam.ServicePrincipal(
                "cloudwatch.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": self.account}},
            )
        )
        if stage.alarms.email is not None:
            topic.add_subscription(subscriptions.EmailSubscription(stage.alarms.email))
        for alarm in alarms(stage):
            StageAlarm(self, alarm.name, alarm=alarm, topic=topic, api_id=api_id, stage=stage)
        PathDashboard(self, "Path", api_id=api_id, stage=stage)
        if not stage.on_emulator:
            SavedQueries(self, "Queries", stage=stage)
        CfnOutput(self, "AlarmsTopicArn", value=topic.topic_arn)
