"""`spillway smoke`: its options. Everything heavy is imported when it runs."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spillway.errors import SpillwayError
from spillway.target.options import Target, with_target
from spillway.ui.options import JsonOption, print_result

if TYPE_CHECKING:
    from rich.console import Console

    from spillway.operate.smoke.checks import Finding

_TIMEOUT_SECONDS = 15.0
_TOKEN_VARIABLE = "SPILLWAY_TOKEN"  # noqa: S105


@with_target
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
    as_json: JsonOption = False,
    *,
    target: Target,
) -> None:
    """Check that a service that was just deployed answers a few requests correctly.

    Changes nothing: it places no order. Without a token it checks only the gateway. Exits with 1 if
    an answer was wrong.

    Example: `SPILLWAY_TOKEN=... spillway smoke --stage prod`
    """
    import httpx

    from spillway.operate.smoke.checks import run

    if url is None:
        url, token = _found(target, token)
    with httpx.Client(
        base_url=url, timeout=_TIMEOUT_SECONDS, trust_env=target.stage is not None
    ) as api:
        findings = list(run(api, token=token, now=time.time_ns() // 1_000_000))
    result = _Result(url, token is not None, findings)
    print_result(result, as_json=as_json, document=_document, show=_show)
    if not result.right:
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Result:
    url: str
    with_token: bool
    findings: "Sequence[Finding]"

    @property
    def right(self) -> bool:
        return all(finding.fault is None for finding in self.findings)


def _document(result: _Result) -> dict[str, Any]:
    return {
        "url": result.url,
        "with_token": result.with_token,
        "right": result.right,
        "findings": [*map(asdict, result.findings)],
    }


def _show(result: _Result, console: "Console") -> None:
    from spillway.ui.panels import grid, mark

    console.print(
        grid(
            (mark(finding.fault is None), finding.name, finding.fault or finding.proves)
            for finding in result.findings
        )
    )
    if not result.with_token:
        console.print(
            f"Only the gateway was checked, because there is no token: set {_TOKEN_VARIABLE}."
        )


def _found(target: Target, token: str | None) -> tuple[str, str | None]:
    """The API's address, and on this machine a token where none is given."""
    if target.stage is None:
        from spillway.run.stack import attach

        stack = attach(target.port)
        return stack.api, token or stack.token("shopper")
    from spillway.target.service import outputs_of

    outputs = outputs_of(target.stage, profile=target.profile, region=target.region)
    if "ApiUrl" not in outputs:
        raise SpillwayError(
            f"The stacks of stage {target.stage!r} name no API: deploy them with"
            f" `make deploy STAGE={target.stage}`."
        )
    return outputs["ApiUrl"].rstrip("/"), token
