"""The process that owns a stack: starts all of its parts, serves, and ends them together.

Usage: `python -m spillway.supervisor PORT FAKES [--attached] [--downstreams-at=URL]`; port 0 is
any, FAKES one of `spillway.run.stack.fakes`, which this process serves unless somebody else does at
URL. It reports its progress on standard output (see `Reporter`) and ends on
SIGTERM. Attached, it also ends when its standard input closes, because the process that started it
has gone. The servers are imported last, so that a port that is taken is reported at once.
"""

import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import msgspec

from spillway.errors import SpillwayError
from spillway.run.proxy import Proxy
from spillway.run.stack.assembly import assembly
from spillway.run.stack.deployment import (
    STAGE,
    bootstrap,
    deploy,
    deployed_policies,
    publish_storefront,
)
from spillway.run.stack.downstreams import commanded_at, downstreams_served
from spillway.run.stack.emulator import Server, emulator, fault_injection_proxy
from spillway.run.stack.fakes import Fakes
from spillway.run.stack.folder import StackFolder, forget_dead
from spillway.run.stack.handle import Secrets, Stack, attach
from spillway.run.stack.keys import DOWNSTREAMS, Keys
from spillway.run.stack.ports import LOOPBACK, free_port, listen, port_of
from spillway.run.stack.processes import REGION, kill_group
from spillway.run.stack.starting import Reporter
from spillway.run.stack.users import USERS, Pool
from spillway.target.service import queues, tables

if TYPE_CHECKING:
    from starlette.types import ASGIApp


LOG = "supervisor.log"
_WATCH_SECONDS = 0.1
_log = logging.getLogger(__name__)

Processes = Mapping[str, subprocess.Popen[bytes]]
"""The children that a stack cannot do without, by name: `emulator` and `proxy`."""


class _Stopped(BaseException):
    """Raised by a signal; not an Exception, so that no handler takes it for a failure."""


def main() -> None:
    port, fakes, *options = sys.argv[1:]
    at = [option.partition("=")[2] for option in options if option.startswith("--downstreams-at=")]
    # Everything that this process or a child writes is its owner's only.
    os.umask(0o077)
    signal.signal(signal.SIGTERM, _stop)
    # Ctrl+C is for the process in front, which ends this one in its own way.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if "--attached" in options:
        threading.Thread(target=_stop_when_stdin_closes, daemon=True).start()
    reporter = Reporter(sys.stdout.fileno())
    try:
        _run(int(port), Fakes(fakes), at[0] if at else None, reporter)
    except _Stopped:
        return
    except SpillwayError as error:
        reporter.report("failed", message=str(error))
        sys.exit(1)


def _stop(*_: object) -> NoReturn:
    # Once: what follows is cleaning up, which must not be broken off.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _Stopped


def _stop_when_stdin_closes() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _run(port: int, fakes: Fakes, downstreams_at: str | None, reporter: Reporter) -> None:
    began = time.monotonic()
    folder, listener = _claim(port)
    forget_dead()
    _log_to(folder.path / LOG)
    try:
        with _stack(folder, listener, fakes, downstreams_at, reporter) as (stack, processes):
            took = round(time.monotonic() - began, 2)
            folder.publish(msgspec.json.encode(msgspec.structs.replace(stack, up_seconds=took)))
            reporter.report("ready", port=folder.port)
            _wait_for_the_end(processes, reporter)
    except _Stopped:
        folder.discard()
        raise
    except Exception as bug:
        _log.exception("The stack did not start")
        if isinstance(bug, SpillwayError):
            raise
        raise SpillwayError(
            f"The stack could not start ({type(bug).__name__}: {bug}):"
            f" see {folder.path / LOG} and the logs beside it."
        ) from bug


def _claim(port: int) -> tuple[StackFolder, socket.socket]:
    """The folder and the origin's socket; the folder first, because a running stack has both."""
    folder = StackFolder(port or free_port())
    folder.claim()
    try:
        return folder, listen(folder.port)
    except SpillwayError:
        folder.discard()
        raise


