"""`spillway redrive`: its options. Everything heavy is imported when it runs."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from spillway.target.options import (
    DEFAULT_PORT,
    PortOption,
    ProfileOption,
    RegionOption,
    StageOption,
    reach,
)

if TYPE_CHECKING:
    from rich.console import Console

    from spillway.operate.redrive.moving import Redrive

#: What a shell reports of a program that Ctrl+C ended.
_INTERRUPTED_STATUS = 130


class Queue(StrEnum):
    """Whose dead letters; see `dead_letters.SOURCES`."""

    inventory = "inventory"
    fulfilment = "fulfilment"
    accounting = "accounting"
    overflow = "overflow"
    watchdog = "watchdog"
    relay = "relay"


def redrive(
    queue: Annotated[
        Queue | None, typer.Argument(help="Whose dead letters; all when left out.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what lies there and why; change nothing.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what was found and done as one JSON object.")
    ] = False,
    port: PortOption = DEFAULT_PORT,
    stage: StageOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> None:
    """Show which messages wait for a person and why, and move them back to be tried again.

    Mend the cause first. Moves what lies there when it starts, each message once, and deletes one
    only when its queue has taken it. Fine to interrupt, to repeat, and to run while orders come in:
    nothing is lost and nothing is done twice. Exits with 1 if something could not be moved.

    Example: spillway redrive inventory --dry-run
    """
    import json

    from rich.console import Console

    from spillway.operate.redrive.dead_letters import sources
    from spillway.operate.redrive.moving import Redrive
    from spillway.operate.redrive.report import document, show

    service = reach(port, stage, profile, region)
    known = sources(service.queues)
    work = Redrive(
        sqs=service.client("sqs"),
        streams=service.client("dynamodbstreams"),
        sources=list(known.values()) if queue is None else [known[queue.value]],
        dry_run=dry_run,
    )
    interrupted = _run(work, Console(stderr=True))
    found = work.found.values()
    if as_json:
        told = document(found, dry_run=dry_run, interrupted=interrupted)
        typer.echo(json.dumps(told, indent=2))
    else:
        show(found, Console(highlight=False), dry_run=dry_run, interrupted=interrupted)
    if interrupted:
        raise typer.Exit(_INTERRUPTED_STATUS)
    if any(one.not_moved for one in found):
        raise typer.Exit(1)


def _run(work: "Redrive", console: "Console") -> bool:
    """Do the work below a progress bar; true when Ctrl+C ended it."""
    from botocore.exceptions import BotoCoreError, ClientError
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from spillway.errors import SpillwayError

    columns = (TextColumn("Dead letters"), BarColumn(bar_width=40), MofNCompleteColumn())
    try:
        hidden = not console.is_terminal
        with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
            bar = progress.add_task("", total=work.count())
            work.run(lambda dead_letters: progress.advance(bar, dead_letters))
    except KeyboardInterrupt:
        return True
    except (BotoCoreError, ClientError) as error:
        moved = sum(one.moved for one in work.found.values())
        raise SpillwayError(
            f"The queues stopped answering after {moved} letters were moved"
            f" ({type(error).__name__}): nothing is lost, run `spillway redrive` again."
        ) from error
    return False
