"""What a stage consists of, read from its templates: resources, permissions, secrets and costs.

`make docs` writes docs/production-inventory.md with it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from spillway.plan.cost import report
from spillway.plan.cost.deployed import of_templates
from spillway.plan.cost.findings import Findings, find
from spillway.plan.cost.model import MILLION, model_of
from spillway.plan.prices import load
from spillway.plan.tables import Table
from spillway.plan.templates import Template, properties, resources

STAGE = "prod"
#: Parts of other resources. There are too many to list, so each kind is only counted.
_PARTS = (
    "AWS::ApiGatewayV2::Integration",
    "AWS::IAM::Policy",
    "AWS::Lambda::Permission",
    "AWS::Lambda::Version",
    "AWS::Logs::MetricFilter",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
)
_LINE_BREAK = "<br>"
_RESOURCE_POLICIES = ("AWS::S3::BucketPolicy", "AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy")
#: Properties that hold a resource's own name; an alias has its function's before it.
_NAMES = (
    *("TableName", "QueueName", "TopicName", "FunctionName", "LogGroupName", "AlarmName"),
    *("DashboardName", "DeploymentGroupName", "ApplicationName", "UserPoolName", "ClientName"),
    *("GroupName", "BucketName", "StageName", "Name"),
)

_PAGE = """# What is deployed: every resource, permission, secret and fixed cost

`make docs` writes this page from the templates of the stage `prod`. Other stages have the same
resources under their own name; without CodeDeploy where releases go all at once.

## Resources

{resources}
## Permissions

Only these, and only on the named resource. Lambda takes each role, except where another service is
named.

{permissions}
What the resources themselves allow or deny:

{policies}
## Secrets

SecureString parameters. No template holds a value, and no stack deletes one.

{secrets}
## Costs

Dollars a month, us-east-1, list price, whether orders come or not. [cost.md](cost.md) prices an
order.

{idle}"""


def page(templates: Mapping[str, Template]) -> str:
    """The page's text."""
    account = _Account(templates)
    costs = _costs(templates)
    return _PAGE.format(
        resources="\n".join(f"### {stack}\n\n{account.resources_of(stack)}" for stack in templates),
        permissions=account.permissions().markdown(),
        policies=account.resource_policies().markdown(),
        secrets=account.secrets().markdown(),
        idle=report.idle_table(costs).markdown(),
    )


def _costs(templates: Mapping[str, Template]) -> Findings:
    return find(model_of(of_templates(STAGE, templates), load()), MILLION)


