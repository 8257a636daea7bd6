"""The command line `spillway`: each command has its own module, and this one joins them."""

import os
import sys
import traceback
from typing import Annotated

import typer

from spillway.errors import SpillwayError
from spillway.migrate.command import migrate
from spillway.operate.console.command import console
from spillway.operate.coupons.command import coupons
from spillway.operate.customers.command import customers
from spillway.operate.doctor.command import doctor
from spillway.operate.logs.command import logs
from spillway.operate.orders.command import orders
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

# Markdown, so that examples stay on lines of their own.
app = typer.Typer(
    name="spillway",
    help="Run, operate and test the Spillway order service.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
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


@app.callback()
def _debug(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where an error comes from (or SPILLWAY_DEBUG=1).")
    ] = False,
) -> None:
    if debug:
        os.environ["SPILLWAY_DEBUG"] = "1"


def main() -> None:
    """Run the command line: exit status 0, 1 for an error or a broken promise, 2 for bad usage."""
    try:
        app()
    except SpillwayError as error:
        _fail(str(error))
    except Exception as bug:  # noqa: BLE001
        # A person reads it, so a bug too is one sentence.
        _fail(f"This is a bug in Spillway ({type(bug).__name__}: {bug}): --debug shows where.")


def _fail(sentence: str) -> None:
    if os.environ.get("SPILLWAY_DEBUG") == "1":
        traceback.print_exc()
    typer.secho(sentence, fg="red", err=True)
    sys.exit(1)
