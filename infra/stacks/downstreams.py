"""Tables for the fakes of the three downstreams."""

from __future__ import annotations

from aws_cdk import CfnOutput, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from infra.stage import Stage


class DownstreamsStack(Stack):
    """One table each, so that no fake sees another's. They are deleted with the stack."""

    def __init__(self, scope: Construct, id_: str, *, stage: Stage) -> None:
        super().__init__(scope, id_, description="Spillway: fakes of the downstreams")
        for downstream in stage.downstreams.by_name():
            table = dynamodb.TableV2(
                self,
                downstream.capitalize(),
                table_name=stage.resource_name(f"fake-{downstream}"),
                partition_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING),
                sort_key=dynamodb.Attribute(name="sk", type=dynamodb.AttributeType.STRING),
                billing=dynamodb.Billing.on_demand(),
                encryption=dynamodb.TableEncryptionV2.dynamo_owned_key(),
                removal_policy=RemovalPolicy.DESTROY,
            )
            CfnOutput(self, f"{downstream.capitalize()}TableName", value=table.table_name)
