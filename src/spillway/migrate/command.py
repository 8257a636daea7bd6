"""The `spillway migrate` commands. Heavy modules are imported when a command runs."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spillway.ui.options import JsonOption

if TYPE_CHECKING:
    from spillway.migrate.running import Parts

#: What a shell reports of a program that Ctrl+C ended.
_INTERRUPTED_STATUS = 130

migrate = typer.Typer(
    help="Move orders from an older MySQL database, with no downtime and no lost order.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)

_CONFIG = Annotated[
    Path,
    typer.Option("--config", "-c", metavar="FILE", help="The migration's configuration (TOML)."),
]
_DEFAULT = Path("migration.toml")


@migrate.command()
def check(
    config: _CONFIG = _DEFAULT,
    as_json: JsonOption = False,
    rows_max: Annotated[
        int | None,
        typer.Option("--rows", min=1, help="Read at most this many rows; by default all."),
    ] = None,
) -> None:
    """Report which orders would migrate, which would not and why, and the effort. Writes nothing.

    Reads the old table once, in a read-only session, and checks the server's grants, binary log,
    character sets and foreign keys. Exits with 1 if something must be fixed first.

    Example: spillway migrate check --config migration.toml --rows 100000
    """
    from spillway.migrate import terminal
    from spillway.migrate.checking import Check, document

    with _parts(config) as parts, terminal.checking() as on_progress:
        profile = Check(parts, on_progress).run(rows_max)
    if as_json:
        typer.echo(json.dumps(document(profile), indent=2))
    else:
        terminal.show_profile(profile)
    if profile.blockers:
        raise typer.Exit(1)


@migrate.command()
def copy(
    config: _CONFIG = _DEFAULT,
    as_json: JsonOption = False,
    again: Annotated[
        bool,
        typer.Option("--again", help="Read everything again and write what differs."),
    ] = False,
    quarantined: Annotated[
        bool, typer.Option("--quarantined", help="Retry only the orders in quarantine.")
    ] = False,
) -> None:
    """Copy every order, from a snapshot, and note the snapshot's position in the binary log.

    You can interrupt or kill it at any moment; the next run continues from there. A migrated order
    triggers nothing: no reservation, no shipment, no event.

    Example: spillway migrate copy --config migration.toml
    """
    from spillway.migrate import terminal

    if again and quarantined:
        raise typer.BadParameter("--again retries the quarantine too: leave out --quarantined")

    with _parts(config) as parts:
        parts.state.make_table()
        total = parts.old_side().count()
        done = parts.state.standing().copied if not (again or quarantined) else 0
        with terminal.copying(total, done, parts.writer) as on_progress:
            work = parts.copy(on_progress)
            run = work.run_again if again else work.run_quarantined if quarantined else work.run
            with _interruptible("copy"):
                tally = run()
    if as_json:
        typer.echo(json.dumps(terminal.tally_document(tally, parts.writer.counts)))
    else:
        terminal.show_tally(tally, parts.writer.counts, parts.config.quarantine_file)


@migrate.command()
def follow(
    config: _CONFIG = _DEFAULT,
    until_caught_up: Annotated[
        bool,
        typer.Option("--until-caught-up", help="Stop when every change so far is written."),
    ] = False,
) -> None:
    """Copy every change of the old table, from where the copy began, until Ctrl+C.

    Shows the lag. After a restart of the old database or of this machine it continues where it
    was. Exits with 0 when the switch is made.

    Example: spillway migrate follow --config migration.toml
    """
    from spillway.migrate import terminal
    from spillway.migrate.state import Switched

    with _parts(config) as parts, terminal.following() as on_lag:
        work = parts.follow(on_lag)
        try:
            with _interruptible("follow"):
                work.run(until_caught_up=until_caught_up)
        except Switched as end:
            typer.echo(str(end), err=True)


@migrate.command()
def verify(
    config: _CONFIG = _DEFAULT,
    as_json: JsonOption = False,
    sample: Annotated[
        int | None,
        typer.Option(min=1, help="Compare this many random orders instead of all."),
    ] = None,
    back: Annotated[
        bool,
        typer.Option("--back", help="After the switch: check that the old table has everything."),
    ] = False,
) -> None:
    """Read both tables, compare them order by order, and report every difference.

    Shares no code with the copy. The shop can stay open: an order that seems to differ is read
    again after `follow` has caught up. Exits with 1 if something differs.

    Example: spillway migrate verify --sample 10000
    """
    from spillway.migrate import terminal

    if back and sample is not None:
        raise typer.BadParameter("--back compares everything: leave out --sample")

    with _parts(config) as parts, terminal.verifying() as on_progress:
        if back:
            verdict = parts.verify_back(on_progress).run()
        else:
            parts.before_the_switch()
            work = parts.verify(on_progress)
            verdict = work.whole() if sample is None else work.sample(sample)
    if as_json:
        typer.echo(json.dumps(terminal.verdict_document(verdict), indent=2))
    else:
        terminal.show_verdict(verdict)
    if not verdict.clean:
        raise typer.Exit(1)


@migrate.command()
def cutover(
    config: _CONFIG = _DEFAULT,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Go through the checklist and change nothing.")
    ] = False,
    hand_over: Annotated[
        bool, typer.Option("--hand-over", help="Let the new service finish open orders.")
    ] = False,
    accept_quarantined: Annotated[
        bool, typer.Option("--accept-quarantined", help="Switch even if orders are in quarantine.")
    ] = False,
    sample: Annotated[
        int | None,
        typer.Option(min=1, help="Verify this many orders instead of all while the shop waits."),
    ] = None,
) -> None:
    """Switch over, step by step: read-only, no lag, verified, switched, open orders handed over.

    Each step is checked against the databases. The first step that fails stops the cutover, and
    the old service is unchanged. Rehearse with --dry-run. `follow` must be running.

    Example: spillway migrate cutover --dry-run
    """
    from spillway.migrate import terminal
    from spillway.migrate.cutting_over import Cutover, CutoverOptions

    options = CutoverOptions(dry_run, hand_over, accept_quarantined, sample)
    with _parts(config) as parts:
        work = Cutover(parts, options, terminal.on_step())
        with _interruptible("cutover"):
            switched = work.run()
    if not switched and not dry_run:
        raise typer.Exit(1)


@migrate.command()
def back(
    config: _CONFIG = _DEFAULT,
    until_caught_up: Annotated[
        bool,
        typer.Option("--until-caught-up", help="Stop when every change so far is written."),
    ] = False,
    resync: Annotated[
        bool,
        typer.Option("--resync", help="Read the whole orders table first: after a gap of 24 h."),
    ] = False,
) -> None:
    """After the switch: write new and changed orders to the old table, until Ctrl+C.

    While this runs you can return to the old service and lose nothing. It reads the orders table's
    stream, which keeps changes for 24 h: do not stop it for longer.

    Example: spillway migrate back --config migration.toml
    """
    from spillway.migrate import terminal

    with _parts(config) as parts, terminal.going_back() as on_progress:
        work = parts.back(on_progress)
        with _interruptible("back"):
            work.run(until_caught_up=until_caught_up, resync=resync)


@contextmanager
def _parts(config: Path) -> Iterator["Parts"]:
    from botocore.exceptions import BotoCoreError, ClientError

    from spillway.errors import SpillwayError
    from spillway.migrate.config import read_config
    from spillway.migrate.running import parts

    try:
        with parts(read_config(config)) as made:
            yield made
    except (BotoCoreError, ClientError) as error:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
        raise SpillwayError(
            f"AWS refused or did not answer ({code or type(error).__name__}): fix that and run the"
            " command again; it continues where it was."
        ) from error


@contextmanager
def _interruptible(command: str) -> Iterator[None]:
    """Ctrl+C, and the SIGTERM of a service manager, end the command cleanly."""
    former = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"Stopped: `spillway migrate {command}` continues where it was.", err=True)
        raise typer.Exit(_INTERRUPTED_STATUS) from None
    finally:
        signal.signal(signal.SIGTERM, former)
