"""`spillway up`, `down` and `token`. Heavy modules are imported when they are needed."""

import json
import signal
from typing import Annotated, Any

import typer

from spillway.errors import SpillwayError
from spillway.run.stack.fakes import DownstreamsOption, Fakes
from spillway.run.stack.handle import Stack, attach
from spillway.run.stack.ports import DEFAULT_PORT, port_option
from spillway.run.stack.starting import Supervisor, progress_lines, start_detached, stop
from spillway.run.stack.users import USERS, UserName, email
from spillway.ui.options import JsonOption, PortOption


def up(
    port: PortOption = DEFAULT_PORT,
    downstreams: DownstreamsOption = Fakes.CONTRACTS,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when it is ready; end it with `down`.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run the whole service on this machine until Ctrl+C.

    Starts an AWS emulator, deploys the real stacks to it, creates customers, and serves the three
    downstreams and the API, all on 127.0.0.1.

    Example: `spillway up --port 9000`
    """
    # They end it as Ctrl+C does: SIGTERM, and the loss of the terminal.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    if detach:
        _run_in_background(port, downstreams, as_json=as_json)
    else:
        _run_in_front(port, downstreams, as_json=as_json)


def down(port: PortOption = DEFAULT_PORT) -> None:
    """End a stack that runs in the background. Fine to repeat.

    Example: `spillway down --port 9000`
    """
    ended = stop(port)
    typer.echo(f"The stack on port {port} has ended." if ended else f"Nothing runs on port {port}.")


def token(
    user: Annotated[UserName, typer.Option("--as", help="The customer to sign in.")],
    port: PortOption = DEFAULT_PORT,
) -> None:
    """Print a customer's access token, a JWT valid for one hour.

    Example: `curl -H "authorization: Bearer $(spillway token --as shopper)"
    http://127.0.0.1:8080/api/orders`
    """
    typer.echo(attach(port).token(user))


def _run_in_background(port: int, fakes: Fakes, *, as_json: bool) -> None:
    with progress_lines() as show:
        stack = start_detached(port, fakes, show)
    _announce(stack, as_json=as_json, how_to_stop=f".venv/bin/spillway down{port_option(port)}")


def _run_in_front(port: int, fakes: Fakes, *, as_json: bool) -> None:
    with Supervisor(port, fakes, attached=True) as supervisor:
        try:
            with progress_lines() as show:
                stack = supervisor.wait_until_ready(show)
            _announce(stack, as_json=as_json, how_to_stop="Ctrl+C")
            for event in supervisor.events():
                _warn(event, stack)
        except KeyboardInterrupt:
            typer.echo("Stopping.", err=True)
            return
        if supervisor.status() != 0:
            raise SpillwayError(
                f"The stack on port {port} was killed: start it again with"
                f" `spillway up{port_option(port)}`."
            )


def _warn(event: dict[str, Any], stack: Stack) -> None:
    if event["event"] == "part_ended":
        name = {"emulator": "AWS emulator", "proxy": "fault-injection proxy"}[event["part"]]
        typer.secho(
            f"The {name} ended and took all orders with it: press Ctrl+C and start again."
            f" Its log is {stack.state / event['part']}.log.",
            fg="red",
            err=True,
        )


def _announce(stack: Stack, *, as_json: bool, how_to_stop: str) -> None:
    if as_json:
        customers = [{"email": email(user), "password": stack.password(user)} for user in USERS]
        typer.echo(json.dumps({**stack.endpoints(), "customers": customers}))
        return
    typer.echo(
        f"\nReady in {stack.up_seconds:.1f} s.\n"
        f"\n  Store        {stack.origin}"
        f"\n  Console      {stack.console}"
        f"\n  API          {stack.api}/orders"
        f"\n  Commands     {stack.origin}/_local"
        f"\n  AWS          {stack.emulator}"
        + "".join(f"\n  {name.capitalize():<12} {url}" for name, url in stack.downstreams.items())
        + "\n\nSign in at the store as"
        + "".join(f"\n  {email(user):<22} {stack.password(user)}" for user in USERS)
        + "\n\nTry next"
        f"\n  TOKEN=$(.venv/bin/spillway token --as shopper{port_option(stack.port)})"
        f'\n  curl -H "authorization: Bearer $TOKEN" {stack.api}/orders'
        "\n  .venv/bin/spillway demo     # 200 orders, every promise checked, a stack of its own"
        f"\n\nStop with {how_to_stop}."
    )
