"""The real stacks on the emulator: deployed by the CDK's own command line, then completed.

Completed: the storefront is published as on AWS, and the functions' permissions are read for the
proxy.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from spillway.errors import SpillwayError
from spillway.run.stack.aws import client
from spillway.run.stack.cdk import LOG, bootstrap_template, cdk

STAGE = "local"

_PREFIX = f"spillway-{STAGE}-"
_CONCURRENT_STACKS = 4
# How the command line begins the line with a failure's cause.
_CAUSE = "‣ "
_REASON_CHARACTERS_MAX = 300


def bootstrap(endpoint: str) -> None:
    """Give the emulator's account what the CDK expects in one: its bucket, roles and version.

    The template is the pinned command line's own. `cdk bootstrap` would deploy it too, in 9 s
    instead of 0.3 s.
    """
    cloudformation = client(endpoint, "cloudformation")
    cloudformation.create_stack(
        StackName="CDKToolkit",
        TemplateBody=bootstrap_template(),
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName="CDKToolkit", WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )


def deploy(
    assembly: Path,
    *,
    endpoint: str,
    parameters: Mapping[str, Mapping[str, str]],
    folder: Path,
) -> dict[str, str]:
    """Deploy every stack of `assembly` and return their outputs by name.

    `parameters` are values by name, by stack (`service`, without the stage); the CDK's log is
    in `folder`.
    """
    arguments = ["deploy", "--all", "--app", str(assembly)]
    arguments += ["--require-approval", "never", "--progress", "events"]
    # A change set is for a person to read, and none would.
    arguments += ["--method", "direct", "--concurrency", str(_CONCURRENT_STACKS)]
    for stack, values in parameters.items():
        for name, value in values.items():
            arguments += ["--parameters", f"{_PREFIX}{stack}:{name}={value}"]
    status = cdk(arguments, folder=folder, endpoint=endpoint)
    stacks = client(endpoint, "cloudformation")
    if status != 0:
        reason = _failed_resource(stacks) or _refusal(folder / LOG) or "no reason was given"
        raise SpillwayError(f"The deployment failed: {reason}. The CDK's log is {folder / LOG}.")
    outputs = _outputs(stacks)
    _let_pages_call(stacks, client(endpoint, "apigatewayv2"), outputs["ApiId"])
    return outputs


def _let_pages_call(cloudformation: Any, apis: Any, api_id: str) -> None:
    """Give the API its template's CORS settings once more.

    Of a template the emulator keeps them under CloudFormation's names, which it does not read.
    """
    template = cloudformation.get_template(StackName=f"{_PREFIX}service")["TemplateBody"]
    for resource in template["Resources"].values():
        cors = resource.get("Properties", {}).get("CorsConfiguration")
        if resource["Type"] == "AWS::ApiGatewayV2::Api" and cors:
            apis.update_api(ApiId=api_id, CorsConfiguration=cors)


def _outputs(cloudformation: Any) -> dict[str, str]:
    return {
        output["OutputKey"]: output["OutputValue"]
        for stack in _stacks(cloudformation)
        for output in stack.get("Outputs", ())
    }


def _failed_resource(cloudformation: Any) -> str | None:
    """The first resource that failed, its stack and its reason; None when none did."""
    for stack in _stacks(cloudformation):
        events = cloudformation.describe_stack_events(StackName=stack["StackName"])["StackEvents"]
        for event in sorted(events, key=lambda event: event["Timestamp"]):
            if event["ResourceStatus"].endswith("_FAILED"):
                reason = _short(event.get("ResourceStatusReason", "no reason was given"))
                return f"{event['LogicalResourceId']} in {stack['StackName']}: {reason}"
    return None


def _refusal(log: Path) -> str | None:
    """Why no stack came to be at all, for one as a template that CloudFormation did not take."""
    causes = [line for line in log.read_text().splitlines() if line.startswith(_CAUSE)]
    return _short(causes[-1].removeprefix(_CAUSE)) if causes else None


def _short(reason: str) -> str:
    """On one line, of bearable length, and to be followed by a full stop."""
    return " ".join(reason.split())[:_REASON_CHARACTERS_MAX].rstrip(".")


def _stacks(cloudformation: Any) -> Iterator[dict[str, Any]]:
    for page in cloudformation.get_paginator("describe_stacks").paginate():
        for stack in page["Stacks"]:
            if stack["StackName"].startswith(_PREFIX):
                yield stack


def publish_storefront(emulator: str, outputs: dict[str, str]) -> None:
    """Publish the storefront to the bucket that the stacks' `outputs` name."""
    # Here, so that the command line's help does not wait for what renders pages.
    from spillway.run.storefront.publish import publish, settings_of

    s3 = client(emulator, "s3")
    bucket = outputs["SiteBucketName"]
    _let_cloudfront_read(s3, bucket)
    # The issuer that the tokens name is AWS's own; here the emulator describes it.
    discovery = f"{emulator}/{outputs['UserPoolId']}/.well-known/openid-configuration"
    publish(s3, bucket=bucket, settings={**settings_of(outputs), "discovery": discovery})


def _let_cloudfront_read(s3: Any, bucket: str) -> None:
    """Take the demand for TLS out of the bucket's policy.

    The emulator's CloudFront reads its bucket within the process, and its policy check takes that
    for a request without TLS. That the template demands TLS is tested on the template.
    """
    policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    policy["Statement"] = [one for one in policy["Statement"] if one["Effect"] == "Allow"]
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))


def deployed_policies(endpoint: str) -> dict[str, list[dict[str, Any]]]:
    """The statements of each function's role, by the name under which the function calls AWS."""
    iam = client(endpoint, "iam")
    return {
        function["Environment"]["Variables"]["AWS_SDK_UA_APP_ID"]: [
            *_statements(iam, function["Role"].rpartition("/")[2])
        ]
        for function in _functions(client(endpoint, "lambda"))
    }


def _functions(lambda_: Any) -> Iterator[dict[str, Any]]:
    for page in lambda_.get_paginator("list_functions").paginate():
        for function in page["Functions"]:
            variables = function.get("Environment", {}).get("Variables", {})
            if function["FunctionName"].startswith(_PREFIX) and "AWS_SDK_UA_APP_ID" in variables:
                yield function


def _statements(iam: Any, role: str) -> Iterator[dict[str, Any]]:
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        yield from document["Statement"]
