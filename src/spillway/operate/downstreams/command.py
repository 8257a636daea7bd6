"""`spillway downstreams`: its options. Everything heavy is imported when it runs."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spillway.errors import UsageError
from spillway.target.options import Target, with_target
from spillway.ui.options import JsonOption, print_json

if TYPE_CHECKING:
    from orders.domain.saga import Step
    from orders.downstream.proofs import Sign
    from spillway.operate.doctor.account import Account
    from spillway.operate.probing import Probe

downstreams = typer.Typer(
    no_args_is_help=True,
    help="Inventory, fulfilment and accounting, as the stage's file and their descriptions say.",
)
_TIMEOUT_SECONDS = 15.0


@downstreams.command()
@with_target
def check(
    target: Target,
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="inventory, fulfilment or accounting; else all three."),
    ] = None,
    step: Annotated[
        str | None,
        typer.Option("--step", metavar="STEP", help="A step of it; else its first, such as ship."),
    ] = None,
    send: Annotated[
        bool,
        typer.Option("--send", help="Send the command, for an order id that nobody has."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask a downstream, and say what its answer means to an order, and why.

    Shows the request that its description makes of an example order. Looks up an order that never
    was, which changes nothing, with the stage's own secrets; signed requests are signed by you.
    With --send the command itself is sent, for a made-up order id: what it does there, it does.
    Asked from this machine, so a downstream in a private network may not answer. Exits with 1 if
    an order would wait or become a dead letter, or could not go on.

    Example: `spillway downstreams check inventory --stage dev`
    """
    import httpx

    from spillway.operate.doctor.account import of_target

    with httpx.Client(timeout=_TIMEOUT_SECONDS, trust_env=target.stage is not None) as http:
        account = of_target(target, http, lambda: time.time_ns() // 1_000_000, time.sleep)
        probes = list(_probes(account, target, name, step, send=send))
    right = all(probe.right for probe in probes)
    if as_json:
        found = [asdict(probe) for probe in probes]
        print_json({"stage": account.stage.name, "right": right, "downstreams": found})
    else:
        for probe in probes:
            _show(probe)
    if not right:
        raise typer.Exit(1)


class _News(StrEnum):
    shipped = "shipped"
    delivered = "delivered"
    returned = "returned"
    order_returned = "order_returned"


@downstreams.command()
@with_target
def parcel(
    target: Target,
    order_id: Annotated[
        str, typer.Argument(metavar="ORDER_ID", help="The order's id, or its first or last digits.")
    ],
    news: Annotated[
        _News,
        typer.Argument(
            metavar="NEWS", help="shipped, delivered, returned, or order_returned: all of it."
        ),
    ],
    number: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Which parcel; 1 if left out. order_returned has none.",
        ),
    ] = None,
    of: Annotated[
        int | None,
        typer.Option(min=1, max=100, metavar="M", help="How many parcels the order has."),
    ] = None,
    carrier: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of shipped: who brings it.")
    ] = None,
    tracking_number: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Of shipped: the carrier's own number.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Have the fulfilment of a stack on this machine tell what became of an order's parcel.

    It tells it as a real one does, in the form of its contract, by callback or by queue. What it
    says is taken for true: once all parcels have come back, or with order_returned, the money goes
    back too. Fine to repeat.

    Example: `spillway downstreams parcel 019aafcf-6ac0-7c3e-b1a5-5f0c8f1f2a10 shipped
    --number 1 --of 2 --carrier DHL`
    """
    from spillway.operate.orders.finding import check_id_or_prefix, key_of
    from spillway.run.stack.handle import attach

    if target.stage is not None:
        raise UsageError(
            "Only the fulfilment of a stack on this machine tells what you say: leave --stage out."
        )
    if news is _News.order_returned and number is not None:
        raise UsageError("order_returned is of all of the order: leave --number out.")
    check_id_or_prefix(order_id)
    stack = attach(target.port)
    key = key_of(target.reach(), order_id)
    if number is None and news is not _News.order_returned:
        number = "1"
    told = stack.tell_of_parcel(
        customer_id=key.customer_id,
        order_id=key.order_id,
        status=news.value,
        parcel=number,
        parcels=of,
        carrier=carrier,
        tracking_number=tracking_number,
    )
    if as_json:
        print_json(told)
        return
    what = (
        "all of the order was returned" if number is None else f"parcel {number} was {news.value}"
    )
    typer.echo(
        f"Fulfilment told that {what}: see `spillway orders show {key.order_id}{target.options}`."
    )


def _probes(
    account: "Account", target: Target, name: str | None, step: str | None, *, send: bool
) -> "Iterator[Probe]":
    from orders.domain.saga import DOWNSTREAMS
    from spillway.operate.probing import clients_of, probe, service_of

    names = [one for one in DOWNSTREAMS if name in (None, one)]
    if not names:
        raise UsageError(f"{name} isn't a downstream: there are {', '.join(DOWNSTREAMS)}.")
    if name is None and (send or step is not None):
        raise UsageError("--send and --step are for one downstream: name it.")
    for one in names:
        service = service_of(
            account.stage,
            one,
            account.downstream_urls[one],
            clients_of(account.client),
            _signing(target, account.stage.downstreams.by_name()[one].signing),
        )
        asked = _step(step, one, service.description.requests)
        yield probe(account.stage, one, asked, service, send=send)


def _step(step: str | None, name: str, requests: "Mapping[Step, Any]") -> "Step":
    for one in requests:
        if step in (None, one.value):
            return one
    raise UsageError(f"{name} does no {step}: it does {', '.join(requests)}.")


def _signing(target: Target, signing: tuple[str, str | None] | None) -> "Sign | None":
    """By the operator, whose role is not the deliveries'."""
    if signing is None or target.stage is None:
        return None
    from orders.aws.signing import sigv4_for
    from spillway.target.service import session_of

    session = session_of(profile=target.profile, region=target.region)
    service, region = signing
    return sigv4_for(service, region or session.region_name, session.get_credentials)


