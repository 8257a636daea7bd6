"""The process that owns a stack: starts all of its parts, serves, and ends them together.

Usage: `python -m spillway.supervisor [--port PORT] [--attached]`. It tells its progress on
standard output (see `progress`) and ends on SIGTERM. Attached, it also ends when its standard
input closes: when the process that started it has gone. What serves is imported last, so that a
port that is taken is told at once.
"""

import argparse
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from spillway.errors import SpillwayError
from spillway.run.proxy import Proxy
from spillway.run.stack.assembly import assembly
from spillway.run.stack.deployment import bootstrap, deploy, deployed_policies, publish_storefront
from spillway.run.stack.emulator import emulator, fault_injection_proxy
from spillway.run.stack.folder import StackFolder, forget_dead
from spillway.run.stack.keys import DOWNSTREAMS, Keys
from spillway.run.stack.ports import LOOPBACK, free_port, listen, port_of
from spillway.run.stack.processes import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, kill_group
from spillway.run.stack.starting import Reporter
from spillway.run.stack.users import Pool
from spillway.target.outputs import queues, tables

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from spillway.operate.console.desk import Desk

LOG = "supervisor.log"
_WATCH_SECONDS = 0.1
_log = logging.getLogger(__name__)

Processes = Mapping[str, subprocess.Popen[bytes]]
"""The children that a stack cannot do without, by name: `emulator` and `proxy`."""


class _Stopped(BaseException):
    """Somebody asked for the end; not an Exception, so that nothing mistakes it for a failure."""


def main() -> None:
    """Run a stack until it is told to stop."""
    options = _options()
    # Everything that this process or a child writes is its owner's only.
    os.umask(0o077)
    signal.signal(signal.SIGTERM, _stop)
    # Ctrl+C is for the process in front, which ends this one in its own way.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if options.attached:
        threading.Thread(target=_stop_when_stdin_closes, daemon=True).start()
    progress = Reporter(sys.stdout.fileno())
    try:
        _run(options.port, progress)
    except _Stopped:
        return
    except SpillwayError as error:
        progress.report("failed", message=str(error))
        sys.exit(1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="spillway.supervisor")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--attached", action="store_true")
    return parser.parse_args()


def _stop(*_: object) -> NoReturn:
    # Once: what follows is cleaning up, which must not be broken off.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _Stopped


def _stop_when_stdin_closes() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _run(port: int, progress: Reporter) -> None:
    began = time.monotonic()
    folder, listener = _claim(port)
    forget_dead()
    _log_to(folder.path / LOG)
    try:
        with _stack(folder, listener, progress) as (state, secrets, running):
            state["up_seconds"] = round(time.monotonic() - began, 2)
            folder.publish(state, secrets)
            progress.report("ready", port=folder.port)
            _wait_for_the_end(running, progress)
    except _Stopped:
        folder.discard()
        raise
    except SpillwayError:
        _log.exception("The stack did not start")
        raise
    except Exception as bug:
        _log.exception("The stack did not start")
        raise SpillwayError(
            f"The stack could not start ({type(bug).__name__}: {bug}):"
            f" see {folder.path / LOG} and the logs beside it."
        ) from bug


def _claim(port: int) -> tuple[StackFolder, socket.socket]:
    """The folder and the origin's socket; the folder first, for a stack that runs has both."""
    if port == 0:
        listener = listen(0)
        folder = StackFolder(port_of(listener))
        folder.claim()
        return folder, listener
    folder = StackFolder(port)
    folder.claim()
    try:
        return folder, listen(port)
    except SpillwayError:
        folder.discard()
        raise


@contextmanager
def _stack(
    folder: StackFolder, listener: socket.socket, progress: Reporter
) -> Iterator[tuple[dict[str, Any], dict[str, Any], Processes]]:
    """Start every part; yields what to publish (the state, the secrets) and the child processes."""
    keys = Keys.generate()
    downstream_listener, console_listener = listen(0), _listen_near(listener)
    downstreams = {name: f"{_url(downstream_listener)}/{name}" for name in DOWNSTREAMS}
    with ExitStack() as parts:
        with progress.phase("synthesis", "Synthesise the stacks"):
            synthesised = assembly(folder.path)
        with progress.phase("emulator", "Start the AWS emulator"):
            proxy_port = free_port()
            running = parts.enter_context(
                emulator(folder.path, functions_endpoint=f"http://{LOOPBACK}:{proxy_port}")
            )
            proxy = parts.enter_context(
                fault_injection_proxy(folder.path, port=proxy_port, emulator=running.url)
            )
            bootstrap(running.url)
            keys.store(running.url)
        with progress.phase("deployment", "Deploy the stacks"):
            outputs = deploy(
                synthesised,
                endpoint=running.url,
                parameters=_parameters(_url(listener), running.url, downstreams),
                folder=folder.path,
            )
            Proxy(proxy.url, proxy.token).grant(deployed_policies(running.url))
        with progress.phase("storefront", "Publish the storefront"):
            publish_storefront(running.url, outputs)
        with progress.phase("users", "Create the customers"):
            pool = Pool(running.url, outputs["UserPoolId"], outputs["UserPoolClientId"])
            passwords = pool.create_users()
        state = {
            "origin": _url(listener),
            "api": f"{_url(listener)}/api",
            "console": _url(console_listener),
            "emulator": running.url,
            "proxy": proxy.url,
            "downstreams": downstreams,
            "region": REGION,
            "tables": tables(outputs),
            "queues": queues(outputs),
            "pid": os.getpid(),
            "state": str(folder.path),
            "emulator_pid": running.process.pid,
            "user_pool": {"id": pool.pool_id, "client_id": pool.client_id},
        }
        with progress.phase("serving", "Serve the downstreams and the API"):
            parts.enter_context(_downstreams_served(state, keys, downstream_listener))
            parts.enter_context(_origin_served(state, keys, outputs, listener))
            parts.enter_context(_console_served(folder.port, console_listener))
        secrets = {"passwords": passwords, "keys": keys.to_json(), "proxy_token": proxy.token}
        yield state, secrets, {"emulator": running.process, "proxy": proxy.process}


