"""A generator run by a process of its own.

Reading and mapping never wait and writing does nothing else: in one process each answer of a table
waits for the interpreter to be given up, which takes longer than the request itself.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator, Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from spillway.errors import SpillwayError

_T = TypeVar("_T")


def aside(made: Callable[..., Iterator[_T]], *arguments: Any) -> Generator[_T]:
    """What `made(*arguments)` yields, as far as the pipe between the two lets it go ahead.

    `made` is a module's own function; its arguments and what it yields can be pickled. They go
    through a pipe, so that nothing of them shows in a list of processes. A SpillwayError is raised
    again here. The process ends with this generator, or when this process is no more.
    """
    context = get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(sending, made, arguments), daemon=True)
    process.start()
    sending.close()
    try:
        while True:
            kind, told = receiving.recv()
            if kind == _ENDED:
                return
            if kind == _FAILED:
                raise told
            yield told
    except EOFError as error:
        raise SpillwayError(
            "The process that reads the old table was ended: start the command again, it goes on"
            " where it was."
        ) from error
    finally:
        receiving.close()
        process.terminate()
        process.join()


_YIELDED, _FAILED, _ENDED = "yielded", "failed", "ended"


def _send(
    sending: Connection, made: Callable[..., Iterator[Any]], arguments: tuple[Any, ...]
) -> None:
    # Ctrl+C goes to both; whoever started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        try:
            for told in made(*arguments):
                sending.send((_YIELDED, told))
        except SpillwayError as error:
            sending.send((_FAILED, error))
        else:
            sending.send((_ENDED, None))
    except BrokenPipeError:
        """Nobody is there any more."""
