"""The command line `spillway`: each command has its own module, and this one joins them."""

import errno
import io
import json
import os
import re
import sys
import traceback
from importlib.metadata import version
from typing import Annotated, Any, NoReturn

import typer
from typer.exceptions import TyperException

from spillway.errors import INTERRUPTED, READER_GONE, SpillwayError, UsageError
from spillway.migrate.command import migrate
from spillway.operate.console.command import console
from spillway.operate.coupons.command import coupons
from spillway.operate.customers.command import customers
from spillway.operate.doctor.command import doctor
from spillway.operate.downstreams.command import downstreams
from spillway.operate.logs.command import logs
from spillway.operate.orders.command import orders
from spillway.operate.payments.command import payments
from spillway.operate.prices.command import prices
from spillway.operate.publish.command import publish
from spillway.operate.redrive.command import redrive
from spillway.operate.restore.command import restore
from spillway.operate.smoke.command import smoke
from spillway.operate.status.command import status
from spillway.plan.capacity.command import capacity
from spillway.plan.cost.command import cost
from spillway.prove.audit.command import audit
from spillway.prove.chaos.command import chaos
from spillway.prove.demo.command import demo
from spillway.prove.simulate.command import simulate
from spillway.run.commands import down, token, up

#: What a terminal may show: with NO_COLOR no styles at all (see `spillway.ui.terminal`).
_COLOR = False if os.environ.get("NO_COLOR") else None

# Markdown, so that examples stay on lines of their own.
app = typer.Typer(
    name="spillway",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "color": _COLOR},
)
for command in (
    *(up, down, token, demo, status, logs, console, chaos, redrive, publish, audit),
    *(simulate, smoke, doctor, restore, cost, capacity),
):
    app.command()(command)
app.add_typer(orders, name="orders")
app.add_typer(migrate, name="migrate")
app.add_typer(customers, name="customers")
app.add_typer(prices, name="prices")
app.add_typer(coupons, name="coupons")
app.add_typer(downstreams, name="downstreams")
app.add_typer(payments, name="payments")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("spillway"))
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where an error comes from (or SPILLWAY_DEBUG=1).")
    ] = False,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Run, operate and test the Spillway order service.

    Exit codes: 0 all is well; 1 it was looked at, and a promise is broken or a check failed; 2 bad
    usage; 3 it could not be looked at or done; 130 interrupted; 141 nobody reads the output any
    more. With --json, an error is an object with `error` on standard output too.
    """
    if debug:
        os.environ["SPILLWAY_DEBUG"] = "1"


def main() -> None:
    """Run the command line, and exit with one of the codes that its help explains."""
    if _COLOR is False:
        from typer import rich_utils

        rich_utils.COLOR_SYSTEM = None
    try:
        status = app(standalone_mode=False)
    except TyperException as error:
        _show_usage_error(error)
        _fail(error.format_message(), UsageError.exit_code, shown=True)
    except SpillwayError as error:
        _fail(str(error), error.exit_code)
    except typer.Abort:
        _fail("Nothing was done.", INTERRUPTED)
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):
            # 1 would say that something was found wrong.
            sys.exit(READER_GONE)
        raise
    except OSError as error:
        if error.errno != errno.ENOSPC:
            _fail_of_bug(error)
        sys.stdout = io.StringIO()
        _fail("The output could not be written, because its disk is full: free some space.", 3)
    except Exception as bug:  # noqa: BLE001
        _fail_of_bug(bug)
    sys.exit(status if isinstance(status, int) else 0)


#: A library's words for what was typed, and ours.
_PLAINLY = (
    (r"^Value error, ", ""),
    (r"Input should be a valid integer.*", "a whole number is needed here"),
    (r"Input should be a valid (?:number|decimal).*", "a number is needed here"),
    (r"Input should be greater than or equal to (\S+)", r"it must be at least \1"),
    (r"Input should be less than or equal to (\S+)", r"it must be at most \1"),
    (r"Input should be greater than (\S+)", r"it must be more than \1"),
    (r"Input should be less than (\S+)", r"it must be less than \1"),
)


def _show_usage_error(error: Any) -> None:
    from typer.rich_utils import rich_format_error

    for theirs, ours in _PLAINLY:
        error.message = re.sub(theirs, ours, error.message)
    rich_format_error(error)


def _fail_of_bug(bug: Exception) -> NoReturn:
    """A person reads it, so a bug too is one sentence."""
    _fail(f"This is a bug in Spillway ({type(bug).__name__}: {bug}): --debug shows where.", 3)


def _fail(sentence: str, exit_code: int, *, shown: bool = False) -> NoReturn:
    if os.environ.get("SPILLWAY_DEBUG") == "1":
        traceback.print_exc()
    if not shown:
        typer.secho(sentence, fg="red", err=True, color=_COLOR)
    if "--json" in sys.argv[1:]:
        # A script that parses the output gets an object, whatever happens.
        typer.echo(json.dumps({"error": sentence}))
    sys.exit(exit_code)
