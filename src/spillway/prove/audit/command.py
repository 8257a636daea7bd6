"""`spillway audit`: its options. Everything heavy is imported when it runs."""

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spillway.run.loopback import http_client
from spillway.run.stack.ports import DEFAULT_PORT, port_option
from spillway.ui.options import JsonOption, PortOption, print_result

if TYPE_CHECKING:
    from spillway.prove.audit.running import Ask, Audited
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

    Reads the tables of orders, of coupons and of the downstreams page by page, and changes nothing:
    safe while orders come in. Prices each order again by the price book that it records; one with a
    price signature, or from before, records none. It cannot judge what customers were answered;
    `demo` and `chaos` do. Exits with 1 and names the orders when a promise is broken.

    Example: spillway audit --unsettled-after 60
    """
    from spillway.prove.audit.report import document, show
    from spillway.run.stack import attach

    audited = _audited(attach(port), unsettled_after)
    show_it = partial(show, options=port_option(port))
    print_result(audited, as_json=as_json, document=document, show=show_it)
    if not audited.held:
        raise typer.Exit(1)


def _audited(stack: "Stack", unsettled_after: float) -> "Audited":
    import httpx
    from botocore.exceptions import BotoCoreError, ClientError

    from spillway.errors import SpillwayError
    from spillway.prove.audit.pricing import PriceAudit
    from spillway.prove.audit.running import Audit
    from spillway.run.stack.tokens import claims
    from spillway.run.stack.users import USERS
    from spillway.target.service import of_stack
    from spillway.target.unreachable import why_silent
    from spillway.ui.progress import bar

    http = http_client(base_url=stack.api, timeout=_REQUEST_TIMEOUT_SECONDS)
    try:
        with http, bar("") as progress:
            # A company's buyers see each other's orders, and are no strangers to them.
            persons = [name for name, user in USERS.items() if user.company is None]
            tokens, service = [stack.token(name) for name in persons], of_stack(stack)
            return Audit(
                service.orders,
                service.sqs,
                stack.tables,
                stack.queues,
                {str(claims(token)["sub"]): _ask(http, token) for token in tokens},
                PriceAudit.of(service),
                progress,
                unsettled_after,
            ).run()
    except (BotoCoreError, ClientError, httpx.TransportError) as error:
        raise SpillwayError(
            f"The stack stopped answering in the middle of the audit ({why_silent(error)}):"
            " start the audit again."
        ) from error


def _ask(http: Any, token: str) -> "Ask":
    headers = {"authorization": f"Bearer {token}"}
    return lambda order_id: int(http.get(f"/orders/{order_id}", headers=headers).status_code)
