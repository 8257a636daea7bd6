"""What a stage consists of, read off its templates: docs/production-inventory.md.

Resources, permissions, secrets, and what they cost.

`make inventory` writes the page; a test holds it against the stacks.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from infra import bundle
from infra.app import add_stacks
from infra.stage import load
from spillway.plan import inventory_costs as costs

# isort: split
from aws_cdk import App

STAGE = "prod"
PAGE = bundle.ROOT / "docs" / "production-inventory.md"

Template = Mapping[str, Any]
#: Where a resource's own name stands, by what it is called in CloudFormation.
_NAMES = (
    "TableName",
    "QueueName",
    "TopicName",
    "FunctionName",
    "LogGroupName",
    "AlarmName",
    "DashboardName",
    "DeploymentGroupName",
    "ApplicationName",
    "UserPoolName",
    "ClientName",
    "GroupName",
    "BucketName",
    "StageName",
    "Name",
)
#: Which parts of others, not things of their own, there are too many of to list.
_PARTS = {
    "AWS::ApiGatewayV2::Integration",
    "AWS::IAM::Policy",
    "AWS::Lambda::Permission",
    "AWS::Lambda::Version",
    "AWS::Logs::MetricFilter",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
}

_RESOURCE_POLICIES = {"AWS::S3::BucketPolicy", "AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy"}

_HEAD = """# What is deployed: every resource, permission, secret and cost

Made by `make inventory` from the templates of the stage `prod`, and the costs from what was
measured of an order (`spillway cost`); a test holds it against them. Other stages have the same
under their own name; without CodeDeploy where releases go all at once.
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(templates()))
    sys.stdout.write(f"Wrote {PAGE.relative_to(bundle.ROOT)}.\n")


def templates() -> dict[str, Template]:
    """The stage's templates by the stacks' names, with this machine's bundle as the code."""
    context = json.loads((bundle.ROOT / "cdk.json").read_text())["context"]
    with tempfile.TemporaryDirectory() as directory:
        app = App(outdir=directory, context=context, analytics_reporting=False)
        add_stacks(app, stage=load(STAGE), code=bundle.build(bundle.LOCAL).path)
        return {stack.stack_name: stack.template for stack in app.synth().stacks}


def page(by_stack: Mapping[str, Template]) -> str:
    """The page's text."""
    account = _Account(by_stack)
    return "\n".join(
        (
            _HEAD,
            "## Resources\n",
            *(f"### {stack}\n\n{account.resources_of(stack)}" for stack in by_stack),
            f"## Permissions\n\n{_PERMISSIONS}\n{account.permissions()}",
            f"{_POLICIES}\n{account.resource_policies()}",
            f"## Secrets\n\n{_SECRETS}\n{account.secrets()}",
            _costs(by_stack),
        )
    )


def _costs(by_stack: Mapping[str, Template]) -> str:
    found = costs.found(STAGE, by_stack)
    return "\n".join(
        (
            f"## Costs\n\n{_COSTS}",
            f"{_REST}\n{_table(costs.HEAD, [*costs.at_rest(found)])}",
            f"{_ORDERS}\n{_table(('a million orders', 'billed', 'list'), [*costs.orders(found)])}",
            f"{_BILLS}\n"
            + _table(("orders a month", "in crowds", "evenly"), [*costs.bills(found)]),
        )
    )


_PERMISSIONS = """Nothing but these, on nothing but the named resource. Who may take a role stands \
beside it.
"""
_POLICIES = """What the resources themselves let in, or keep out:
"""
_COSTS = """Dollars, us-east-1. *List* is the price without any free tier, *billed* less those that
every account has for good, in a month with a million orders. How it is counted, item by item, and
what would move it: [cost.md](cost.md).
"""
_REST = """For what is there whether orders come or not:
"""
_ORDERS = """For orders, looks at them not counted:
"""
_BILLS = """A month's whole bill, its orders kept for all of it, free tiers taken off:
"""
_SECRETS = """SecureString parameters, put by hand or by your own tools before the first \
deployment; no template holds a value, and no stack deletes one.
"""