def _parameters(
    store: str, emulator: str, downstreams: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """What the stacks are told at deployment, for it differs from one start to the next."""
    return {
        "service": {f"{name.capitalize()}Url": url for name, url in downstreams.items()},
        "identity": {"StoreUrl": store},
        # Where the emulator's sign-in page and its tokens are.
        "web": {"ConnectSources": emulator},
    }


def _downstreams_served(
    state: dict[str, Any], keys: Keys, listener: socket.socket
) -> AbstractContextManager[None]:
    from simulation.downstreams.dynamodb_ledger import dynamodb_ledgers
    from simulation.downstreams.server import application, uvicorn_config
    from spillway.run.stack.serving import serving

    ledgers = dynamodb_ledgers(
        {name: state["tables"][name] for name in DOWNSTREAMS},
        endpoint_url=state["emulator"],
        region=REGION,
        access_key_id=ACCESS_KEY_ID,
        secret_access_key=SECRET_ACCESS_KEY,
    )
    fakes = application(ledgers, api_keys=keys.api_keys)
    return serving(uvicorn_config(fakes, port=port_of(listener)), listener)


def _origin_served(
    state: dict[str, Any], keys: Keys, outputs: dict[str, str], listener: socket.socket
) -> AbstractContextManager[None]:
    from spillway.run.stack.gateway import gateway
    from spillway.run.stack.origin import connections_to, origin, uvicorn_config
    from spillway.run.stack.serving import serving

    application = origin(
        connections_to(state["emulator"]),
        api_id=outputs["ApiId"],
        distribution=outputs["DistributionDomainName"],
        console=state["console"],
        local=gateway(keys.receipt),
    )
    return serving(uvicorn_config(application), listener)


def _console_served(port: int, listener: socket.socket) -> AbstractContextManager[None]:
    """Does nothing until somebody opens it, and nothing when they have closed it."""
    from spillway.operate.console.waiting import WhenAsked, uvicorn_config
    from spillway.run.stack.serving import serving

    def open_desk() -> "Desk":
        from spillway.operate.console.desk import desk_of
        from spillway.run.stack.handle import attach
        from spillway.target.service import on_this_machine

        return desk_of(on_this_machine(port), attach(port))

    def make() -> "ASGIApp":
        from spillway.operate.console.serving import application

        return application(open_desk, port=port_of(listener))

    return serving(uvicorn_config(WhenAsked(make)), listener)


def _wait_for_the_end(processes: Processes, progress: Reporter) -> NoReturn:
    """Serve on until stopped, also without the emulator: the origin then says what is missing."""
    part, status = _first_to_end(processes)
    _log.error("The %s ended by itself with status %s", part, status)
    # Without the proxy the functions are cut off from AWS while all else still answers: that must
    # not look like a stack, so it ends as it does without its emulator.
    kill_group(processes["emulator"])
    progress.report("part_ended", part=part, status=status)
    while True:
        signal.pause()


def _first_to_end(processes: Processes) -> tuple[str, int]:
    while True:
        for part, process in processes.items():
            status = process.poll()
            if status is not None:
                return part, status
        time.sleep(_WATCH_SECONDS)


def _url(listener: socket.socket) -> str:
    return f"http://{LOOPBACK}:{port_of(listener)}"


def _listen_near(origin: socket.socket) -> socket.socket:
    """On the port after the origin's, so that its address can be known by heart, or on any."""
    try:
        return listen(port_of(origin) + 1)
    except (SpillwayError, OverflowError):
        return listen(0)


def _log_to(path: Path) -> None:
    """Send the log and whatever else is written to standard error to a file."""
    with path.open("ab") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )


if __name__ == "__main__":
    with suppress(_Stopped):
        main()
