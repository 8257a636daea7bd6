"""Run a command in a process group that dies with the process that started it.

Usage: `python group_guard.py COMMAND [ARGUMENT...]`, as a session leader. Standard input is a pipe,
and the starter keeps its other end open. This process becomes the command. A forked watcher waits
for the pipe to close and then kills the group: the command, its children (the emulator's Lambda
workers) and itself.

The kernel closes the pipe however the starter ends, SIGKILL included. The alternatives:
`PR_SET_PDEATHSIG` is Linux only and does not reach grandchildren; an exit handler does not run
on SIGKILL. The price is one idle process of a few MB per command.
"""

import os
import signal
import sys


def _kill_group_when_stdin_closes() -> None:
    # A signal meant for the command must not end the watcher.
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    while os.read(0, 1024):
        pass
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    command = sys.argv[1:]
    if os.fork() == 0:
        _kill_group_when_stdin_closes()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main()
