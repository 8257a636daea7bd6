"""`spillway status`: its options. Everything heavy is imported when it runs."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from spillway.target.options import Target, with_target
from spillway.ui.options import JsonOption, print_result

if TYPE_CHECKING:
    from spillway.operate.status.view import State
    from spillway.target.service import Service

#: How often a watched status is read on this machine, and on AWS, where each request counts.
WATCH_SECONDS = 1.0
WATCH_AWS_SECONDS = 15.0


@with_target
def status(
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Keep it up to date, until Ctrl+C.")
    ] = False,
    as_json: JsonOption = False,
    *,
    target: Target,
) -> None:
    """Show a running service: what waits before each function, and the state of each promise.

    Changes nothing. Exits with 1 while an alarm rings.

    Example: `spillway status --watch`
    """
    from spillway.operate.status.view import document, show

    service = target.reach()
    if watch:
        _watch(service)
        return
    state = _state(service)
    print_result(state, as_json=as_json, document=document, show=show)
    if any(alarm.state == "ALARM" for alarm in state.alarms):
        raise typer.Exit(1)


def _state(service: "Service") -> "State":
    from spillway.operate.status.alarms import read_alarms
    from spillway.operate.status.parts import read_parts
    from spillway.operate.status.view import State

    return State(service.stage, read_parts(service), read_alarms(service), service.options)


def _watch(service: "Service") -> None:
    from rich.console import Console
    from rich.live import Live

    from spillway.operate.status.view import view

    pause = WATCH_SECONDS if service.emulator is not None else WATCH_AWS_SECONDS
    try:
        with Live(console=Console(highlight=False), auto_refresh=False) as live:
            while True:
                live.update(view(_state(service)), refresh=True)
                time.sleep(pause)
    except KeyboardInterrupt:
        return
