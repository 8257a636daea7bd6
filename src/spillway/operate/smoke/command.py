"""`spillway smoke`: its options. Everything heavy is imported when it runs."""

import time
from typing import Annotated

import typer

from spillway.target.options import (
    DEFAULT_PORT,
    PortOption,
    ProfileOption,
    RegionOption,
    StageOption,
)

_TIMEOUT_SECONDS = 15.0
_TOKEN_VARIABLE = "SPILLWAY_TOKEN"  # noqa: S105


def smoke(
    url: Annotated[
        str | None, typer.Option("--url", metavar="URL", help="An API by its address.")
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            envvar=_TOKEN_VARIABLE,
            metavar="JWT",
            help="Any customer's token; better in the environment than here.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the findings as one JSON object.")
    ] = False,
    port: PortOption = DEFAULT_PORT,
    stage: StageOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> None:
    """Ask a service that was just deployed a few questions, and see that the answers are right.

    Places no order and leaves nothing behind. Without a token only the gateway is looked at. Exits
    with 1 if an answer was wrong.

    Example: SPILLWAY_TOKEN=... spillway smoke --stage prod
    """
    import json
    from dataclasses import asdict

    import httpx
    from rich.console import Console

    from spillway.operate.smoke.checks import run

    if url is None and stage is None:
        url, token = _on_this_machine(port, token)
    elif url is None and stage is not None:
        url = _on_aws(stage, profile, region)
    with httpx.Client(
        base_url=url or "", timeout=_TIMEOUT_SECONDS, trust_env=stage is not None
    ) as api:
        findings = list(run(api, token=token, now=time.time_ns() // 1_000_000))
    wrong = [finding for finding in findings if finding.fault is not None]
    if as_json:
        content = {"url": url, "with_token": token is not None, "right": not wrong}
        typer.echo(json.dumps({**content, "findings": [*map(asdict, findings)]}, indent=2))
    else:
        console = Console(highlight=False)
        for finding in findings:
            mark = "[green]✔[/]" if finding.fault is None else "[red]✘[/]"
            console.print(f"{mark}  {finding.name:<22}{finding.fault or finding.proves}")
        if token is None:
            console.print(
                f"Without a token only the gateway was asked: put one into {_TOKEN_VARIABLE}."
            )
    if wrong:
        raise typer.Exit(1)


def _on_this_machine(port: int, token: str | None) -> tuple[str, str]:
    from spillway.run.stack import attach

    stack = attach(port)
    return stack.api, token or stack.token("shopper")


def _on_aws(stage: str, profile: str | None, region: str | None) -> str:
    from spillway.errors import SpillwayError
    from spillway.target.service import outputs_of

    url = outputs_of(stage, profile=profile, region=region).get("ApiUrl")
    if url is None:
        raise SpillwayError(
            f"The stacks of stage {stage!r} name no API: deploy them with"
            f" `make deploy STAGE={stage}`."
        )
    return url.rstrip("/")
