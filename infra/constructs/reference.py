"""References to what another stack makes and no name tells: an API's id, a pool's, a stream's ARN.

CloudFormation looks up another stack's output when it changes the resource that refers to it, and
at no other time. A resource whose text is as it was keeps the value that it got, also when what it
refers to is long gone
(https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-getstackoutput.html).
So the output's name says which one is meant: when another takes its place the name changes, and
with it the text of everything that refers to it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import cast

from aws_cdk import CfnOutput, CfnResource, Fn, Stack
from constructs import IConstruct

#: How the names of such outputs begin. Nobody else reads them: they change.
PREFIX = "Reference"


def reference(
    name: str, value: str, *, to: IConstruct, recreated: int, made_by: Sequence[str] = ()
) -> str:
    """`value`, an attribute of `to`, for the resources of other stacks.

    `recreated` is the stage's count for the stack of `to`. `made_by` are those of its properties
    that a release could change, and CloudFormation only by making another one. The stacks that
    refer to it must be made to depend on its stack, because the CDK doesn't see it.
    """
    stack, resource = Stack.of(to), cast("CfnResource", to.node.default_child)
    which = json.dumps([stack.resolve(resource.logical_id), recreated, *made_by])
    output = f"{PREFIX}{name}{hashlib.sha256(which.encode()).hexdigest()[:8]}"
    CfnOutput(stack, output, value=value)
    return Fn.get_stack_output(stack.stack_name, output)
