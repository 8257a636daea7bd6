"""What the trials need of a system, and the processes that most of them are made of."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import httpx

from benchmarks.peers import usage
from benchmarks.peers.commands import RETRY_FIRST_SECONDS, RETRY_MAX_SECONDS
from benchmarks.peers.fakes import Fakes
from benchmarks.peers.usage import Usage
from spillway.errors import SpillwayError
from spillway.paths import PROJECT, home
from spillway.run.load.clients import Client, Reply, Tokens
from spillway.run.loopback import http_client
from spillway.run.stack import SigningKey
from spillway.run.stack.processes import guarded, isolated_environment, kill_group
from spillway.run.workload import Customer

START_SECONDS_MAX = 90.0
#: As Kubernetes and ECS give, unless told otherwise.
END_SECONDS_MAX = 30.0
_POLL_SECONDS = 0.05


def retries(
    first_seconds: float = RETRY_FIRST_SECONDS,
    max_seconds: float = RETRY_MAX_SECONDS,
    growing: str = "doubling",
) -> str:
    """Of the notes: how long a command that was not answered waits. The peers' own by default."""
    waits = f"after {first_seconds:g} s, {growing}, at most {max_seconds:g} s apart"
    return f"A command is sent again {waits}."


class Unavailable(SpillwayError):
    """This system cannot run on this machine."""


class System(ABC):
    """One system that takes orders, from `__enter__` to `__exit__`, which leaves nothing running.

    `victims`: what can be killed, each with the sentence that says what it is.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    #: What of the figures must be known to read them.
    notes: ClassVar[Sequence[str]] = ()
    victims: ClassVar[Mapping[str, str]]
    #: The ways to deploy changed code, each with the sentence that says what it is. The change:
    #: an order is shipped once it is booked, no longer side by side.
    upgrades: ClassVar[Mapping[str, str]]

    @abstractmethod
    def __init__(self, folder: Path, fakes: Fakes) -> None:
        #: What the trial had to do that a person would, beyond starting again what was killed and
        #: deploying the changed code, of which `upgrades` tells.
        self.by_hand: list[str] = []

    @classmethod
    def versions(cls) -> Mapping[str, str]:
        """Of what it runs on besides its locked packages."""
        return {}

    @abstractmethod
    def __enter__(self) -> System: ...

    @abstractmethod
    def __exit__(self, *_: object) -> None: ...

    @abstractmethod
    def client(self, http: httpx.AsyncClient) -> Client:
        """A customer's."""

    @property
    def receipt_key(self) -> SigningKey:
        """What payments are signed with. No peer looks at a receipt."""
        return SigningKey.generate("peers")

    @property
    def price_key(self) -> SigningKey | None:
        """The same of prices."""
        return None

    @property
    @abstractmethod
    def url(self) -> str:
        """The base of what `client` calls."""

    @abstractmethod
    def usage(self) -> dict[str, Usage]:
        """What its parts have taken so far, by part."""

    @abstractmethod
    def stored_bytes(self) -> int | None:
        """What it keeps; None where that cannot be measured here."""

    def logged_bytes(self) -> int | None:
        """What it has written to its log to make it durable, by its own count; None where it has
        no such count."""
        return None

    def history_bytes(self) -> int | None:
        """The size of the orders' histories as their service would bill it; None where none is."""
        return None

    @abstractmethod
    def unfinished(self) -> set[str]:
        """The ids of the orders that it holds for unfinished."""

    def prepare(self, upgrade: str) -> None:  # noqa: B027 - most need nothing
        """Before any order: what the old code needs so that this upgrade is possible later."""

    @abstractmethod
    def deploy(self, upgrade: str) -> None:
        """Run the changed code from now on."""

    @abstractmethod
    def restore(self) -> None:
        """Run the code from before the upgrade in the place of the changed code."""

    @abstractmethod
    def kill(self, victim: str) -> None:
        """With SIGKILL, and wait until it is dead."""

    @abstractmethod
    def revive(self, victim: str) -> None:
        """Start it again, as whatever supervises it would, and wait until it answers."""


@dataclass(frozen=True, slots=True)
class Part:
    """A process of a system: how it is started, and when it is ready."""

    command: Sequence[str]
    ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(eq=False)
