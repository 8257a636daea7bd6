"""The options that say which service a command is about, the same for every command.

A command is decorated with `with_target` and has a parameter `target`. The decorator adds
`--port`, `--stage`, `--profile` and `--region` to its options, and reports a service that does
not answer in one sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spillway.errors import SpillwayError, UsageError
from spillway.run.stack.ports import DEFAULT_PORT, port_option
from spillway.ui.options import PortOption

if TYPE_CHECKING:
    from spillway.target.service import Service

StageOption = Annotated[
    str | None,
    typer.Option("--stage", metavar="NAME", help="A stage on AWS, with your own credentials."),
]
ProfileOption = Annotated[
    str | None, typer.Option("--profile", metavar="NAME", help="Which AWS credentials to use.")
]
RegionOption = Annotated[
    str | None, typer.Option("--region", metavar="NAME", help="The stage's AWS Region.")
]

#: In a sentence: a command about a running service that does not say yet which one.
_COMMAND = re.compile(
    r"`(spillway (?:console|coupons|customers|downstreams|logs|orders|payments|prices (?!check)"
    r"|redrive|restore|status)"
    r"(?:(?!--port|--stage)[^`])*)`"
)


@dataclass(frozen=True, slots=True)
class Target:
    """The service that a command is about: a stage on AWS, else the stack on this machine's port.

    Each field is an option of the same name.
    """

    port: PortOption = DEFAULT_PORT
    stage: StageOption = None
    profile: ProfileOption = None
    region: RegionOption = None

    def check(self) -> None:
        """UsageError: the options name two services, or half of one."""
        if self.stage is None and (self.profile is not None or self.region is not None):
            raise UsageError(
                "--profile and --region are for a stage on AWS: name it with --stage. Without it"
                " this would be about the stack on this machine."
            )
        if self.stage is not None and self.port != DEFAULT_PORT:
            raise UsageError("--port is for a stack on this machine, --stage for AWS: name one.")

    def reach(self) -> Service:
        from spillway.target.service import on_aws, on_this_machine

        if self.stage is None:
            return on_this_machine(self.port)
        return on_aws(self.stage, profile=self.profile, region=self.region)

    @property
    def options(self) -> str:
        """What says on a command line which service is meant, with a space before it."""
        from spillway.target.service import options_of

        if self.stage is None:
            return port_option(self.port)
        return options_of(self.stage, profile=self.profile, region=self.region)

    def outputs(self, needed: str) -> dict[str, str]:
        """The outputs of the stage's stacks. SpillwayError: `needed` isn't one of them."""
        from spillway.target.service import outputs_of

        outputs = outputs_of(str(self.stage), profile=self.profile, region=self.region)
        if needed not in outputs:
            raise SpillwayError(
                f"The stacks of stage {self.stage!r} have no output {needed}: deploy them with"
                f" `make deploy STAGE={self.stage}`."
            )
        return outputs


def with_target(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a `Target` to a command, and give it their values as `target`.

    What an error names as the next command is about the same service.
    """
    of_target = _keywords(Target)
    parameters = [one for one in _keywords(command) if one.name != "target"] + of_target

    @wraps(command)
    def run(**values: Any) -> None:
        target = Target(**{one.name: values.pop(one.name) for one in of_target})
        target.check()
        try:
            with explain_unreachable(on_aws=target.stage is not None):
                command(**values, target=target)
        except SpillwayError as error:
            error.args = (_COMMAND.sub(rf"`\1{target.options}`", str(error)),)
            raise

    # Typer reads a command's options from these two.
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


def _keywords(of: Callable[..., object]) -> list[Parameter]:
    known = signature(of, eval_str=True).parameters.values()
    return [parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in known]


@contextmanager
def explain_unreachable(*, on_aws: bool = False) -> Iterator[None]:
    """Report in one sentence that AWS refused or that the service stopped answering.

    SpillwayError: instead of botocore's and httpx's own errors.
    """
    import httpx
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    from spillway.target.unreachable import unreachable

    try:
        yield
    except (BotoCoreError, ClientError, ResponseParserError, httpx.TransportError) as error:
        raise unreachable(error, on_aws=on_aws) from error
