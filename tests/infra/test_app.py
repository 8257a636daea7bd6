"""All stacks of a stage together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.bundle import ROOT
from infra.stage import STAGES
from tests.infra.templates import CONTEXT, Reviewed, Templates

#: What costs nothing, or cents, while no order comes: no VPC, no NAT, no key, no provisioned rate.
IDLE_TYPES = {
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::Authorizer",
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Route",
    "AWS::ApiGatewayV2::Stage",
    # The first ten alarms and the first three dashboards of an account are free: see infra.alarms.
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::CloudFront::Distribution",
    "AWS::CloudFront::Function",
    "AWS::CloudFront::OriginAccessControl",
    "AWS::CloudFront::ResponseHeadersPolicy",
    "AWS::Cognito::UserPool",
    "AWS::Cognito::UserPoolClient",
    "AWS::Cognito::UserPoolDomain",
    "AWS::Cognito::UserPoolGroup",
    "AWS::CodeDeploy::Application",
    "AWS::CodeDeploy::DeploymentGroup",
    "AWS::DynamoDB::GlobalTable",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::Lambda::Alias",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Function",
    "AWS::Lambda::Permission",
    "AWS::Lambda::Version",
    "AWS::Logs::LogGroup",
    "AWS::Logs::MetricFilter",
    "AWS::Logs::QueryDefinition",
    "AWS::S3::Bucket",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::Queue",
    "AWS::SQS::QueuePolicy",
}


def synthesis(directory: Path, stage: str) -> subprocess.CompletedProcess[str]:
    """Run the app as the CDK's command line does."""
    return subprocess.run(
        (sys.executable, "-m", "infra.app"),
        cwd=ROOT,
        env={
            **{name: value for name, value in os.environ.items() if name != "JSII_NODE"},
            "CDK_OUTDIR": str(directory),
            "CDK_CONTEXT_JSON": json.dumps({**CONTEXT, "stage": stage}),
        },
        check=False,
        capture_output=True,
        text=True,
    )


def test_synthesis_is_silent(cdk_library: None, tmp_path: Path) -> None:
    done = synthesis(tmp_path, "local")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "spillway-local-service.template.json").exists()


def test_an_unknown_stage_ends_in_one_sentence(cdk_library: None, tmp_path: Path) -> None:
    done = synthesis(tmp_path, "moon")
    assert done.returncode == 1
    assert done.stderr == "There is no stage 'moon'; there are: dev, local, prod.\n"


def test_cdk_nag_has_nothing_to_say_that_is_not_answered(every_stage: Reviewed) -> None:
    assert {path.stem for path in STAGES.glob("*.toml")} < every_stage.stages.keys()
    assert every_stage.findings == []


def test_cdk_nag_speaks_up_where_there_is_something_to_say(
    cdk_library: None, tmp_path: Path
) -> None:
    from aws_cdk import App, Stack, Validations
    from aws_cdk import aws_sqs as sqs
    from cdk_nag import AwsSolutionsChecks

    app = App(outdir=str(tmp_path), context=CONTEXT, analytics_reporting=False)
    sqs.Queue(Stack(app, "careless"), "WithoutDeadLetters")
    Validations.of(app).add_plugins(AwsSolutionsChecks())
    with pytest.raises(RuntimeError, match="AwsSolutions-SQS3"):
        app.synth()


def test_nothing_is_deployed_that_is_paid_for_while_it_idles(
    local: Templates, dev: Templates, prod: Templates
) -> None:
    assert local.types() | dev.types() | prod.types() <= IDLE_TYPES


def test_only_a_stage_with_fakes_gets_their_tables(local: Templates, dev: Templates) -> None:
    tables = {
        stage: {table["TableName"] for table in templates.resources("AWS::DynamoDB::GlobalTable")}
        for stage, templates in (("local", local), ("dev", dev))
    }
    assert tables["dev"] == {"spillway-dev-orders", "spillway-dev-coupons"}
    assert tables["local"] == {
        "spillway-local-orders",
        "spillway-local-coupons",
        "spillway-local-fake-inventory",
        "spillway-local-fake-fulfilment",
        "spillway-local-fake-accounting",
    }


def test_no_stack_holds_another_back(local: Templates) -> None:
    """An export in use cannot change until its importer is gone; an output can."""
    text = json.dumps(local.by_stack)
    assert "Fn::GetStackOutput" in text
    assert "Fn::ImportValue" not in text
    outputs = [output for stack in local.by_stack.values() for output in stack["Outputs"].values()]
    assert not [output for output in outputs if "Export" in output]


def test_the_stacks_that_hold_what_cannot_be_made_again_are_protected(
    local: Templates, dev: Templates
) -> None:
    assert dev.protected == {"spillway-dev-data", "spillway-dev-identity"}
    assert local.protected == {"spillway-local-data", "spillway-local-identity"}


def test_the_outputs_that_scripts_read_are_there(local: Templates) -> None:
    assert {
        stack.removeprefix("spillway-local-"): {
            name for name in template["Outputs"] if not name.startswith("PublishOutput")
        }
        for stack, template in local.by_stack.items()
    } == {
        "data": {
            "OrdersTableName",
            "PricesBucketName",
            "CouponsTableName",
            "InventoryQueueUrl",
            "InventoryDeadLetterQueueUrl",
            "FulfilmentQueueUrl",
            "FulfilmentDeadLetterQueueUrl",
            "AccountingQueueUrl",
            "AccountingDeadLetterQueueUrl",
            "OverflowQueueUrl",
            "OverflowDeadLetterQueueUrl",
            "WatchdogQueueUrl",
            "WatchdogDeadLetterQueueUrl",
            "RelayDeadLetterQueueUrl",
            "EventsTopicArn",
        },
        "identity": {"UserPoolId", "UserPoolClientId"},
        "service": {"ApiId", "ApiUrl"},
        "operations": {"AlarmsTopicArn"},
        "web": {
            "DistributionDomainName",
            "SiteBucketName",
            "StoreAddress",
            "StorefrontSettings",
        },
        "downstreams": {"InventoryTableName", "FulfilmentTableName", "AccountingTableName"},
    }