def _show(probe: "Probe") -> None:
    import json

    from rich.text import Text

    from spillway.ui.panels import mark
    from spillway.ui.terminal import terminal

    console = terminal(soft_wrap=True)
    asked = None if probe.means == "not asked" else probe.right
    console.print(
        Text.assemble(mark(asked), f"  {probe.downstream} {probe.step}: {probe.says}"), end="\n"
    )
    lines = [f"{probe.request.method} {probe.request.url}".rstrip()]
    lines += [f"{header}: {value}" for header, value in probe.request.headers.items()]
    if probe.request.body is not None:
        lines.append(json.dumps(probe.request.body, ensure_ascii=False, indent=2))
    text = "\n".join(lines)
    _block(console, "request", text)
    if probe.lookup is not None:
        _block(console, "asked", f"GET {probe.lookup}")
    if probe.status is not None:
        _block(console, "answer", f"{probe.status} {probe.body}".rstrip())
        _block(console, "means", f"{probe.means}, by {_why(probe)}")
    if probe.took_ms is not None:
        _block(console, "took", _times(probe))
    if probe.next_step:
        _block(console, "next", probe.next_step)


def _why(probe: "Probe") -> str:
    if probe.rule is None:
        return f"no rule: descriptions/{probe.description}.toml declares nothing for it"
    return f"the first rule that fits: {probe.rule}"


def _times(probe: "Probe") -> str:
    text = f"{probe.took_ms} ms, of {probe.timeout_ms} ms (timeout_seconds)"
    if probe.express_ms is None:
        return text
    late = " - too slow for it" if (probe.took_ms or 0) > probe.express_ms else ""
    return f"{text}, of {probe.express_ms} ms on the express path{late}"


def _block(console: Any, label: str, text: str) -> None:
    from rich.text import Text

    first, *rest = text.split("\n")
    console.print(Text(f"   {label:<9}{first}"))
    for line in rest:
        console.print(Text(f"   {'':<9}{line}"))
