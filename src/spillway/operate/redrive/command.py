"""`spillway redrive`: its options. Everything heavy is imported when it runs."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from spillway.errors import SpillwayError
from spillway.target.options import Target, with_target
from spillway.ui.options import JsonOption, print_result

if TYPE_CHECKING:
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


@with_target
def redrive(
    queue: Annotated[
        Queue | None, typer.Argument(help="Whose dead letters; all when left out.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the dead letters and why; move none.")
    ] = False,
    as_json: JsonOption = False,
    *,
    target: Target,
) -> None:
    """Show why messages are in the dead-letter queues, and move them back to be tried again.

    Writes: it moves messages; --dry-run moves none. Fix the cause first. It moves what is there
    when it starts, each message once, and deletes a message only after its queue has taken it. Safe
    to interrupt, to repeat, and while orders come in: nothing is lost and no step takes effect
    twice. Exits with 1 if a message could not be moved.

    Example: `spillway redrive inventory --dry-run`
    """
    from spillway.operate.redrive.dead_letters import SOURCES
    from spillway.operate.redrive.looking import work
    from spillway.operate.redrive.report import Report, document, show

    names = SOURCES if queue is None else [queue.value]
    started = work(target.reach(), names, dry_run=dry_run)
    interrupted = _run(started)
    report = Report(list(started.found.values()), dry_run=dry_run, interrupted=interrupted)
    print_result(report, as_json=as_json, document=document, show=show)
    if interrupted:
        raise typer.Exit(_INTERRUPTED_STATUS)
    if any(one.not_moved for one in report.found):
        raise typer.Exit(1)


def _run(work: "Redrive") -> bool:
    """Do the work below a progress bar; true when Ctrl+C ended it."""
    from botocore.exceptions import BotoCoreError, ClientError

    from spillway.ui.progress import bar

    try:
        with bar("Dead letters") as progress:
            progress.reach(0, work.count())
            work.run(progress.advance)
    except KeyboardInterrupt:
        return True
    except (BotoCoreError, ClientError) as error:
        moved = sum(one.moved for one in work.found.values())
        raise SpillwayError(
            f"The queues stopped answering after {moved} dead letters were moved"
            f" ({type(error).__name__}): nothing is lost, run `spillway redrive` again."
        ) from error
    return False
