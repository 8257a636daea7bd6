"""`spillway console`: its options. Everything heavy is imported when it runs."""

from typing import Annotated

import typer

from spillway.errors import SpillwayError
from spillway.target.options import Target, with_target

DEFAULT_LISTEN = 8090


@with_target
def console(
    target: Target,
    listen: Annotated[
        int,
        typer.Option("--listen", "-l", min=1, max=65_535, help="The port of the console itself."),
    ] = DEFAULT_LISTEN,
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Run the operator's console: the path of an order, one order's life, dead letters, charts.

    Writes only when you press a button: it moves dead letters back, and on this machine it sets
    faults and places orders. Runs until Ctrl+C, for this machine only. With --stage it reads AWS
    with your own credentials, only while a page is open: at most 0.02 dollars an hour, and as much
    again for charts. A stack of `spillway up` has a console already.

    Example: `spillway console --stage dev --open`
    """
    import secrets
    import webbrowser

    import uvicorn

    from spillway.operate.console.serving import application
    from spillway.operate.console.state import state_of
    from spillway.run.stack import attach
    from spillway.run.stack.ports import listen as listener_on
    from spillway.run.stack.serving import uvicorn_config

    try:
        listener = listener_on(listen)
    except SpillwayError as error:
        raise SpillwayError(str(error).replace("--port", "--listen")) from error
    stack = attach(target.port) if target.stage is None else None
    state = state_of(target.reach(), stack)
    key = None if state.is_local else secrets.token_urlsafe(24)
    address = f"http://127.0.0.1:{listen}/" + ("" if key is None else f"?key={key}")
    typer.echo(f"The console of {state.service.stage}: {address}\nStop with Ctrl+C.")
    if open_:
        webbrowser.open(address)
    app = application(state, port=listen, key=key)
    uvicorn.Server(uvicorn_config(app, lifespan="off")).run([listener])