class _Account:
    def __init__(self, templates: Mapping[str, Template]) -> None:
        self._templates = templates

    def resources_of(self, stack: str) -> str:
        found = [*resources({stack: self._templates[stack]})]
        parts = Counter(one["Type"] for _, _, one in found if one["Type"] in _PARTS)
        names: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for _, logical_id, one in found:
            if one["Type"] not in (*_PARTS, "AWS::CDK::Metadata"):
                fate = "kept" if one.get("DeletionPolicy", "").startswith("Retain") else ""
                names[one["Type"], fate].append(self._name(stack, logical_id, one["Properties"]))
        rows = [
            (type_, _LINE_BREAK.join(sorted(those)), fate) for (type_, fate), those in names.items()
        ]
        table = Table("", ("type", "name", "when the stack goes"), sorted(rows)).markdown()
        counted = ", ".join(f"{count} {type_}" for type_, count in sorted(parts.items()))
        return f"{table}\nBesides these: {counted}.\n" if counted else table

    def permissions(self) -> Table:
        rows = []
        for stack, logical_id, found in resources(self._templates, "AWS::IAM::Role"):
            role = found["Properties"]
            [statement] = role["AssumeRolePolicyDocument"]["Statement"]
            who = str(statement["Principal"].get("Service", statement["Principal"]))
            name = _role_name(str(role.get("Description", logical_id)), who)
            rows += [(name, *allowed) for allowed in self._allowed(stack, logical_id, role)]
        return Table("", ("who", "may", "on"), sorted(rows))

    def _allowed(
        self, stack: str, role: str, properties_: Mapping[str, Any]
    ) -> Iterator[tuple[str, str]]:
        for policy in properties_.get("ManagedPolicyArns", ()):
            yield f"what AWS's {self._text(stack, policy).rpartition('/')[2]} allows", "*"
        policies = [
            *properties_.get("Policies", ()),
            *(
                policy
                for policy in properties({stack: self._templates[stack]}, "AWS::IAM::Policy")
                if {"Ref": role} in policy["Roles"]
            ),
        ]
        for policy in policies:
            for statement in policy["PolicyDocument"]["Statement"]:
                for resource in _list(statement["Resource"]):
                    actions = ", ".join(sorted(_list(statement["Action"])))
                    yield actions, self._last(stack, resource)

    def resource_policies(self) -> Table:
        """What queues, topics, buckets and functions say about who may use them."""
        names: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
        for stack, _, found in resources(self._templates, "AWS::Lambda::Permission"):
            granted = found["Properties"]
            route = self._text(stack, granted["SourceArn"]).partition("/*/*")[2]
            rule = (str(granted["Principal"]), "may", str(granted["Action"]), f"for {route}")
            names[rule].add(self._text(stack, granted["FunctionName"]))
        for stack, _, found in resources(self._templates, *_RESOURCE_POLICIES):
            for statement in found["Properties"]["PolicyDocument"]["Statement"]:
                resource = _list(statement["Resource"])[0]
                names[self._rule(stack, statement)].add(self._last(stack, resource))
        rows = [(*rule, ", ".join(sorted(those))) for rule, those in names.items()]
        return Table("", ("who", "", "what", "when", "of"), sorted(rows))

    def _rule(self, stack: str, statement: Mapping[str, Any]) -> tuple[str, ...]:
        principal = statement["Principal"]
        who = principal.get("Service") if isinstance(principal, dict) else None
        may = "may" if statement["Effect"] == "Allow" else "may not"
        [(name, value)] = [
            condition for tests in statement["Condition"].values() for condition in tests.items()
        ]
        when = {
            "aws:SecureTransport": "without TLS",
            "aws:SourceAccount": "from this account",
            "AWS:SourceArn": f"from {self._last(stack, value)}",
        }[name]
        return who or "everybody", may, ", ".join(_list(statement["Action"])), when

    def secrets(self) -> Table:
        rows = {
            (str(value), name.removesuffix("_PARAMETER").lower().replace("_", " "), function)
            for found in properties(self._templates, "AWS::Lambda::Function")
            for function in [str(found.get("FunctionName", ""))]
            for name, value in found.get("Environment", {}).get("Variables", {}).items()
            if name.endswith("_PARAMETER")
        }
        return Table("", ("parameter", "what it is", "read by"), sorted(rows))

    def _name(self, stack: str, logical_id: str, properties_: Mapping[str, Any]) -> str:
        if "RouteKey" in properties_:
            return str(properties_["RouteKey"])
        if "EventSourceArn" in properties_:
            return f"from {self._last(stack, properties_['EventSourceArn'])}"
        names = [properties_[name] for name in _NAMES if name in properties_]
        return ":".join(self._text(stack, name) for name in names) or logical_id

    def _last(self, stack: str, value: Any) -> str:
        """The last part of the ARN that a value refers to."""
        return self._text(stack, value).rsplit(":", 1)[-1]

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
                return self._text(other, self._templates[other]["Outputs"][output]["Value"])
        return "*"

    def _referred(self, stack: str, name: str, value: Mapping[str, Any]) -> str:
        found = self._templates[stack]["Resources"].get(name)
        if found is None:
            return ""  # a pseudo parameter: the partition, the account, the Region
        text = self._name(stack, name, found["Properties"])
        return f"{text}/stream" if "StreamArn" in str(value) else text


def _role_name(description: str, who: str) -> str:
    """Without what every function's role says, and with the service unless it is Lambda."""
    name = description.removeprefix("What ").removesuffix(" may do")
    return name if who == "lambda.amazonaws.com" else f"{name} ({who})"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
