"""Values that a local run knows only when it starts."""

from __future__ import annotations

from aws_cdk import CfnParameter
from constructs import Construct

from infra.stage import Stage


def known_at_start(
    scope: Construct, id_: str, value: str, *, stage: Stage, description: str
) -> str:
    """`value`, as the template has it; with fakes, a parameter of the deployment instead.

    No other stage has a parameter, because it would keep its first value for ever: `cdk deploy`
    sends the value that the stack already has, whatever the template's new default is
    (`--previous-parameters`, which is on unless it is switched off:
    https://docs.aws.amazon.com/cdk/v2/guide/ref-cli-cmd-deploy.html).
    """
    if not stage.fakes:
        return value
    return CfnParameter(scope, id_, default=value, description=description).value_as_string
