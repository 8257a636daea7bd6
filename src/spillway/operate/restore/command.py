"""`spillway restore`: its options. Everything heavy is imported when it runs."""

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


def restore(
    copy: Annotated[
        str, typer.Argument(metavar="TABLE", help="The table that AWS restored a backup to.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what is missing; change nothing.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what was done as one JSON object.")
    ] = False,
    port: PortOption = DEFAULT_PORT,
    stage: StageOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> None:
    """Put back orders that the orders table lacks, from a restored copy of it.

    Runs while customers order, and overwrites nothing. Fine to interrupt and to repeat. Afterwards
    erase again whoever was erased since the backup: `spillway customers erase`.

    Example: spillway restore spillway-prod-orders-restored --stage prod --dry-run
    """
    import json
    from dataclasses import asdict

    from rich.console import Console

    from spillway.errors import SpillwayError
    from spillway.operate.restore.copying import restore as put_back

    service = reach(port, stage, profile, region)
    table = service.tables["orders"]
    if copy == table:
        raise SpillwayError(f"{copy} is the orders table itself: name the restored copy.")
    with told_if_silent(), Console(stderr=True).status("Comparing ...") as shown:
        seen = 0

        def on_item() -> None:
            nonlocal seen
            seen += 1
            shown.update(f"Comparing ... {seen:,} items")

        done = put_back(service.dynamodb, copy=copy, into=table, dry_run=dry_run, on_item=on_item)
    if as_json:
        typer.echo(json.dumps({"table": table, "dry_run": dry_run, **asdict(done)}, indent=2))
    else:
        told = "are missing" if dry_run else "were missing and are back"
        typer.echo(f"{done.put_back:,} of {done.looked_at:,} items {told}.")