class Parts:
    """Named processes that end with this one, however it ends. Logs and data are in `folder`."""

    folder: Path
    _parts: dict[str, Part] = field(default_factory=dict)
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def start(self, name: str, part: Part) -> None:
        self._parts[name] = part
        self._running[name] = self._stack.enter_context(
            guarded(
                part.command,
                environment={**isolated_environment(self.folder), **part.environment},
                log=self.folder / f"{name}.log",
                cwd=PROJECT,
            )
        )
        self._wait(name, part)

    def kill(self, name: str) -> None:
        kill_group(self._running[name])

    def end(self, name: str) -> None:
        """As whatever deploys new code does it: asked first, killed where that takes too long."""
        self._running[name].terminate()
        with suppress(subprocess.TimeoutExpired):
            self._running[name].wait(END_SECONDS_MAX)
        self.kill(name)

    def restart(self, name: str) -> None:
        self.start(name, self._parts[name])

    def pid(self, name: str) -> int:
        return self._running[name].pid

    def usage(self) -> dict[str, Usage]:
        return {name: usage.of(usage.tree(one.pid)) for name, one in self._running.items()}

    def close(self) -> None:
        self._stack.close()

    def _wait(self, name: str, part: Part) -> None:
        deadline = time.monotonic() + START_SECONDS_MAX
        while not part.ready():
            ended = self._running[name].poll() is not None
            if ended or time.monotonic() > deadline:
                log = self.folder / f"{name}.log"
                raise SpillwayError(f"{name} did not start: {_last_line(log)}")
            time.sleep(_POLL_SECONDS)


class Peer(System):
    """A system of processes that this one starts, with programs of this folder."""

    def __init__(self, folder: Path, fakes: Fakes) -> None:
        super().__init__(folder, fakes)
        self.folder = folder
        self.fakes = fakes
        self.parts = Parts(folder)

    def __enter__(self) -> Peer:
        try:
            self.start()
        except BaseException:
            self.parts.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.parts.close()

    @abstractmethod
    def start(self) -> None: ...

    def program(self, module: str, **environment: str) -> tuple[list[str], dict[str, str]]:
        """How to run a program of this system's own folder, and in which environment."""
        return program(self.name, module, self.fakes, **environment)

    def client(self, http: httpx.AsyncClient) -> Client:
        return PeerClient(http, Tokens(unsigned_token))

    def usage(self) -> dict[str, Usage]:
        return self.parts.usage()

    def kill(self, victim: str) -> None:
        self.parts.kill(victim)

    def revive(self, victim: str) -> None:
        self.parts.restart(victim)


class PeerClient(Client):
    """Sends the order with its ids in the body: the peers' programs look at no token."""

    async def place(self, customer: Customer, order_id: str, body: bytes) -> Reply:
        ids = {"customer_id": self.tokens.customer_id(customer), "order_id": order_id}
        return await self.send_order(customer, order_id, json.dumps({**json.loads(body), **ids}))

    async def send_order(self, customer: Customer, order_id: str, order: str) -> Reply:
        return await self._answered(customer, "PUT", f"/orders/{order_id}", order.encode())


def unsigned_token(customer: Customer) -> str:
    """Names the customer as Spillway's pool would."""
    said = json.dumps({"sub": f"customer-{customer}", "exp": int(time.time()) + 86_400})
    return f".{base64.urlsafe_b64encode(said.encode()).decode()}."


def environment_of(name: str) -> Path:
    """Where `make peers` installs a system's packages."""
    return home() / "peers" / name


def program(
    name: str, module: str, fakes: Fakes, **environment: str
) -> tuple[list[str], dict[str, str]]:
    """How to run a program of this system's folder, and in which environment."""
    python = environment_of(name) / "bin" / "python"
    if not python.exists():
        raise Unavailable(f"{name} is not installed: run `make peers`.")
    return (
        [str(python), "-m", f"benchmarks.peers.{name}.{module}"],
        {
            "PYTHONPATH": str(PROJECT),
            "PEERS_DOWNSTREAMS_URL": fakes.url,
            "PEERS_API_KEY": fakes.api_key,
            **environment,
        },
    )


def answers(url: str) -> Callable[[], bool]:
    """Whether a GET of `url` succeeds."""

    def ready() -> bool:
        try:
            with http_client(timeout=2) as client:
                return client.get(url).is_success
        except httpx.TransportError:
            return False

    return ready


def run(command: Sequence[str], **options: Any) -> str:
    """What a program printed that came to an end. Raises `SpillwayError` with its last words."""
    done = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, check=False, **options
    )
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no reason was given"]
        raise SpillwayError(f"{Path(command[0]).name} failed: {last[0]}")
    printed: str = done.stdout
    return printed.strip()


def is_root() -> bool:
    return sys.platform != "win32" and os.geteuid() == 0


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else f"its log, {log.name}, is empty"
