"""The `spillway migrate` commands. Heavy modules are imported when a command runs."""

import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from spillway.errors import INTERRUPTED, SpillwayError, UsageError, why_not
from spillway.ui.options import JsonOption, print_result

if TYPE_CHECKING:
    from spillway.migrate.running import Parts

migrate = typer.Typer(
    help="Move orders from an older MySQL database, with no downtime and no lost order.",
    epilog="Exit codes: 0 done; 1 looked at, and the answer is no; 2 wrong usage or configuration;"
    " 3 it could not be done or said; 130 stopped, it continues where it was.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)

_Config = Annotated[
    Path,
    typer.Option("--config", "-c", metavar="FILE", help="The migration's configuration (TOML)."),
]
_UntilCaughtUp = Annotated[
    bool,
    typer.Option("--until-caught-up", help="Stop when every change so far is written."),
]
_DEFAULT = Path("migration.toml")


@migrate.command()
def init(
    table: Annotated[str, typer.Option("--table", metavar="NAME", help="The orders' table.")],
    url_variable: Annotated[
        str | None,
        typer.Option(
            "--url-variable", metavar="NAME", help="The environment variable with the URL."
        ),
    ] = None,
    option_file: Annotated[
        str | None,
        typer.Option(
            "--option-file", metavar="FILE", help="Or a MySQL option file with a group [client]."
        ),
    ] = None,
    tls: Annotated[bool, typer.Option(help="Check the server's certificate.")] = True,
    config: Annotated[
        Path,
        typer.Option("--config", "-c", metavar="FILE", help="The file to write (TOML)."),
    ] = _DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Look at the old table and write a first configuration, with the reason for each guess.

    Reads descriptions, some rows, and which words stand in columns such as the status. What only
    you can know stays TODO and is named at the end. Replaces no file.

    Example: spillway migrate init --url-variable OLD_SHOP --table orders
    """
    from spillway.migrate import terminal
    from spillway.migrate.config import Source
    from spillway.migrate.old.connection import account, connected
    from spillway.migrate.proposing.choosing import Connection
    from spillway.migrate.proposing.guessing import propose
    from spillway.migrate.proposing.looking import look
    from spillway.ui.options import check_writable

    if (url_variable is None) == (option_file is None):
        raise typer.BadParameter("name either --url-variable or --option-file")
    check_writable(config)
    if config.exists():
        raise UsageError(f"{config} is there already: move it away, or name another with --config.")
    how: Literal["verify", "off"] = "verify" if tls else "off"
    source = Source(
        table=table,
        shape="row_per_order",
        time_zone="UTC",
        url_variable=url_variable,
        option_file=option_file,
        tls=how,
    )
    with connected(account(source, os.environ)) as connection:
        looked = look(connection, table)
    proposal = propose(looked, Connection(url_variable, option_file, how))
    try:
        with config.open("x", encoding="utf-8") as file:
            file.write(proposal.text)
    except OSError as error:
        raise UsageError(f"{config} cannot be written: {why_not(error)}.") from error
    print_result(
        proposal,
        as_json=as_json,
        document=lambda made: {"file": str(config), **asdict(made)},
        show=lambda made, console: terminal.show_proposal(made, config, console),
    )


@migrate.command()
def check(
    config: _Config = _DEFAULT,
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
    from spillway.ui.progress import bar

    with _parts(config) as parts, bar("Reading the old table", unwatched=True) as shown:
        profile = Check(parts, shown.reach).run(rows_max)
    print_result(profile, as_json=as_json, document=document, show=terminal.show_profile)
    if profile.blockers:
        raise typer.Exit(1)


@migrate.command()
def copy(
    config: _Config = _DEFAULT,
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
    from spillway.migrate.copying import Copy
    from spillway.ui.progress import bar

    if again and quarantined:
        raise typer.BadParameter("--again retries the quarantine too: leave out --quarantined")

    with _parts(config) as parts:
        parts.state.make_table()
        total = parts.old_side().count()
        done = 0 if again or quarantined else parts.state.standing().copied
        # The copy makes hardly any garbage in cycles: searching for it as often as Python does by
        # default takes a twenty-fifth of the time.
        gc.set_threshold(20_000)
        with _interruptible("copy"), bar("Orders", total, unwatched=True) as shown:
            shown.reach(done, total)
            work = Copy(parts, partial(terminal.copied, shown, parts.writer))
            tally = work.run_quarantined() if quarantined else work.run(again=again)
    counts, file = parts.writer.counts, parts.config.quarantine_file
    print_result(
        tally,
        as_json=as_json,
        document=lambda tally: {**asdict(tally), **counts},
        show=lambda tally, console: terminal.show_tally(tally, counts, file, console),
    )


@migrate.command()
def follow(config: _Config = _DEFAULT, until_caught_up: _UntilCaughtUp = False) -> None:
    """Copy every change of the old table, from where the copy began, until Ctrl+C.

    Shows the lag. After a restart of the old database or of this machine it continues where it
    was. Exits with 0 when the switch is made.

    Example: spillway migrate follow --config migration.toml
    """
    from spillway.migrate import terminal
    from spillway.migrate.following import Follow
    from spillway.migrate.new.state import Switched
    from spillway.ui.progress import bar

    with (
        _parts(config) as parts,
        _interruptible("follow"),
        bar("Connecting", unwatched=True) as shown,
    ):
        try:
            Follow(parts, partial(terminal.followed, shown)).run(until_caught_up=until_caught_up)
        except Switched as end:
            typer.echo(str(end), err=True)


@migrate.command()
def verify(
    config: _Config = _DEFAULT,
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

    Shares no code with the copy, and names of each order that differs the column and both values.
    The shop can stay open while `follow` runs: an order that seems to differ is read again after
    `follow` has caught up. Run it each night: only this proves that all changes arrive.

    Exit codes: 0 both are equal; 1 they differ; 3 it can't be said, and the last line says why:
    `follow` does not run or does not catch up, orders changed whenever they were read, the copy is
    not complete, or a database does not answer.

    Example: spillway migrate verify --sample 10000
    """
    from spillway.migrate import terminal
    from spillway.migrate.new.state import comparable
    from spillway.ui.progress import bar

    if back and sample is not None:
        raise typer.BadParameter("--back compares everything: leave out --sample")

    with _parts(config) as parts:
        comparable(parts.state.standing().phase, back=back)
        with bar("Reading the old table", unwatched=True) as shown:
            on_progress = partial(terminal.compared, shown)
            if back:
                verdict = parts.verify_back(on_progress).run()
            else:
                verdict = parts.verify(on_progress).compare(sample)
        print_result(
            verdict, as_json=as_json, document=terminal.verdict_document, show=terminal.show_verdict
        )
        parts.note(verdict, back=back)
    if verdict.result != "equal":
        raise typer.Exit(1 if verdict.result == "differs" else SpillwayError.exit_code)


@migrate.command()
def status(config: _Config = _DEFAULT, as_json: JsonOption = False) -> None:
    """Show how far the migration is: copy, follow with its lag, quarantine, the last verify.

    Reads the migration's own table alone, so it also works while the old database is away. Exits
    with 1 if something needs a person, and says what.

    Example: spillway migrate status --json
    """
    from spillway.migrate import terminal
    from spillway.migrate.config import read_config
    from spillway.migrate.running import place_for
    from spillway.migrate.status import read_status
    from spillway.target.options import explain_unreachable

    with explain_unreachable():
        known = read_config(config)
        found = read_status(place_for(known.target).state())
    print_result(
        found, as_json=as_json, document=terminal.status_document, show=terminal.show_status
    )
    if found.needs:
        raise typer.Exit(1)


@migrate.command()
def cutover(
    config: _Config = _DEFAULT,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Go through the checklist and change nothing.")
    ] = False,
    hand_over: Annotated[
        bool, typer.Option("--hand-over", help="Let the new service finish open orders.")
    ] = False,
    read_only_confirmed: Annotated[
        bool,
        typer.Option(
            "--read-only-confirmed", help="For scripts: you have made the old shop read-only."
        ),
    ] = False,
    accepted: Annotated[
        list[str] | None,
        typer.Option(
            "--accept-quarantined",
            metavar="RULE",
            help="Switch although orders are in quarantine by this rule; repeat it for others.",
        ),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(min=1, help="Verify this many orders instead of all while the shop waits."),
    ] = None,
) -> None:
    """Switch over, step by step: read-only, no lag, verified, switched, open orders handed over.

    Each step is checked against the databases. The first step that fails stops the cutover, and
    the old service is unchanged. Rehearse with --dry-run. `follow` must be running. A cutover that
    was stopped after the switch goes on when you run it again. Exits with 1 if a step fails.

    Example: spillway migrate cutover --dry-run
    """
    from spillway.migrate import terminal
    from spillway.migrate.cutting_over import Cutover

    def confirmed(table: str) -> bool:
        if read_only_confirmed or not sys.stdin.isatty():
            return read_only_confirmed
        question = f"Is the table {table} read-only now, for the old shop too? Type its name"
        return bool(typer.prompt(question, default="", show_default=False, err=True) == table)

    with _parts(config) as parts, _interruptible("cutover"):
        work = Cutover(
            parts,
            terminal.on_step(),
            confirmed,
            dry_run,
            hand_over,
            frozenset(accepted or ()),
            sample,
        )
        done = work.run()
    if not done:
        raise typer.Exit(1)


@migrate.command()
def back(
    config: _Config = _DEFAULT,
    until_caught_up: _UntilCaughtUp = False,
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
    from spillway.migrate.back.going_back import GoBack
    from spillway.ui.progress import bar

    with (
        _parts(config) as parts,
        _interruptible("back"),
        bar("Reading the stream", unwatched=True) as shown,
    ):
        work = GoBack(parts, partial(terminal.written_back, shown))
        work.run(until_caught_up=until_caught_up, resync=resync)
    if work.waiting:
        file = parts.config.quarantine_file
        listed = ", ".join(f"{count:,} {rule}" for rule, count in work.waiting.items())
        typer.echo(
            f"{sum(work.waiting.values()):,} orders wait ({listed}): {file} says why. `back`"
            " writes each as soon as the old table can hold it.",
            err=True,
        )
        raise typer.Exit(1)


@contextmanager
def _parts(config: Path) -> Iterator["Parts"]:
    from spillway.migrate.config import read_config
    from spillway.migrate.running import assembled, place_for
    from spillway.target.options import explain_unreachable

    with explain_unreachable():
        known = read_config(config)
        with assembled(known, place_for(known.target), os.environ) as parts:
            yield parts


@contextmanager
def _interruptible(command: str) -> Iterator[None]:
    """Ctrl+C, and the SIGTERM of a service manager, end the command cleanly."""
    former = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"Stopped: `spillway migrate {command}` continues where it was.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGTERM, former)
