"""A stage's CloudFormation templates, synthesised here: nothing is deployed."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Properties that hold a resource's own name; an alias has its function's before it.
_NAMES = (
    *("TableName", "QueueName", "TopicName", "FunctionName", "LogGroupName", "AlarmName"),
    *("DashboardName", "DeploymentGroupName", "ApplicationName", "UserPoolName", "ClientName"),
    *("GroupName", "BucketName", "StageName", "Name"),
)


def synthesised(stage: str) -> Templates:
    """Takes some seconds."""
    from infra import bundle  # first: it says which Node the CDK's library runs on
    from infra.app import add_stacks
    from infra.stage import load

    # isort: split
    from aws_cdk import App

    context = json.loads((bundle.ROOT / "cdk.json").read_text())["context"]
    with tempfile.TemporaryDirectory() as folder:
        app = App(outdir=f"{folder}/out", context=context, analytics_reporting=False)
        # The functions' code does not matter here, so any folder will do.
        code = Path(folder, "code")
        code.mkdir()
        (code / "empty.py").touch()
        add_stacks(app, stage=load(stage), code=code)
        return Templates({stack.stack_name: stack.template for stack in app.synth().stacks})


@dataclass(frozen=True, slots=True)
class Templates:
    by_stack: Mapping[str, Mapping[str, Any]]

    def resources(self, *types: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Each resource of these types, or of all: its stack, its logical id, and the resource."""
        for stack, template in self.by_stack.items():
            for logical_id, found in template["Resources"].items():
                if not types or found["Type"] in types:
                    yield stack, logical_id, found

    def properties(self, *types: str) -> list[Mapping[str, Any]]:
        """The properties of each resource of these types."""
        return [found["Properties"] for _, _, found in self.resources(*types)]

    def name(self, stack: str, logical_id: str) -> str | None:
        """A resource's own name, else its logical id; None where the stack has no such resource."""
        found = self.by_stack[stack]["Resources"].get(logical_id)
        if found is None:
            return None
        content = found["Properties"]
        if "RouteKey" in content:
            return str(content["RouteKey"])
        if "EventSourceArn" in content:
            return f"from {self.last(stack, content['EventSourceArn'])}"
        names = [self.text(stack, content[name]) for name in _NAMES if name in content]
        return ":".join(names) or logical_id

    def last(self, stack: str, value: Any) -> str:
        """The last part of the ARN that a value refers to; of a table's, its name."""
        return self.text(stack, value).rsplit(":", 1)[-1].removeprefix("table/")

    def text(self, stack: str, value: Any) -> str:
        """What a value in a stack's template refers to, as text."""
        match value:
            case str():
                return value
            case {"Fn::Join": [separator, parts]}:
                return str(separator).join(self.text(stack, part) for part in parts)
            case {"Ref": name} | {"Fn::GetAtt": [name, *_]}:
                # Without a name it is a pseudo parameter: the partition, the account, the Region.
                text = self.name(stack, name) or ""
                return f"{text}/stream" if "StreamArn" in str(value) else text
            case {"Fn::GetStackOutput": {"StackName": other, "OutputName": output}}:
                return self.text(other, self.by_stack[other]["Outputs"][output]["Value"])
        return "*"
