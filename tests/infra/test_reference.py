"""A reference to another stack changes when what it refers to is made again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.infra.templates import CONTEXT

pytestmark = pytest.mark.usefixtures("cdk_library")


def consumer(
    directory: Path,
    *,
    id_: str = "Orders",
    stream: str = "NEW_IMAGE",
    protected: bool = False,
    recreated: int = 0,
) -> str:
    """The template of a stack that refers to another one's stream."""
    from aws_cdk import App, Stack
    from aws_cdk import aws_dynamodb as dynamodb
    from aws_cdk import aws_ssm as ssm

    from infra.constructs.reference import reference

    app = App(outdir=str(directory), context=CONTEXT, analytics_reporting=False)
    table = dynamodb.TableV2(
        Stack(app, "producer"),
        id_,
        partition_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING),
        dynamo_stream=dynamodb.StreamViewType[stream],
        deletion_protection=protected,
    )
    assert table.table_stream_arn is not None
    found = reference(
        "StreamArn",
        table.table_stream_arn,
        to=table,
        recreated=recreated,
        made_by=(stream,),
    )
    ssm.CfnParameter(Stack(app, "consumer"), "Refers", type="String", value=found)
    stacks = {stack.stack_name: stack.template for stack in app.synth().stacks}
    [name] = stacks["producer"]["Outputs"]
    value = stacks["consumer"]["Resources"]["Refers"]["Properties"]["Value"]
    assert value == {"Fn::GetStackOutput": {"StackName": "producer", "OutputName": name}}
    return json.dumps(stacks["consumer"])


def test_whatever_makes_another_one_changes_what_refers_to_it(tmp_path: Path) -> None:
    """CloudFormation then looks it up again; and a change that keeps it touches nothing, because a
    mapping of the same stream can't be made twice."""
    first = consumer(tmp_path / "first")
    assert consumer(tmp_path / "same", protected=True) == first
    others = {
        consumer(tmp_path / "destroyed", recreated=1),
        consumer(tmp_path / "again", recreated=2),
        consumer(tmp_path / "view", stream="NEW_AND_OLD_IMAGES"),
        consumer(tmp_path / "renamed", id_="Sales"),
    }
    assert len(others | {first}) == 5
