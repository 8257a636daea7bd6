"""`spillway customers`: its options. Everything heavy is imported when it runs."""

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from spillway.errors import CheckFailed
from spillway.operate.arguments import customer_id_in
from spillway.target.options import Target, with_target
from spillway.ui.options import JsonOption, print_json

if TYPE_CHECKING:
    from spillway.operate.customers.erasing import Erasure

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
    from spillway.ui.progress import bar

    customer_id = customer_id_in(customer_id)
    service = target.reach()
    if not yes:
        typer.confirm(
            f"Erase {customer_id} from the orders of {service.stage}? This cannot be undone.",
            abort=True,
        )
    with bar("Erasing") as progress:
        done = erase_orders(
            service.orders,
            service.archive,
            customer_id,
            now=time.time_ns() // 1_000_000,
            on_order=progress.advance,
        )
    if not (done.erased or done.were_erased or done.left):
        raise CheckFailed(
            f"Nothing was erased: customer {customer_id} has no order in {service.stage}. Check the"
            " id, which is the claim `sub` of the customer's tokens."
        )
    if as_json:
        print_json({"stage": service.stage, **asdict(done)})
    else:
        _show(done)
    if not done.complete:
        raise typer.Exit(1)


def _show(done: "Erasure") -> None:
    typer.echo(f"{len(done.erased)} orders erased; {len(done.were_erased)} had been erased before.")
    for order_id in done.left:
        typer.echo(f"{order_id} has not settled: erase the customer again when it has.")
