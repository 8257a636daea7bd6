"""`spillway migrate`: its commands. Everything heavy is imported when one runs."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from spillway.migrate.running import Parts

#: What a shell reports of a program that Ctrl+C ended.
_INTERRUPTED_STATUS = 130

migrate = typer.Typer(
    help="Bring the orders of an older MySQL database over, with no downtime and no order lost.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)

_CONFIG = Annotated[
    Path,
    typer.Option("--config", "-c", metavar="FILE", help="The migration's configuration, in TOML."),
]
_JSON = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
_DEFAULT = Path("migration.toml")


@migrate.command()
def check(
    config: _CONFIG = _DEFAULT,
    as_json: _JSON = False,
    rows_max: Annotated[
        int | None,
        typer.Option("--rows", min=1, help="Read only so many rows; all when left out."),
    ] = None,
) -> None:
    """Say what would be brought over, what would not and why, and what it takes. Changes nothing.

    Reads the old table once, in a session that cannot write, and asks the server about grants,
    binary log, character sets and foreign keys. Exits with 1 when something must be mended first.

    Example: spillway migrate check --config migration.toml --rows 100000
    """
    from spillway.migrate import terminal
    from spillway.migrate.checking import Check, document

    with _parts(config) as (parts, console), terminal.checking(console) as on_progress:
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
    as_json: _JSON = False,
    again: Annotated[
        bool,
        typer.Option("--again", help="Go over everything once more and write what differs."),
    ] = False,
    quarantined: Annotated[
        bool, typer.Option("--quarantined", help="Try only the orders in quarantine again.")
    ] = False,
) -> None:
    """Bring every order over, from a snapshot whose place in the binary log is noted.

    Fine to interrupt or kill at any moment: started again, it goes on where it was. An order that
    is brought over never makes anything happen: no stock is reserved, nothing ships, no event.

    Example: spillway migrate copy --config migration.toml
    """
    from spillway.migrate import terminal

    if again and quarantined:
        raise typer.BadParameter("--again tries those in quarantine too: leave --quarantined out")

    with _parts(config) as (parts, console):
        parts.state.make_table()
        total = parts.old_side().count()
        done = parts.state.standing().copied if not (again or quarantined) else 0
        with terminal.copying(console, total, done, parts.writer) as on_progress:
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
        typer.Option("--until-caught-up", help="End when all that has happened so far is written."),
    ] = False,
) -> None:
    """Bring over what changes in the old table, from the place where the copy began, until Ctrl+C.

    Shows how far behind it is. Survives restarts of the old database and of this machine, and goes
    on where it was. Ends by itself, with 0, when the switch is made.

    Example: spillway migrate follow --config migration.toml
    """
    from spillway.migrate import terminal
    from spillway.migrate.state import Switched

    with _parts(config) as (parts, console), terminal.following(console) as on_lag:
        work = parts.follow(on_lag)
        try:
            with _interruptible("follow"):
                work.run(until_caught_up=until_caught_up)
        except Switched as end:
            console.print(str(end))


@migrate.command()
def verify(
    config: _CONFIG = _DEFAULT,
    as_json: _JSON = False,
    sample: Annotated[
        int | None,
        typer.Option(min=1, help="Compare so many orders, chosen at random, instead of all."),
    ] = None,
    back: Annotated[
        bool, typer.Option("--back", help="After the switch: that the old table has it all.")
    ] = False,
) -> None:
    """Read both sides anew, compare them order by order, and name every difference.

    Shares no code with the copy. Fine while the shop goes on: what seems to differ is looked at
    again once `follow` has passed it. Exits with 1 when something differs.

    Example: spillway migrate verify --sample 10000
    """
    from spillway.migrate import terminal

    if back and sample is not None:
        raise typer.BadParameter("--back compares everything: leave --sample out")

    with _parts(config) as (parts, console), terminal.verifying(console) as on_progress:
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
        bool, typer.Option("--dry-run", help="Go through the list as far as nothing is changed.")
    ] = False,
    hand_over: Annotated[
        bool, typer.Option("--hand-over", help="Have the new service finish the open orders.")
    ] = False,
    accept_quarantined: Annotated[
        bool, typer.Option("--accept-quarantined", help="Switch although orders are in quarantine.")
    ] = False,
    sample: Annotated[
        int | None,
        typer.Option(min=1, help="Verify so many orders instead of all, while the shop waits."),
    ] = None,
) -> None:
    """The switch, step by step: read-only, lag zero, verified, switched, open orders handed over.

    Each step is checked, not believed; at the first that fails it stops, and the old service is
    what it was. Rehearse it with --dry-run as often as you like. `follow` must be running.

    Example: spillway migrate cutover --dry-run
    """
    from spillway.migrate import terminal
    from spillway.migrate.cutting_over import Cutover, CutoverOptions

    options = CutoverOptions(dry_run, hand_over, accept_quarantined, sample)
    with _parts(config) as (parts, console):
        work = Cutover(parts, options, terminal.on_step(console))
        with _interruptible("cutover"):
            switched = work.run()
    if not switched and not dry_run:
        raise typer.Exit(1)


@migrate.command()
def back(
    config: _CONFIG = _DEFAULT,
    until_caught_up: Annotated[
        bool,
        typer.Option("--until-caught-up", help="End when all that has happened so far is written."),
    ] = False,
    resync: Annotated[
        bool,
        typer.Option("--resync", help="Go over the whole orders table first: after a gap of 24 h."),
    ] = False,
) -> None:
    """After the switch: write new and changed orders into the old table, until Ctrl+C.

    As long as this runs, you can return to the old service and lose nothing. It reads the orders
    table's stream, which keeps changes for 24 h: it must not stand still for longer.

    Example: spillway migrate back --config migration.toml
    """
    from spillway.migrate import terminal

    with _parts(config) as (parts, console), terminal.going_back(console) as on_progress:
        work = parts.back(on_progress)
        with _interruptible("back"):
            work.run(until_caught_up=until_caught_up, resync=resync)


@contextmanager
def _parts(config: Path) -> Iterator[tuple["Parts", "Console"]]:
    from botocore.exceptions import BotoCoreError, ClientError
    from rich.console import Console

    from spillway.errors import SpillwayError
    from spillway.migrate.config import read_config
    from spillway.migrate.running import parts

    try:
        with parts(read_config(config)) as made:
            yield made, Console(stderr=True, highlight=False)
    except (BotoCoreError, ClientError) as error:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
        raise SpillwayError(
            f"AWS did not do what was asked ({code or type(error).__name__}): mend that and start"
            " the command again, it goes on where it was."
        ) from error


@contextmanager
def _interruptible(command: str) -> Iterator[None]:
    """Ctrl+C, and the SIGTERM of a service manager, end the command cleanly."""
    former = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"Ended: `spillway migrate {command}` goes on where it was.", err=True)
        raise typer.Exit(_INTERRUPTED_STATUS) from None
    finally:
        signal.signal(signal.SIGTERM, former)
