"""What a stage consists of, read from its templates: resources, permissions, secrets and costs.

`make docs` fills docs/production-inventory.md with it.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from spillway.plan.cost import report
from spillway.plan.cost.findings import Findings
from spillway.plan.cost.model import MILLION, cost_model
from spillway.plan.tables import Table
from spillway.plan.templates import Templates

STAGE = "prod"
_RESOURCE_POLICIES = ("AWS::S3::BucketPolicy", "AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy")
#: Parts of other resources. There are too many to list, so each kind is only counted.
_PARTS = (
    "AWS::ApiGatewayV2::Integration",
    "AWS::IAM::Policy",
    "AWS::Lambda::Permission",
    "AWS::Lambda::Version",
    "AWS::Logs::MetricFilter",
    *_RESOURCE_POLICIES,
)


def parts(templates: Templates) -> dict[str, str]:
    """Each generated part of the page, by its name."""
    costs = Findings(cost_model(stage=STAGE), MILLION)
    by_stack = (f"### {one}\n\n{_resources(templates, one)}" for one in templates.by_stack)
    tables = {
        "permissions": _permissions(templates),
        "policies": _resource_policies(templates),
        "secrets": _secrets(templates),
        "idle": report.idle_table(costs),
    }
    generated = {name: table.markdown() for name, table in tables.items()}
    return {"resources": "\n".join(by_stack), **generated}


def _resources(templates: Templates, stack: str) -> str:
    parts: Counter[str] = Counter()
    names: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for logical_id, found in templates.by_stack[stack]["Resources"].items():
        if found["Type"] in _PARTS:
            parts[found["Type"]] += 1
        elif found["Type"] != "AWS::CDK::Metadata":
            kept = "kept" if found.get("DeletionPolicy", "").startswith("Retain") else ""
            names[found["Type"], kept].append(str(templates.name(stack, logical_id)))
    rows = [(type_, "<br>".join(sorted(those)), kept) for (type_, kept), those in names.items()]
    table = Table("", ("type", "name", "when the stack goes"), sorted(rows)).markdown()
    counted = ", ".join(f"{count} {type_}" for type_, count in sorted(parts.items()))
    return f"{table}\nBesides these: {counted}.\n" if counted else table


def _permissions(templates: Templates) -> Table:
    rows = []
    for stack, logical_id, found in templates.resources("AWS::IAM::Role"):
        role = found["Properties"]
        [statement] = role["AssumeRolePolicyDocument"]["Statement"]
        who = str(statement["Principal"].get("Service", statement["Principal"]))
        # Without what every function's role says.
        description = str(role.get("Description", logical_id))
        name = description.removeprefix("What ").removesuffix(" may do")
        if who != "lambda.amazonaws.com":
            name += f" ({who})"
        rows += [(name, *allowed) for allowed in _allowed(templates, stack, logical_id, role)]
    return Table("", ("who", "may", "on"), sorted(rows))


def _allowed(
    templates: Templates, stack: str, role_id: str, role: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    for policy in role.get("ManagedPolicyArns", ()):
        yield f"what AWS's {templates.text(stack, policy).rpartition('/')[2]} allows", "*"
    attached = (
        found["Properties"]
        for of, _, found in templates.resources("AWS::IAM::Policy")
        if of == stack and {"Ref": role_id} in found["Properties"]["Roles"]
    )
    for policy in (*role.get("Policies", ()), *attached):
        for statement in policy["PolicyDocument"]["Statement"]:
            actions = ", ".join(sorted(_list(statement["Action"])))
            denied = "" if statement["Effect"] == "Allow" else "(its code may not) "
            for resource in _list(statement["Resource"]):
                yield denied + actions, templates.last(stack, resource)


def _resource_policies(templates: Templates) -> Table:
    """What queues, topics, buckets and functions say about who may use them."""
    names: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    for stack, _, found in templates.resources("AWS::Lambda::Permission"):
        granted = found["Properties"]
        route = templates.text(stack, granted["SourceArn"]).partition("/*/*")[2]
        rule = (str(granted["Principal"]), "may", str(granted["Action"]), f"for {route}")
        names[rule].add(templates.text(stack, granted["FunctionName"]))
    for stack, _, found in templates.resources(*_RESOURCE_POLICIES):
        for statement in found["Properties"]["PolicyDocument"]["Statement"]:
            resource = _list(statement["Resource"])[0]
            names[_rule(templates, stack, statement)].add(templates.last(stack, resource))
    rows = [(*rule, ", ".join(sorted(those))) for rule, those in names.items()]
    return Table("", ("who", "", "what", "when", "of"), sorted(rows))


def _rule(templates: Templates, stack: str, statement: Mapping[str, Any]) -> tuple[str, ...]:
    principal = statement["Principal"]
    who = principal.get("Service") if isinstance(principal, dict) else None
    may = "may" if statement["Effect"] == "Allow" else "may not"
    [(name, value)] = [
        condition for tests in statement["Condition"].values() for condition in tests.items()
    ]
    when = {
        "aws:SecureTransport": "without TLS",
        "aws:SourceAccount": "from this account",
        "AWS:SourceArn": f"from {templates.last(stack, value)}",
    }[name]
    return who or "all callers", may, ", ".join(_list(statement["Action"])), when


def _secrets(templates: Templates) -> Table:
    read_by: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for found in templates.properties("AWS::Lambda::Function"):
        for what, parameter in _parameters(found.get("Environment", {}).get("Variables", {})):
            read_by[parameter, what].add(str(found.get("FunctionName", "")))
    rows = [(*secret, ", ".join(sorted(those))) for secret, those in sorted(read_by.items())]
    return Table("", ("parameter", "what it is", "read by"), rows)


def _parameters(variables: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What each is, and its name."""
    for name, value in variables.items():
        if name.endswith("_PARAMETER"):
            yield name.removesuffix("_PARAMETER").lower().replace("_", " "), str(value)
        if name == "DOWNSTREAMS":
            for called in json.loads(value).values():
                for setting, parameter in {**called, **called.get("oauth", {})}.items():
                    if setting.endswith("_parameter"):
                        what = parameter.rpartition("/")[2].replace("-", " ")
                        yield f"downstream {what}", parameter


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
