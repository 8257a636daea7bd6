"""`spillway customers`: its options. Everything heavy is imported when it runs."""

import time
from typing import Annotated

import typer

from spillway.target.options import (
    DEFAULT_PORT,
    PortOption,
    ProfileOption,
    RegionOption,
    StageOption,
    reach,
    told_if_silent,
)

customers = typer.Typer(
    no_args_is_help=True, help="What a customer may ask about their own data: erase them."
)


@customers.callback()
def _group() -> None:
    """Keeps `erase` a command of its own, however few there are."""


@customers.command()
def erase(
    customer_id: Annotated[
        str, typer.Argument(metavar="CUSTOMER_ID", help="The claim `sub` of the customer's tokens.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask first.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what was done as one JSON object, to be filed.")
    ] = False,
    port: PortOption = DEFAULT_PORT,
    stage: StageOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> None:
    """Erase a customer's name and address from all of their orders, and keep the orders.

    Cannot be undone. Orders that are still under way need their address: they are left and told,
    and the command exits with 1 until it was run again. Backups hold the address for up to 35 days
    more: after a restore, run it again. docs/personal-data.md says what else there is.

    Example: spillway customers erase 5f0c2d1e-... --stage prod
    """
    import json
    from dataclasses import asdict

    from rich.console import Console

    from spillway.operate.customers.erasing import erase as erase_orders

    service = reach(port, stage, profile, region)
    if not yes:
        typer.confirm(
            f"Erase {customer_id} from the orders of {service.stage}? This cannot be undone.",
            abort=True,
        )
    console = Console(stderr=True)
    with told_if_silent(), console.status("Erasing ...") as shown:
        seen = 0

        def on_order() -> None:
            nonlocal seen
            seen += 1
            shown.update(f"Erasing ... {seen} orders")

        done = erase_orders(
            service.dynamodb,
            service.tables["orders"],
            customer_id,
            now=time.time_ns() // 1_000_000,
            on_order=on_order,
        )
    if as_json:
        typer.echo(json.dumps({"stage": service.stage, **asdict(done)}, indent=2))
    else:
        typer.echo(
            f"{len(done.erased)} orders erased, {len(done.were_erased)} were before."
            if done.erased or done.were_erased or done.left
            else "This customer has no orders."
        )
        for order_id in done.left:
            typer.echo(f"{order_id} is still under way: erase the customer again once it settled.")
    if not done.complete:
        raise typer.Exit(1)
