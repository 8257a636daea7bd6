"""All stacks of a stage together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.bundle import ROOT
from infra.stage import PROTECTED_STACKS, STAGES
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
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Function",
    "AWS::Lambda::Permission",
    "AWS::Lambda::Version",
    "AWS::Logs::LogGroup",
    "AWS::Logs::MetricFilter",
    "AWS::Logs::QueryDefinition",
    "AWS::S3::Bucket",
    "AWS::S3::BucketPolicy",
    # Paid by the run, of which there is one a day.
    "AWS::Scheduler::Schedule",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::Queue",
    "AWS::SQS::QueuePolicy",
}


def test_an_unknown_stage_ends_in_one_sentence(cdk_library: None, tmp_path: Path) -> None:
    """That it says nothing of a known one, the tests of the stack's deployment see."""
    done = subprocess.run(
        (sys.executable, "-m", "infra.app"),
        cwd=ROOT,
        env={
            **{name: value for name, value in os.environ.items() if name != "JSII_NODE"},
            "CDK_OUTDIR": str(tmp_path),
            "CDK_CONTEXT_JSON": json.dumps({**CONTEXT, "stage": "moon"}),
        },
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (1, "")
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


def test_no_real_stage_has_a_parameter_which_would_keep_its_first_value(
    every_stage: Reviewed,
) -> None:
    """But for the CDK's own. So an address, or a gateway that the store's pages connect to, can
    change; and a function's version, which keeps its settings, is made anew with them."""
    given = {
        (stack, name)
        for templates in every_stage.stages.values()
        if not templates.stage.fakes
        for stack, template in templates.by_stack.items()
        for name in template["Parameters"]
    }
    assert {name for _, name in given} == {"BootstrapVersion"}
    assert {templates.stage.fakes for templates in every_stage.stages.values()} == {False, True}


def test_only_what_has_no_name_of_its_own_is_looked_up(prod: Templates) -> None:
    """All else is named, and stays right when another stack is made again."""
    looked_up = {(who, of, name[:-8]) for who, of, name in prod.references()}
    assert looked_up == {
        ("service", "data", "ReferenceOrdersStreamArn"),
        ("service", "data", "ReferencePricesBucketName"),
        ("service", "data", "ReferenceArchiveBucketName"),
        ("service", "identity", "ReferenceUserPoolId"),
        ("service", "identity", "ReferenceUserPoolClientId"),
        ("web", "identity", "ReferenceUserPoolId"),
        ("web", "identity", "ReferenceUserPoolClientId"),
        ("web", "service", "ReferenceApiId"),
        ("operations", "service", "ReferenceApiId"),
    }
    for _, stack, output in prod.references():
        assert output in prod.by_stack[f"spillway-prod-{stack}"]["Outputs"]


def test_a_stage_that_counts_a_stack_as_recreated_looks_up_anew(
    dev: Templates, prod: Templates, unusual: Templates
) -> None:
    def names(templates: Templates, stack: str) -> set[str]:
        return {name for _, of, name in templates.references() if of == stack}

    assert unusual.stage.recreated.service != dev.stage.recreated.service
    assert names(dev, "service") == names(prod, "service")
    assert not names(dev, "service") & names(unusual, "service")


def test_the_stacks_are_deployed_after_those_they_refer_to(local: Templates) -> None:
    assert local.after["service"] == {"data", "identity"}
    assert local.after["operations"] == local.after["web"] == {"service"}


def test_the_stacks_that_hold_what_cannot_be_made_again_are_protected(
    local: Templates, dev: Templates
) -> None:
    for templates in (local, dev):
        names = map(templates.stage.resource_name, PROTECTED_STACKS)
        assert templates.protected == set(names) != set()


def test_the_outputs_that_scripts_read_are_there(local: Templates) -> None:
    assert {
        stack.removeprefix("spillway-local-"): {
            name for name in template["Outputs"] if not name.startswith("Reference")
        }
        for stack, template in local.by_stack.items()
    } == {
        "data": {
            "OrdersTableName",
            "PricesBucketName",
            "ArchiveBucketName",
            "CouponsTableName",
            "InventoryQueueUrl",
            "InventoryDeadLetterQueueUrl",
            "FulfilmentQueueUrl",
            "FulfilmentDeadLetterQueueUrl",
            "OutcomesFulfilmentQueueUrl",
            "OutcomesFulfilmentDeadLetterQueueUrl",
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
