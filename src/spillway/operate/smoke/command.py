"""`spillway smoke`: its options. Everything heavy is imported when it runs."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from spillway.errors import UsageError
from spillway.target.options import Target, with_target
from spillway.ui.options import JsonOption, print_json

if TYPE_CHECKING:
    from spillway.operate.smoke.checks import Finding

_TIMEOUT_SECONDS = 15.0
_TOKEN_VARIABLE = "SPILLWAY_TOKEN"  # noqa: S105


@with_target
def smoke(
    target: Target,
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
    as_json: JsonOption = False,
) -> None:
    """Check that a service that was just deployed answers a few requests correctly.

    Also whether the storefront reaches the API and shows the prices that are charged; not with
    --url. Changes nothing: it places no order. Without a token it checks only what is in front of
    the functions. Exits with 1 if an answer was wrong.

    Example: `SPILLWAY_TOKEN=... spillway smoke --stage prod`
    """
    import httpx

    from spillway.operate.smoke.checks import run

    store = None
    if url is not None and not url.startswith(("https://", "http://")):
        raise UsageError(f"--url {url} isn't the address of an API: it begins with https://.")
    if url is None:
        url, store, token = _found(target, token)
    with httpx.Client(
        base_url=url, timeout=_TIMEOUT_SECONDS, trust_env=target.stage is not None
    ) as api:
        findings = list(run(api, token=token, now=time.time_ns() // 1_000_000, store=store))
    right = all(finding.fault is None for finding in findings)
    if as_json:
        document = {"url": url, "with_token": token is not None, "right": right}
        print_json({**document, "findings": [*map(asdict, findings)]})
    else:
        _show(findings, with_token=token is not None)
    if not right:
        raise typer.Exit(1)


def _show(findings: "Sequence[Finding]", *, with_token: bool) -> None:
    from spillway.ui.panels import grid, mark
    from spillway.ui.terminal import terminal

    terminal().print(
        grid(
            (mark(finding.fault is None), finding.name, finding.fault or finding.proves)
            for finding in findings
        )
    )
    if not with_token:
        typer.echo(
            "Only what is in front of the functions was checked, because there is no token:"
            f" set {_TOKEN_VARIABLE}."
        )


def _found(target: Target, token: str | None) -> tuple[str, str, str | None]:
    """The API's and the storefront's address, and on this machine a token where none is given."""
    if target.stage is None:
        from spillway.run.stack import attach

        stack = attach(target.port)
        return stack.api, stack.origin, token or stack.token("shopper")
    outputs = target.outputs("ApiUrl")
    return outputs["ApiUrl"].rstrip("/"), outputs["StoreAddress"], token
