"""The one way a Lambda function is made here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from aws_cdk import ArnFormat, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.constructs.review import accept_finding
from infra.metrics import log_metrics_of, namespace
from infra.stage import Network, Stage
from orders.settings import Settings

#: Callers call this name, never the newest code: `name:live`.
ALIAS = "live"

#: What Lambda does for a function in a VPC (AWS's policy AWSLambdaVPCAccessExecutionRole, whose
#: other half is writing logs to anywhere).
_INTERFACES = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)


def log_group(
    scope: Construct,
    id_: str,
    *,
    name: str,
    stage: Stage,
    log_class: logs.LogGroupClass = logs.LogGroupClass.STANDARD,
) -> logs.LogGroup:
    """Logs are for operating, so they expire. What must be kept is in the table."""
    group = logs.LogGroup(
        scope,
        id_,
        log_group_name=name,
        log_group_class=log_class,
        removal_policy=RemovalPolicy.DESTROY,
    )
    # The CDK's own property for it takes no number.
    resource = cast("logs.CfnLogGroup", group.node.default_child)
    resource.retention_in_days = stage.logs.retention_days
    return group


@dataclass(frozen=True, slots=True)
class Deployment:
    """What all functions of a stage have in common. `settings` are by the function's name."""

    stage: Stage
    code: lambda_.Code
    settings: Mapping[str, Settings]


class OrderFunction(Construct):
    """A function with its own role and log group, allowed to write its logs and nothing else.

    Every further permission is an `allow` beside the construct that needs it. The CDK's grants are
    not used: `grant_read` brings Scan, `grant_send_messages` brings GetQueueUrl.

    Callers call its `alias`, so that a release can move to the new version bit by bit, and back.
    """

    def __init__(self, scope: Construct, id_: str, *, name: str, deployment: Deployment) -> None:
        super().__init__(scope, id_)
        self.name = name
        stage = deployment.stage
        size = stage.functions.of(name)
        self._full_name = full_name = stage.resource_name(name)
        self.log_group = log_group(self, "Logs", name=f"/aws/lambda/{full_name}", stage=stage)
        for metric in log_metrics_of(name):
            logs.MetricFilter(
                self,
                metric.name,
                log_group=self.log_group,
                filter_pattern=logs.FilterPattern.literal(metric.pattern),
                metric_namespace=namespace(stage.name),
                metric_name=metric.name,
                metric_value=metric.value,
            )
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=f"What {full_name} may do",
        )
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=full_name,
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.ARM_64,
            code=deployment.code,
            handler=f"orders.handlers.{name.partition('-')[0]}.handler",
            memory_size=size.memory_mb,
            timeout=Duration.seconds(size.timeout_seconds),
            # The SDK puts this name into its user agent: CloudTrail and the proxy of a local run
            # then know who called.
            environment={"AWS_SDK_UA_APP_ID": name, **deployment.settings[name].environment()},
            role=self.role,
            log_group=self.log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            system_log_level_v2=lambda_.SystemLogLevel[stage.logs.system_level],
            # Lambda takes a line without `level`, as ours are, for INFO: a higher level would drop
            # all of them, and with them what the alarms count.
            # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
            application_log_level_v2=lambda_.ApplicationLogLevel.INFO,
            # Set only where it is on, because the CDK would add a statement of its own. Without it
            # Lambda passes a trace on and records nothing.
            tracing=lambda_.Tracing.ACTIVE if stage.xray else None,
        )
        self.allow("logs:CreateLogStream", "logs:PutLogEvents", on=self.log_group.log_group_arn)
        accept_finding(
            self.function,
            "AwsSolutions-L1",
            reason="Python 3.13 is in full support until October 2029. The bundle's wheels are"
            " locked and tested for it; moving to a newer one is a change of its own.",
        )
        if stage.xray:
            accept_finding(
                self.role,
                "AwsSolutions-IAM5[Resource::*]",
                reason="X-Ray's two actions know no resource: IAM takes nothing but * for them.",
            )
        # A version keeps the settings it was made with, and is made anew when code or settings
        # change. So settings must be in the template: a CloudFormation parameter that changes makes
        # no new version.
        self.alias = lambda_.Alias(
            self.function, "Live", alias_name=ALIAS, version=self.function.current_version
        )

    def allow(self, *actions: str, on: str, when: Mapping[str, object] | None = None) -> None:
        """Let the function do `actions` on the resource with the ARN `on`, under the conditions
        `when`."""
        self.role.add_to_policy(
            iam.PolicyStatement(actions=list(actions), resources=[on], conditions=when)
        )

    def join(self, network: Network) -> None:
        """Run it in a VPC's subnets.

        Lambda makes the network interfaces with the function's own role, which its code must not
        use: https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
        """
        self.allow(*_INTERFACES, on="*")
        itself = Stack.of(self).format_arn(
            service="lambda",
            resource="function",
            resource_name=self._full_name,
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        self.role.add_to_policy(
            iam.PolicyStatement(
                effect=iam.Effect.DENY,
                actions=list(_INTERFACES),
                resources=["*"],
                conditions={"ArnEquals": {"lambda:SourceFunctionArn": itself}},
            )
        )
        accept_finding(
            self.role,
            "AwsSolutions-IAM5[Resource::*]",
            reason="Lambda needs the actions of its network interfaces on *, because it makes them."
            " The function's code is denied them.",
        )
        # The CDK's own property would add a managed policy, and look the subnets up in an account.
        resource = cast("lambda_.CfnFunction", self.function.node.default_child)
        resource.vpc_config = lambda_.CfnFunction.VpcConfigProperty(
            subnet_ids=list(network.subnet_ids),
            security_group_ids=list(network.security_group_ids),
        )

    def allow_parameter(self, name: str) -> None:
        """Let the function read one parameter.

        SecureStrings are under the account's own `aws/ssm` key. Its policy admits everyone who may
        read the parameter: no statement for the key, and no monthly price for it.
        """
        self.allow(
            "ssm:GetParameter",
            on=Stack.of(self).format_arn(
                service="ssm", resource="parameter", resource_name=name.removeprefix("/")
            ),
        )
