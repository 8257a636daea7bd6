"""Starting a stack in a process of its own, following its start, and ending it.

The supervisor reports its progress as one JSON object a line (`Reporter`), which the process that
started it reads (`Supervisor`).
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

from spillway.errors import SpillwayError
from spillway.run.stack.fakes import Fakes
from spillway.run.stack.folder import StackFolder
from spillway.run.stack.handle import Stack, attach
from spillway.run.stack.processes import own_environment

_STOP_TIMEOUT_SECONDS = 60.0


#: Called with the title of a step of the start, and None when it begins or else how long it took.
OnPhase = Callable[[str, float | None], None]


@contextmanager
def running(
    *,
    port: int = 0,
    fakes: Fakes = Fakes.CONTRACTS,
    downstreams_at: str | None = None,
    on_phase: OnPhase = lambda *_: None,
) -> Iterator[Stack]:
    """A private stack on `port` (0: any), until the block or this process ends.

    `downstreams_at`: where the caller serves the fakes itself, with the API keys of the stack.
    """
    with Supervisor(port, fakes, attached=True, downstreams_at=downstreams_at) as supervisor:
        yield supervisor.wait_until_ready(on_phase)


def start_detached(port: int, fakes: Fakes, on_phase: OnPhase) -> Stack:
    """Start a stack that outlives this process, and return it once it is ready."""
    supervisor = Supervisor(port, fakes, attached=False)
    try:
        return supervisor.wait_until_ready(on_phase)
    except BaseException:
        supervisor.stop()  # Ctrl+C while it starts
        raise


def stop(port: int) -> bool:
    """End the stack on `port`; False when none runs."""
    folder = StackFolder(port)
    ended = folder.end_owner(_STOP_TIMEOUT_SECONDS)
    if not ended:
        folder.discard_if_dead()
    return ended


class Supervisor(AbstractContextManager["Supervisor"]):
    """A supervisor process that this process started; as a context manager it is ended after.

    Attached, it also ends when this process does, however that happens.
    """

    def __init__(
        self, port: int, fakes: Fakes, *, attached: bool, downstreams_at: str | None = None
    ) -> None:
        # Not a pipe: it is not read while the supervisor runs, and a full pipe would stop it.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        command = [sys.executable, "-m", "spillway.supervisor", str(port), fakes.value]
        command += ["--attached"] if attached else []
        command += [] if downstreams_at is None else [f"--downstreams-at={downstreams_at}"]
        self._process = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE if attached else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=own_environment(),
            # Ctrl+C in the terminal is for this process, and a detached one has no terminal.
            start_new_session=True,
            text=True,
        )

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait_until_ready(self, on_phase: OnPhase) -> Stack:
        """Follow the start to its end."""
        for event in self.events():
            match event:
                case {"event": "phase", "title": title, "seconds": seconds}:
                    on_phase(title, seconds)
                case {"event": "ready", "port": port}:
                    return attach(port)
                case {"event": "failed", "message": message}:
                    raise SpillwayError(message)
        raise SpillwayError(f"The stack ended while it started: {self._last_line()}")

    def events(self) -> Iterator[dict[str, Any]]:
        """What the supervisor reports (see `Reporter`), until it ends."""
        for line in self._process.stdout or ():
            event: dict[str, Any] = json.loads(line)
            yield event

    def status(self) -> int:
        """Its exit status as `subprocess` has it; waits for its end."""
        return self._process.wait()

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(_STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()  # its children end with it
            self._process.wait()
        for file in (self._process.stdin, self._process.stdout, self._errors):
            if file is not None:
                file.close()

    def _last_line(self) -> str:
        status = f"its supervisor ended with status {self.status()}"
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return f"{lines[-1]} ({status})." if lines else f"{status}."


@contextmanager
def progress_lines() -> Iterator[OnPhase]:
    """Yields what shows a phase: its title while it runs, then a line with its time."""
    from spillway.ui.terminal import terminal

    console = terminal(stderr=True)
    with console.status("Starting") as status:

        def show(title: str, seconds: float | None) -> None:
            if seconds is None:
                status.update(title)
            else:
                console.print(f"[green]✓[/] {title:<36}{seconds:5.1f} s")

        yield show


class Reporter:
    """Writes events to a pipe for as long as its reader lives.

    | event | with |
    | --- | --- |
    | phase | title, seconds (null when it begins) |
    | ready | port |
    | failed | message |
    | part_ended | part (`emulator` or `proxy`), status |
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        """Report that a phase began and, unless it fails, how long it took."""
        self.report("phase", title=title, seconds=None)
        began = time.monotonic()
        yield
        self.report("phase", title=title, seconds=round(time.monotonic() - began, 3))

    def report(self, event: str, **details: Any) -> None:
        """Report one event, unless the reader has gone."""
        line = json.dumps({"event": event, **details}) + "\n"
        with suppress(BrokenPipeError):
            os.write(self._descriptor, line.encode())
