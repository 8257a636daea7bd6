"""`spillway audit`: its options. Everything heavy is imported when it runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spillway.run.stack.ports import DEFAULT_PORT
from spillway.ui.options import JsonOption, PortOption, print_result

if TYPE_CHECKING:
    from spillway.prove.audit.running import Ask, Audited, Place
    from spillway.run.stack import Stack

_REQUEST_TIMEOUT_SECONDS = 30.0


def audit(
    as_json: JsonOption = False,
    unsettled_after: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="How long after its last change an unsettled order still counts as under way.",
        ),
    ] = 900,
    port: PortOption = DEFAULT_PORT,
) -> None:
    """Compare every order of a running stack with all three downstreams, promise by promise.

    Reads the orders table and the downstreams' own tables page by page, and changes nothing: safe
    while orders come in. It cannot judge what customers were answered; `demo` and `chaos` do. Exits
    with 1 and names the orders when a promise is broken.

    Example: spillway audit --unsettled-after 60
    """
    from spillway.prove.audit.report import document, show
    from spillway.run.stack import attach

    audited = _audited(attach(port), unsettled_after)
    print_result(audited, as_json=as_json, document=document, show=show)
    if not audited.held:
        raise typer.Exit(1)


def _audited(stack: "Stack", unsettled_after: float) -> "Audited":
    import httpx
    from botocore.exceptions import BotoCoreError, ClientError

    from spillway.errors import SpillwayError
    from spillway.prove.audit.running import Audit
    from spillway.ui.progress import bar

    try:
        with _place(stack) as place, bar("") as progress:
            return Audit(place, progress, unsettled_after).run()
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