@contextmanager
def _stack(
    folder: StackFolder,
    origin: socket.socket,
    fakes: Fakes,
    downstreams_at: str | None,
    reporter: Reporter,
) -> Iterator[tuple[Stack, Processes]]:
    """Start every part; yields what others need to know, and the child processes."""
    keys, proxy_token = Keys.generate(), secrets.token_urlsafe(24)
    downstreams, console = listen(0), _listen_near(origin)
    urls = {name: f"{downstreams_at or _url(downstreams)}/{name}" for name in DOWNSTREAMS}
    with ExitStack() as parts:
        with reporter.phase("Synthesise the stacks"):
            synthesised = assembly(folder.path, fakes)
        with reporter.phase("Start the AWS emulator"):
            aws, proxy = _start_aws(parts, folder.path, proxy_token)
            keys.store(aws.url)
        with reporter.phase("Deploy the stacks"):
            commanded = commanded_at(fakes, urls, aws.url)
            parameters = _parameters(origin, commanded, aws.url)
            outputs = deploy(
                synthesised, endpoint=aws.url, parameters=parameters, folder=folder.path
            )
            Proxy(proxy.url, proxy_token).grant(deployed_policies(aws.url))
        with reporter.phase("Publish prices and storefront"):
            _publish_prices(aws.url, outputs)
            publish_storefront(aws.url, outputs)
        with reporter.phase("Create the customers"):
            pool = Pool(aws.url, outputs["UserPoolId"], outputs["UserPoolClientId"])
            pool.tell_companies()
            passwords: dict[str, str] = {
                name: pool.create(name, user) for name, user in USERS.items()
            }
        stack = Stack(
            origin=_url(origin),
            api=f"{_url(origin)}/api",
            console=_url(console),
            emulator=aws.url,
            proxy_url=proxy.url,
            fakes=fakes,
            downstreams=urls,
            commanded=commanded,
            region=REGION,
            tables=tables(outputs),
            queues=queues(outputs),
            pid=os.getpid(),
            folder=str(folder.path),
            emulator_pid=aws.process.pid,
            pool=pool,
            secrets=Secrets(keys, passwords, proxy_token),
        )
        with reporter.phase("Serve the downstreams and the API"):
            if downstreams_at is None:
                parts.enter_context(downstreams_served(stack, downstreams))
            parts.enter_context(_origin_served(stack, outputs, origin))
            parts.enter_context(_console_served(stack.port, console))
        yield stack, {"emulator": aws.process, "proxy": proxy.process}


def _start_aws(parts: ExitStack, folder: Path, token: str) -> tuple[Server, Server]:
    """The emulator, bootstrapped, and the proxy through which its functions reach it."""
    port = free_port()
    aws = parts.enter_context(emulator(folder, functions_endpoint=f"http://{LOOPBACK}:{port}"))
    proxy = parts.enter_context(
        fault_injection_proxy(folder, port=port, emulator=aws.url, token=token)
    )
    bootstrap(aws.url)
    return aws, proxy


def _publish_prices(emulator: str, outputs: Mapping[str, str]) -> None:
    """The example store's price book, so that the first order can be priced, and its catalogue."""
    from orders.domain.units import Millis
    from spillway.operate.prices import storefront
    from spillway.operate.prices.bucket import OUTPUT, PriceBucket
    from spillway.operate.prices.plan import publish_first
    from spillway.price_book import example
    from spillway.run.stack.aws import client

    s3, now = client(emulator, "s3"), Millis(time.time_ns() // 1_000_000)
    bucket = PriceBucket(s3, outputs[OUTPUT])
    publish_first(bucket, example(), now=now, by="spillway up")
    storefront.Storefront(s3, outputs[storefront.OUTPUT]).show(bucket, now)


def _parameters(
    origin: socket.socket, downstreams: Mapping[str, str], aws: str
) -> dict[str, dict[str, str]]:
    """The stacks' parameters: addresses, which differ from one start to the next."""
    return {
        "service": {f"{name.capitalize()}Url": url for name, url in downstreams.items()},
        "identity": {"StoreUrl": _url(origin)},
        # Where the emulator's sign-in page and its tokens are.
        "web": {"ConnectSources": aws},
    }


def _origin_served(
    stack: Stack, outputs: Mapping[str, str], listener: socket.socket
) -> AbstractContextManager[None]:
    from infra.stage import load
    from orders.domain.caller import Claims
    from spillway.run.stack.gateway import gateway
    from spillway.run.stack.origin import connections_to, origin
    from spillway.run.stack.serving import serving, uvicorn_config

    customer = load(STAGE).orders.customer_claim
    application = origin(
        connections_to(stack.emulator),
        api_id=outputs["ApiId"],
        distribution=outputs["DistributionDomainName"],
        console=stack.console,
        local=gateway(
            stack.receipt_key,
            connections_to(stack.api),
            Claims(customer.retail, customer.wholesale),
        ),
    )
    return serving(uvicorn_config(application), listener)


def _console_served(port: int, listener: socket.socket) -> AbstractContextManager[None]:
    """The console, which makes its pages and clients when the first page is opened."""
    from spillway.operate.console.waiting import WhenAsked
    from spillway.run.stack.serving import serving, uvicorn_config

    def make() -> "ASGIApp":
        from spillway.operate.console.serving import application
        from spillway.operate.console.state import state_of
        from spillway.target.service import on_this_machine

        return application(state_of(on_this_machine(port), attach(port)), port=port_of(listener))

    return serving(uvicorn_config(WhenAsked(make), lifespan="off"), listener)


def _wait_for_the_end(processes: Processes, reporter: Reporter) -> NoReturn:
    """Serve on until stopped, also without the emulator: the origin then says what is missing."""
    while not (ended := [part for part in processes if processes[part].poll() is not None]):
        time.sleep(_WATCH_SECONDS)
    part, status = ended[0], processes[ended[0]].returncode
    _log.error("The %s ended unexpectedly with status %s", part, status)
    # Without the proxy the functions are cut off from AWS while all else still answers: that must
    # not look like a stack, so it ends as it does without its emulator.
    kill_group(processes["emulator"])
    reporter.report("part_ended", part=part, status=status)
    while True:
        signal.pause()


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
