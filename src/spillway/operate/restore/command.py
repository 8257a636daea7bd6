"""`spillway restore`: its options. Everything heavy is imported when it runs."""

import time
from typing import Annotated

import typer

from spillway.errors import UsageError
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
    """Copy what is missing from the orders table back into it, from a restored backup.

    Writes what is missing, then what the orders use of limited coupons, and overwrites nothing.
    From a copy of the coupons table it takes retired codes, and works out all uses from the orders.
    Safe to interrupt, to repeat, and while customers order. Then erase again every customer who was
    erased since the backup: `spillway customers erase`.

    Example: `spillway restore spillway-prod-orders-restored --stage prod --dry-run`
    """
    from spillway.operate.coupons.repairing import repair
    from spillway.operate.restore.copying import OF_COUPONS, OF_ORDERS
    from spillway.operate.restore.copying import restore as put_back
    from spillway.ui.progress import bar

    service = target.reach()
    if copy in service.tables.values():
        raise UsageError(f"{copy} is a table in service itself: name the restored copy.")
    keys = service.dynamodb.describe_table(TableName=copy)["Table"]["KeySchema"]
    # The coupons table has no sort key.
    name, passes = ("orders", OF_ORDERS) if len(keys) > 1 else ("coupons", OF_COUPONS)
    table = service.tables[name]
    with bar("Comparing items") as progress:
        done = put_back(
            service.dynamodb,
            service.archive,
            copy=copy,
            into=table,
            passes=passes,
            dry_run=dry_run,
            on_item=progress.advance,
        )
    if not dry_run:
        service.archive.have_tidied(done.days)
    uses = 0
    if not dry_run and (done.with_coupons or name == "coupons"):
        with bar("Comparing coupons with orders"):
            uses = repair(service, lambda: time.time_ns() // 1_000_000)
    if as_json:
        counts = {"looked_at": done.looked_at, "put_back": done.put_back, "coupon_uses": uses}
        left_out = {"unreadable": done.unreadable}
        print_json({"table": table, "dry_run": dry_run, **counts, **left_out})
    else:
        result = "are missing" if dry_run else "were missing and are restored"
        typer.echo(f"{done.put_back:,} of {done.looked_at:,} items {result}.")
        if uses:
            typer.echo(f"{uses:,} uses of limited coupons are put back.")
        for order_id in done.unreadable:
            typer.echo(f"{order_id} was archived, and its line is not in the archive: left out.")
    if done.unreadable:
        raise typer.Exit(1)
