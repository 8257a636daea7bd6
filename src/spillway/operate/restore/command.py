"""`spillway restore`: its options. Everything heavy is imported when it runs."""

from dataclasses import asdict
from typing import Annotated

import typer

from spillway.errors import SpillwayError
from spillway.target.options import Target, with_target
from spillway.ui.options import JsonOption, print_json


@with_target
def restore(
    target: Target,
    copy: Annotated[
        str, typer.Argument(metavar="TABLE", help="The table that AWS restored a backup to.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what is missing; change nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Copy orders that are missing from the orders table back into it, from a restored backup.

    Writes to the orders table, and overwrites nothing in it. Safe to interrupt, to repeat, and
    while customers order. Then erase again every customer who was erased since the backup:
    `spillway customers erase`.

    Example: `spillway restore spillway-prod-orders-restored --stage prod --dry-run`
    """
    from spillway.operate.restore.copying import restore as put_back
    from spillway.ui.progress import bar

    service = target.reach()
    table = service.tables["orders"]
    if copy == table:
        raise SpillwayError(f"{copy} is the orders table itself: name the restored copy.")
    with bar("Comparing items") as progress:
        done = put_back(
            service.dynamodb, copy=copy, into=table, dry_run=dry_run, on_item=progress.advance
        )
    if as_json:
        print_json({"table": table, "dry_run": dry_run, **asdict(done)})
    else:
        result = "are missing" if dry_run else "were missing and are restored"
        typer.echo(f"{done.put_back:,} of {done.looked_at:,} items {result}.")
