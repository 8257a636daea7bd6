"""`spillway redrive`: its options. Everything heavy is imported when it runs."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from spillway.errors import INTERRUPTED, SpillwayError, UsageError
from spillway.target.options import Target, with_target
from spillway.ui.options import JsonOption, print_json, print_result

if TYPE_CHECKING:
    from spillway.operate.redrive.moving import Redrive
    from spillway.target.service import Service

#: Where dead letters came from; see `dead_letters.SOURCES`.
Queue = StrEnum(
    "Queue",
    [
        "inventory",
        "fulfilment",
        "accounting",
        "overflow",
        "watchdog",
        "relay",
        "outcomes-inventory",
        "outcomes-fulfilment",
        "outcomes-accounting",
    ],
)


@with_target
def redrive(
    target: Target,
    queue: Annotated[
        Queue | None,
        typer.Argument(metavar="QUEUE", help="The queue that they came from; without it, all."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the dead letters and why; move none.")
    ] = False,
    set_aside: Annotated[
        str | None,
        typer.Option(
            "--set-aside",
            metavar="MESSAGE_ID",
            help="Keep this one message in a file here, and delete it from QUEUE's dead letters.",
        ),
    ] = None,
    reason: Annotated[
        str, typer.Option("--reason", help="With --set-aside: why; it is kept with the message.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Show why messages are in the dead-letter queues, and move them back to be tried again.

    Writes: it moves messages; --dry-run moves none. Fix the cause first. It moves what is there
    when it starts, each message once, and deletes a message only after its queue has taken it. Safe
    to interrupt, to repeat, and while orders come in: nothing is lost and no step takes effect
    twice. Exits with 1 if a message could not be moved. --dry-run --json has each message, masked.
    --set-aside is for a message that no retry can help; one that an order still needs is refused.

    Example: `spillway redrive inventory --dry-run`
    """
    from spillway.operate.redrive.dead_letters import sources_in
    from spillway.operate.redrive.moving import redrive_of
    from spillway.operate.redrive.report import document, show

    if set_aside is not None:
        _set_aside(target, queue, set_aside, reason, as_json=as_json)
        return
    service = target.reach()
    names = sources_in(service.queues) if queue is None else [queue.value]
    work = redrive_of(service, names, dry_run=dry_run)
    _run(work)
    print_result(work, as_json=as_json, document=document, show=show)
    if dry_run and not as_json:
        _name_what_was_set_aside(service)
    if work.interrupted:
        raise typer.Exit(INTERRUPTED)
    if any(found.not_moved for found in work.found.values()):
        raise typer.Exit(1)


def _set_aside(
    target: Target, queue: Queue | None, message_id: str, reason: str, *, as_json: bool
) -> None:
    from dataclasses import asdict

    from spillway.operate.redrive.setting_aside import set_aside

    if queue is None:
        raise UsageError("Name the message's QUEUE too: `spillway redrive --dry-run` shows it.")
    if not reason.strip():
        raise UsageError("Say with --reason why it is set aside.")
    done = set_aside(target.reach(), queue.value, message_id, reason)
    if as_json:
        print_json({**asdict(done), "path": str(done.path)})
    else:
        typer.echo(f"Set aside: {done.path} has the whole message now.")


def _name_what_was_set_aside(service: "Service") -> None:
    from spillway.operate.redrive.setting_aside import set_aside_before
    from spillway.ui.formatting import counted

    before = set_aside_before(service)
    if before:
        number = counted(len(before), "message was", "messages were")
        typer.echo(f"{number} set aside before, and can be read in {before[0].path.parent}.")


def _run(work: "Redrive") -> None:
    """Do the work below a progress bar, until its end or Ctrl+C."""
    from botocore.exceptions import BotoCoreError, ClientError

    from spillway.target.unreachable import why_silent
    from spillway.ui.progress import bar

    try:
        with bar("Dead letters") as progress:
            work.run(progress.reach)
    except KeyboardInterrupt:
        work.interrupted = True
    except (BotoCoreError, ClientError) as error:
        raise SpillwayError(
            f"The queues stopped answering after {work.moved} dead letters were moved"
            f" ({why_silent(error)}): nothing is lost, run `spillway redrive` again."
        ) from error
