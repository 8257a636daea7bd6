"""The templates of a stage, read the way a person would: by the resources' names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.bundle import ROOT
from infra.stage import Stage

Properties = Mapping[str, Any]

#: When the stack goes and when another takes its place; it goes when the stack's creation fails.
KEPT = ("RetainExceptOnCreate", "Retain")

#: What `cdk` hands to the app.
CONTEXT = json.loads((ROOT / "cdk.json").read_text())["context"]


@dataclass(frozen=True, slots=True)
class Reviewed:
    """Stages by name, the findings of cdk-nag's AwsSolutions checks that nobody answered, and the
    folder that `cdk synth` would have written."""

    stages: Mapping[str, Templates]
    findings: Sequence[Any]
    assembly: Path


@dataclass(frozen=True, slots=True)
class Templates:
    stage: Stage
    by_stack: Mapping[str, Mapping[str, Any]]
    #: The stacks that can't be deleted by one command.
    protected: set[str]
    #: By stack, those that are deployed before it; both without the stage's name.
    after: Mapping[str, set[str]]

    def resources(self, type_: str) -> list[Properties]:
        """The properties of every resource of a type, in all stacks."""
        return [found["Properties"] for found in self._found(type_)]

    def resource(self, type_: str, **named: str) -> Mapping[str, Any]:
        """The one resource of a type with a property of this value, as it stands in its stack."""
        [(name, value)] = named.items()
        [found] = [found for found in self._found(type_) if found["Properties"][name] == value]
        return found

    def types(self) -> set[str]:
        return {found["Type"] for stack in self.by_stack.values() for found in _resources(stack)}

    def functions(self) -> dict[str, Properties]:
        """Every function's properties, by its name without the stage."""
        prefix = self.stage.resource_name("")
        return {
            found["FunctionName"].removeprefix(prefix): found
            for found in self.resources("AWS::Lambda::Function")
        }

    def mapping_of(self, function: str, *, stream: bool = False) -> Properties:
        """The properties of the function's event source mapping, of a queue or of the stream."""
        name = f"{self.stage.resource_name(function)}:live"
        [found] = [
            mapping
            for mapping in self.resources("AWS::Lambda::EventSourceMapping")
            if self.named(mapping["FunctionName"]) == name
            and self.named(mapping["EventSourceArn"]).endswith("/stream") == stream
        ]
        return found

    def permissions_of(self, function: str) -> dict[str, set[str]]:
        """What the function may do, by the name of the resource it may do it on."""
        permitted: dict[str, set[str]] = {}
        for statement in self.statements_of(function):
            # What is denied takes something of these away, under a condition.
            if statement["Effect"] == "Allow":
                for resource in _list(statement["Resource"]):
                    actions = permitted.setdefault(self.named(resource), set())
                    actions.update(_list(statement["Action"]))
        return permitted

    def statements_of(self, function: str) -> list[Properties]:
        """The statements of the function's role."""
        role = self.functions()[function]["Role"]["Fn::GetAtt"][0]
        return [
            statement
            for policy in self.resources("AWS::IAM::Policy")
            if {"Ref": role} in policy["Roles"]
            for statement in policy["PolicyDocument"]["Statement"]
        ]

    def named(self, value: Any) -> str:
        """What a value of a template refers to, as a name: "spillway-local-orders/stream"."""
        match value:
            case str() if value.startswith("{"):
                return value
            case str() if value.startswith("https://sqs."):
                return value.rpartition("/")[2]
            case str():
                return value.rsplit(":", 1)[-1].removeprefix("table/")
            case {"Fn::Join": ["", parts]}:
                return self.named("".join(part if isinstance(part, str) else "" for part in parts))
            case {"Fn::GetStackOutput": {"StackName": stack, "OutputName": output}}:
                return self.named(self.by_stack[stack]["Outputs"][output]["Value"])
            case {"Ref": name}:
                return self._physical_name(name)
            case {"Fn::GetAtt": [_, "Version"]}:
                return "version"
            case {"Fn::GetAtt": [name, "StreamArn"]}:
                return f"{self._physical_name(name)}/stream"
            case {"Fn::GetAtt": [name, "Arn"]}:
                return self._physical_name(name)
        raise AssertionError(f"refers to nothing known: {value}")

    def references(self) -> list[tuple[str, str, str]]:
        """Every reference to another stack's output: who refers, to which stack, to which output,
        without the stage's name."""
        prefix = self.stage.resource_name("")
        return sorted(
            (
                name.removeprefix(prefix),
                found["StackName"].removeprefix(prefix),
                found["OutputName"],
            )
            for name, template in self.by_stack.items()
            for found in _found_in(template)
        )

    def _physical_name(self, logical_id: str) -> str:
        for stack in self.by_stack.values():
            if logical_id in stack.get("Parameters", {}):
                return str(stack["Parameters"][logical_id]["Default"])
            if logical_id in stack["Resources"]:
                properties = stack["Resources"][logical_id]["Properties"]
                if stack["Resources"][logical_id]["Type"] == "AWS::S3::Bucket":
                    return logical_id
                if stack["Resources"][logical_id]["Type"] == "AWS::Lambda::Alias":
                    return f"{self.named(properties['FunctionName'])}:{properties['Name']}"
                return next(
                    str(properties[kind])
                    for kind in (
                        "TableName",
                        "QueueName",
                        "TopicName",
                        "FunctionName",
                        "LogGroupName",
                        "UserPoolName",
                        "ClientName",
                    )
                    if kind in properties
                )
        raise AssertionError(f"no stack has {logical_id}")

    def _found(self, type_: str) -> list[Mapping[str, Any]]:
        return [
            found
            for stack in self.by_stack.values()
            for found in _resources(stack)
            if found["Type"] == type_
        ]


def _found_in(value: Any) -> Iterator[Mapping[str, str]]:
    match value:
        case {"Fn::GetStackOutput": found}:
            yield found
        case Mapping():
            for inner in value.values():
                yield from _found_in(inner)
        case list():
            for inner in value:
                yield from _found_in(inner)


def _resources(stack: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(stack["Resources"].values())


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
