"""`spillway customers`: its options. Everything heavy is imported when it runs."""

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from spillway.errors import CheckFailed
from spillway.operate.arguments import customer_id_in
from spillway.target.options import Target, with_target
from spillway.ui.formatting import counted, date_and_clock
from spillway.ui.options import JsonOption, print_json

if TYPE_CHECKING:
    from spillway.operate.customers.erasing import Erasure, Theirs

customers = typer.Typer(
    no_args_is_help=True, help="What customers may ask about their own data: erasure."
)


@customers.callback()
def _group() -> None:
    """Keeps `erase` a command of its own, although it is the only one."""


@customers.command()
@with_target
def erase(
    target: Target,
    customer_id: Annotated[
        str, typer.Argument(metavar="CUSTOMER_ID", help="The claim `sub` of the customer's tokens.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask first.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Erase a customer's name and address from all of their orders, and keep the orders.

    Writes, and cannot be undone. Orders that have not settled still need their address: the command
    lists them, leaves them, and exits with 1; run it again later. Backups hold the address for up
    to 35 days more: after a restore, run it again. docs/personal-data.md says what else is stored.

    Example: `spillway customers erase 5f0c2d1e-... --stage prod`
    """
    from spillway.operate.customers.erasing import erase as erase_orders
    from spillway.operate.customers.erasing import theirs
    from spillway.ui.progress import bar

    customer_id = customer_id_in(customer_id)
    service = target.reach()
    found = theirs(service.orders, customer_id)
    if not found.order_ids:
        raise CheckFailed(
            f"Nothing was erased: customer {customer_id} has no order in {service.stage}. Check the"
            " id, which is the claim `sub` of the customer's tokens. `spillway orders list EMAIL`"
            " names it where the store's sign-in knows the address."
        )
    if not yes:
        typer.confirm(_question(found, customer_id, service.stage), abort=True)
    with bar("Erasing") as progress:
        done = erase_orders(
            service.orders,
            service.archive,
            customer_id,
            now=time.time_ns() // 1_000_000,
            on_order=progress.advance,
        )
    if as_json:
        print_json({"stage": service.stage, **asdict(done)})
    else:
        _show(done)
    if not done.complete:
        raise typer.Exit(1)


def _question(found: "Theirs", customer_id: str, stage: str) -> str:
    """Shows whom one is about to erase, in case the id is somebody else's."""
    from orders.domain.order import order_id_time

    ends = (found.order_ids[0], found.order_ids[-1])
    first, last = (date_and_clock(order_id_time(order_id)) for order_id in ends)
    left = f" Not settled yet, and left: {found.unsettled:,}." if found.unsettled else ""
    return (
        f"Customer {customer_id} has {counted(len(found.order_ids), 'order')} in {stage}, made from"
        f" {first} to {last}.{left} Erase name and address? This cannot be undone."
    )


def _show(done: "Erasure") -> None:
    for order_id in done.left:
        typer.echo(f"{order_id} has not settled.")
    said = f"{counted(len(done.erased), 'order')} erased; {len(done.were_erased):,} had been erased"
    typer.echo(f"{said} before.")
    if done.left:
        typer.echo(
            f"Not settled yet, and left: {len(done.left):,}. Erase the customer again when all have"
            " settled."
        )
