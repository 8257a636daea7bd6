"""Child processes that cannot outlive this one, in an environment of our own choosing."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

REGION = "us-east-1"
# The emulator takes any credentials; these are recognisably not real.
ACCESS_KEY_ID = "test"
SECRET_ACCESS_KEY = "test"  # noqa: S105

_GROUP_GUARD = Path(__file__).with_name("group_guard.py")
#: AWS settings that lead to no real account.
EMULATOR_ONLY = {
    "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
    "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
# What a child may inherit. An allow list, because of all that could lead to a real AWS account:
# AWS_PROFILE, AWS_* keys, a container's credential endpoint, proxies, certificate bundles.
_INHERITED = ("PATH", "LANG", "LC_ALL", "TERM", "TZ", "USER")


def isolated_environment(folder: Path, **settings: str) -> dict[str, str]:
    """The environment of a child: no AWS settings but the emulator's, nothing outside `folder`.

    `HOME` and `TMPDIR` are folders inside `folder` (made here), so that neither `~/.aws`
    is read nor a cache written there.
    """
    home, temporary = folder / "home", folder / "tmp"
    for needed in (home, temporary):
        needed.mkdir(mode=0o700, parents=True, exist_ok=True)
    return {
        **{name: os.environ[name] for name in _INHERITED if name in os.environ},
        "HOME": str(home),
        "TMPDIR": str(temporary),
        **EMULATOR_ONLY,
        **settings,
    }


def own_environment() -> dict[str, str]:
    """This process's environment, but with no AWS settings except the emulator's and no proxy."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AWS_") and not name.lower().endswith("_proxy")
    }
    return {**kept, **EMULATOR_ONLY}


@contextmanager
def guarded(
    command: Sequence[str], *, environment: Mapping[str, str], log: Path, cwd: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` until the block ends; then, or when this process dies, kill it and its kin.

    The process id is the command's own. Its output is appended to `log`. It is killed without
    asking first: all that the children hold is in memory and of no use without the others.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603
            # Isolated and without site: the guard itself is ready in 10 ms.
            [sys.executable, "-I", "-S", str(_GROUP_GUARD), *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd=cwd,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        kill_group(process)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill what `guarded` started, and its kin, before its block ends; fine to repeat."""
    if process.poll() is None:  # only then is the group's number surely still ours
        os.killpg(process.pid, signal.SIGKILL)
    if process.stdin is not None:
        process.stdin.close()  # the watcher kills what the command left behind
    process.wait()


def children(parent: int) -> dict[int, str]:
    """The direct children of a process: command line by process id."""
    return {pid: command for pid, ppid, command in _processes() if ppid == parent}


def _processes() -> Iterator[tuple[int, int, str]]:
    """Every process as (pid, parent's pid, command line)."""
    proc = Path("/proc")
    if (proc / "self/stat").exists():
        for entry in proc.iterdir():
            if entry.name.isdigit():
                yield from _from_proc(entry)
        return
    listing = subprocess.run(
        ["/bin/ps", "-axo", "pid=,ppid=,command="], capture_output=True, text=True, check=True
    )
    for line in listing.stdout.splitlines():
        pid, ppid, command = line.split(maxsplit=2)
        yield int(pid), int(ppid), command


def _from_proc(entry: Path) -> Iterator[tuple[int, int, str]]:
    """Slim container images have no ps, so /proc is read where there is one."""
    try:
        stat = (entry / "stat").read_text()
        command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return  # it ended while we looked
    # The second field is the program's name in parentheses and may itself hold spaces.
    state, ppid = stat.rpartition(")")[2].split()[:2]
    if state != "Z":
        yield int(entry.name), int(ppid), command
