"""The options that say which service is meant: the same for every command that reads one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from spillway.run.stack.ports import DEFAULT_PORT as DEFAULT_PORT

if TYPE_CHECKING:
    from spillway.target.service import Service

PortOption = Annotated[
    int,
    typer.Option("--port", "-p", min=1, max=65_535, help="The port of the stack on this machine."),
]
StageOption = Annotated[
    str | None,
    typer.Option("--stage", metavar="NAME", help="A stage on AWS, by your own credentials."),
]
ProfileOption = Annotated[
    str | None, typer.Option("--profile", metavar="NAME", help="Which AWS credentials to use.")
]
RegionOption = Annotated[
    str | None, typer.Option("--region", metavar="NAME", help="The stage's AWS Region.")
]


def reach(port: int, stage: str | None, profile: str | None, region: str | None) -> Service:
    """The service meant. Raises SpillwayError where there is none."""
    from spillway.target.service import on_aws, on_this_machine

    return on_this_machine(port) if stage is None else on_aws(stage, profile=profile, region=region)


@contextmanager
def told_if_silent() -> Iterator[None]:
    """Tell in one sentence that the service stopped answering."""
    import httpx
    from botocore.exceptions import BotoCoreError, ClientError

    from spillway.errors import SpillwayError

    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code.startswith("AccessDenied") or code == "UnauthorizedOperation":
            raise SpillwayError(
                f"Your credentials may not do this ({error}): use some that may read the tables,"
                " the queues, CloudWatch and its logs."
            ) from error
        raise SpillwayError(f"AWS refused ({error}): try again.") from error
    except (BotoCoreError, httpx.TransportError) as error:
        raise SpillwayError(
            f"The service does not answer ({type(error).__name__}): see whether it is still there,"
            " then try again."
        ) from error
