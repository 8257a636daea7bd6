"""`spillway console`: its options. Everything heavy is imported when it runs."""

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
    import socket

    from spillway.operate.console.desk import Desk

DEFAULT_LISTEN = 8090


def console(
    listen: Annotated[
        int,
        typer.Option("--listen", "-l", min=1, max=65_535, help="The port that it is opened at."),
    ] = DEFAULT_LISTEN,
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    port: PortOption = DEFAULT_PORT,
    stage: StageOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> None:
    """Open the operator's console in a browser: the path of an order as it is now, one order's
    life, dead letters, charts.

    Runs on this machine until Ctrl+C and listens to it alone. With --stage it reads AWS by your own
    credentials, only while a page is open: at most 0.02 dollars an hour, charts as much again. A
    stack of `spillway up` brings its own console.

    Example: `spillway console --stage dev --open`
    """
    import secrets
    import webbrowser

    from spillway.errors import SpillwayError
    from spillway.run.stack.ports import listen as listener_on

    try:
        listener = listener_on(listen)
    except SpillwayError as error:
        raise SpillwayError(str(error).replace("--port", "--listen")) from error
    desk = _desk(port, stage, profile, region)
    key = None if desk.is_local else secrets.token_urlsafe(24)
    address = f"http://127.0.0.1:{listen}/" + ("" if key is None else f"?key={key}")
    typer.echo(f"The console of {desk.service.stage}: {address}\nStop with Ctrl+C.")
    if open_:
        webbrowser.open(address)
    _serve(desk, listener, key)


def _desk(port: int, stage: str | None, profile: str | None, region: str | None) -> "Desk":
    from spillway.operate.console.desk import desk_of
    from spillway.run.stack import attach

    service = reach(port, stage, profile, region)
    return desk_of(service, attach(port) if stage is None else None)


def _serve(desk: "Desk", listener: "socket.socket", key: str | None) -> None:
    import uvicorn

    from spillway.operate.console.serving import application
    from spillway.operate.console.waiting import uvicorn_config
    from spillway.run.stack.ports import port_of

    app = application(lambda: desk, port=port_of(listener), key=key)
    uvicorn.Server(uvicorn_config(app)).run([listener])
