"""`spillway audit`: its options. Everything heavy is imported when it runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spillway.target.options import DEFAULT_PORT, PortOption

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from spillway.prove.audit.running import Ask, Audited, Place, Stage
    from spillway.run.stack import Stack

_REQUEST_TIMEOUT_SECONDS = 30.0


def audit(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the verdicts as one JSON object.")
    ] = False,
    unsettled_after: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="An order that has not settled is under way for so long after it last moved.",
        ),
    ] = 900,
    port: PortOption = DEFAULT_PORT,
) -> None:
    """Hold every order of a running stack against all three downstreams, promise by promise.

    Reads the orders table and the downstreams' own tables page by page, and changes nothing: fine
    while orders come in. What only customers know, what they were answered, is for `demo` and
    `chaos` to judge. Exits with 1 and names the orders when a promise is broken.

    Example: spillway audit --unsettled-after 60
    """
    import json

    from rich.console import Console

    from spillway.prove.audit.report import document, show
    from spillway.run.stack import attach

    audited = _audited(attach(port), unsettled_after, Console(stderr=True))
    if as_json:
        typer.echo(json.dumps(document(audited), indent=2))
    else:
        show(audited, Console(highlight=False))
    if not audited.held:
        raise typer.Exit(1)


def _audited(stack: "Stack", unsettled_after: float, console: "Console") -> "Audited":
    import httpx
    from botocore.exceptions import BotoCoreError, ClientError

    from spillway.errors import SpillwayError
    from spillway.prove.audit.running import Audit

    try:
        with _place(stack) as place, _bar(console) as bar:
            return Audit(place, bar, unsettled_after).run()
    except (BotoCoreError, ClientError, httpx.TransportError) as error:
        raise SpillwayError(
            f"The stack stopped answering in the middle of the audit ({type(error).__name__}):"
            " start the audit again."
        ) from error


@contextmanager
def _place(stack: "Stack") -> Iterator["Place"]:
    import httpx

    from spillway.prove.audit.running import Place
    from spillway.run.load.clients import claims
    from spillway.run.stack.users import USERS

    timeout = _REQUEST_TIMEOUT_SECONDS
    with httpx.Client(base_url=stack.api, timeout=timeout, trust_env=False) as http:
        tokens = [stack.token(user) for user in USERS]
        customers = {str(claims(token)["sub"]): _ask(http, token) for token in tokens}
        yield Place(
            stack.client("dynamodb"), stack.client("sqs"), stack.tables, stack.queues, customers
        )


def _ask(http: Any, token: str) -> "Ask":
    headers = {"authorization": f"Bearer {token}"}
    return lambda order_id: int(http.get(f"/orders/{order_id}", headers=headers).status_code)


class _Bar:
    """One bar, which starts anew with each stage."""

    def __init__(self, progress: "Progress", task: "TaskID") -> None:
        self._progress, self._task = progress, task

    def stage(self, stage: "Stage", total: int) -> None:
        titles = {
            "reading": "Reading the four tables",
            "judging": "Judging the orders",
            "asking": "Asking for other people's orders",
            "resting": "Looking at the queues",
        }
        self._progress.reset(self._task, total=total, description=titles[stage])

    def advance(self, count: int) -> None:
        self._progress.advance(self._task, count)


@contextmanager
def _bar(console: "Console") -> Iterator[_Bar]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description:<33}"), BarColumn(bar_width=40), MofNCompleteColumn())
    hidden = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        yield _Bar(progress, progress.add_task("", total=None))
