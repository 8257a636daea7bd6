"""`spillway status`: its options. Everything heavy is imported when it runs."""

import time
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from spillway.errors import UsageError
from spillway.target.options import Target, with_target
from spillway.ui.options import JsonOption, print_result

if TYPE_CHECKING:
    from spillway.operate.status.state import Status
    from spillway.target.service import Service

#: How often a watched status is read on this machine, and on AWS, where each request counts.
WATCH_SECONDS = 1.0
WATCH_AWS_SECONDS = 15.0


@with_target
def status(
    target: Target,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Keep it up to date, until Ctrl+C.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show a running service: what waits before each function, and the state of each promise.

    Changes nothing. Exits with 1 while an alarm rings, or a function's trigger is off.

    Example: `spillway status --watch`
    """
    from spillway.operate.status.view import document, view

    if watch and as_json:
        raise UsageError("--watch is for people: with --json run the command again and again.")
    service = target.reach()
    if watch:
        _watch(service)
        return
    now = _read(service)
    print_result(
        now,
        as_json=as_json,
        document=partial(document, stage=service.stage),
        show=lambda status, console: console.print(view(status, service)),
    )
    if now.ringing or now.stopped:
        raise typer.Exit(1)


def _read(service: "Service") -> "Status":
    from spillway.operate.status.alarms import read_alarms
    from spillway.operate.status.parts import read_parts
    from spillway.operate.status.state import status_of

    now = time.time()
    return status_of(service, now, read_parts(service, now), read_alarms(service))


def _watch(service: "Service") -> None:
    from rich.live import Live

    from spillway.operate.status.view import view
    from spillway.ui.terminal import terminal

    pause = WATCH_SECONDS if service.emulator is not None else WATCH_AWS_SECONDS
    console = terminal()
    with Live(console=console, auto_refresh=False) as live:
        while True:
            live.update(view(_read(service), service), refresh=True)
            time.sleep(pause)
