"""The exceptions that the command line shows: what went wrong and what to do next."""

import errno
from typing import ClassVar

#: What a shell makes of a process that Ctrl+C ended.
INTERRUPTED = 130
#: And of one whose output nobody reads any more, as behind `| head`.
READER_GONE = 141


class SpillwayError(Exception):
    """An expected problem in one clear sentence with the next step.

    The command line prints the message and exits with `exit_code`: 3, because what was asked for
    could not be looked at or done. Everything else that is raised is a bug.
    """

    exit_code: ClassVar[int] = 3


class UsageError(SpillwayError):
    """What was typed can't be meant: an argument, or what a file named there holds."""

    exit_code = 2


class CheckFailed(SpillwayError):
    """It was looked at, and the answer is no."""

    exit_code = 1


def why_not(error: OSError | UnicodeDecodeError) -> str:
    """Why a file could not be read or written, in place of the system's words."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    return _PLAINLY.get(error.errno or 0, str(error.strerror or error))


_PLAINLY = {
    errno.ENOENT: "there is no such file",
    errno.EISDIR: "it is a folder",
    errno.ENOTDIR: "a part of its path is not a folder",
    errno.EACCES: "you have no permission to",
    errno.EPERM: "you have no permission to",
    errno.ENOSPC: "the disk is full",
    errno.EROFS: "the disk can only be read",
}