class _Account:
    def __init__(self, by_stack: Mapping[str, Template]) -> None:
        self._by_stack = by_stack

    def resources_of(self, stack: str) -> str:
        rows = []
        parts: Counter[str] = Counter()
        for logical_id, found in self._by_stack[stack]["Resources"].items():
            type_ = found["Type"]
            if type_ == "AWS::CDK::Metadata":
                continue
            if type_ in _PARTS:
                parts[type_] += 1
                continue
            kept = "kept" if found.get("DeletionPolicy", "").startswith("Retain") else ""
            rows.append((type_, self._name(stack, logical_id, found["Properties"]), kept))
        table = _table(("type", "name", "when the stack goes"), sorted(rows))
        told = ", ".join(f"{count} {type_}" for type_, count in sorted(parts.items()))
        return f"{table}\nBeside these: {told}.\n" if told else f"{table}"

    def permissions(self) -> str:
        rows = []
        for stack, template in self._by_stack.items():
            for logical_id, found in template["Resources"].items():
                if found["Type"] == "AWS::IAM::Role":
                    role = found["Properties"]
                    who = _principal(role)
                    name = str(role.get("Description", logical_id))
                    rows += [(name, who, *row) for row in self._allowed(stack, logical_id, role)]
        return _table(("role", "taken by", "may", "on"), sorted(rows))

    def resource_policies(self) -> str:
        """What queues, topics, buckets and functions themselves say of who may use them."""
        said: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
        for stack, template in self._by_stack.items():
            for found in template["Resources"].values():
                if found["Type"] == "AWS::Lambda::Permission":
                    properties = found["Properties"]
                    who, where = str(properties["Principal"]), properties["SourceArn"]
                    of = self._text(stack, properties["FunctionName"])
                    route = self._text(stack, where).partition("/*/*")[2]
                    said[who, "may", str(properties["Action"]), f"for {route}"].add(of)
                elif found["Type"] in _RESOURCE_POLICIES:
                    for statement in found["Properties"]["PolicyDocument"]["Statement"]:
                        said[self._rule(stack, statement)].add(
                            self._text(stack, _list(statement["Resource"])[0]).rsplit(":", 1)[-1]
                        )
        rows = [(*rule, ", ".join(sorted(names))) for rule, names in said.items()]
        return _table(("who", "", "what", "when", "of"), sorted(rows))

    def _rule(self, stack: str, statement: Mapping[str, Any]) -> tuple[str, ...]:
        principal = statement["Principal"]
        who = principal.get("Service") if isinstance(principal, dict) else None
        may = "may" if statement["Effect"] == "Allow" else "may not"
        [(name, value)] = [
            wanted for tests in statement["Condition"].values() for wanted in tests.items()
        ]
        when = {
            "aws:SecureTransport": "without TLS",
            "aws:SourceAccount": "from this account",
            "AWS:SourceArn": f"from {self._text(stack, value).rsplit(':', 1)[-1]}",
        }[name]
        return who or "everybody", may, ", ".join(_list(statement["Action"])), when

    def secrets(self) -> str:
        rows = {
            (str(value), name.removesuffix("_PARAMETER").lower().replace("_", " "), function)
            for _, function, variables in self._functions()
            for name, value in variables.items()
            if name.endswith("_PARAMETER")
        }
        return _table(("parameter", "what it is", "read by"), sorted(rows))

    def _functions(self) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        for stack, template in self._by_stack.items():
            for found in template["Resources"].values():
                properties = found.get("Properties", {})
                if found["Type"] == "AWS::Lambda::Function" and "Environment" in properties:
                    name = str(properties.get("FunctionName", ""))
                    yield stack, name, properties["Environment"]["Variables"]

    def _allowed(
        self, stack: str, role: str, properties: Mapping[str, Any]
    ) -> Iterator[tuple[str, str]]:
        for policy in properties.get("ManagedPolicyArns", ()):
            yield f"what AWS's {self._text(stack, policy).rpartition('/')[2]} allows", "*"
        attached = (
            found["Properties"]
            for found in self._by_stack[stack]["Resources"].values()
            if found["Type"] == "AWS::IAM::Policy" and {"Ref": role} in found["Properties"]["Roles"]
        )
        documents = [
            policy["PolicyDocument"] for policy in (*properties.get("Policies", ()), *attached)
        ]
        for document in documents:
            for statement in document["Statement"]:
                for resource in _list(statement["Resource"]):
                    actions = ", ".join(sorted(_list(statement["Action"])))
                    yield actions, self._text(stack, resource).rsplit(":", 1)[-1]

    def _name(self, stack: str, logical_id: str, properties: Mapping[str, Any]) -> str:
        if "RouteKey" in properties:
            return str(properties["RouteKey"])
        if "EventSourceArn" in properties:
            return f"from {self._text(stack, properties['EventSourceArn']).rsplit(':', 1)[-1]}"
        # An alias is called after its function.
        names = [properties[name] for name in _NAMES if name in properties]
        return ":".join(self._text(stack, name) for name in names) or logical_id

    def _text(self, stack: str, value: Any) -> str:
        """What a value of a template refers to, as text."""
        match value:
            case str():
                return value
            case {"Fn::Join": [separator, parts]}:
                return str(separator).join(self._text(stack, part) for part in parts)
            case {"Ref": name} | {"Fn::GetAtt": [name, *_]}:
                return self._referred(stack, str(name), value)
            case {"Fn::GetStackOutput": {"StackName": other, "OutputName": output}}:
                return self._text(other, self._by_stack[other]["Outputs"][output]["Value"])
        return "*"

    def _referred(self, stack: str, name: str, value: Mapping[str, Any]) -> str:
        found = self._by_stack[stack]["Resources"].get(name)
        if found is None:
            return ""  # a pseudo parameter: the partition, the account, the Region
        text = self._name(stack, name, found["Properties"])
        return f"{text}/stream" if "StreamArn" in str(value) else text


def _principal(role: Mapping[str, Any]) -> str:
    [statement] = role["AssumeRolePolicyDocument"]["Statement"]
    return str(statement["Principal"].get("Service", statement["Principal"]))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    main()
