"""The Lambda bundle: the directory that is zipped and deployed as every function's code.

One bundle serves all functions. It is built once per content, under `.spillway/bundles/`, and its
bytes depend on its content alone, so that a deployment without a change is one.

- "local" holds the package `orders`. The emulator runs functions on this machine's Python and
  virtual environment, which has the same locked versions of what they import.
- "aws" holds `requirements/lambda.txt` too, as wheels for Lambda's Python and processor: Lambda's
  own botocore changes whenever AWS likes, and could not be tested with.

Both are compiled ahead. A function can't write beside its code, so that without bytecode every
cold start compiles all it imports: for a delivery, 440 ms instead of 190 (measured on CPython 3.11,
libraries included). Such a bundle works all the same, but it is another one: deployed after a
compiled one, it makes a new version of every function. So it is built only where that is asked for.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uv

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "orders"
REQUIREMENTS = ROOT / "requirements" / "lambda.txt"
BUNDLES = ROOT / ".spillway" / "bundles"

#: The AWS services the functions call; botocore brings the models and endpoints of four hundred.
SERVICES = frozenset({"dynamodb", "sns", "sqs", "ssm"})
#: The same for every file, so that content alone decides the bytes: the second day that a zip can
#: name (1980-01-02), for in some time zones the first is still the day before.
MODIFIED_AT = 315_619_200


@dataclass(frozen=True, slots=True)
class Target:
    """What a bundle runs on.

    `python_version` and `python_platform` are uv's names; None means the Python and the machine
    that build it.
    """

    name: str
    requirements: bool
    python_version: str | None = None
    python_platform: str | None = None


@dataclass(frozen=True, slots=True)
class Bundle:
    path: Path
    #: False where it was not compiled ahead: its cold starts take about twice as long.
    compiled: bool


LOCAL = Target("local", requirements=False)
AWS = Target(
    "aws", requirements=True, python_version="3.13", python_platform="aarch64-manylinux2014"
)
TARGETS = {target.name: target for target in (LOCAL, AWS)}


class BundleError(Exception):
    """The bundle could not be built; the message says what to do."""


def build(target: Target, *, bundles: Path = BUNDLES, allow_uncompiled: bool = False) -> Bundle:
    """The target's bundle, built in `bundles` unless one of the same content is there.

    Needs the network, or uv's cache, where the target has requirements. Raises BundleError, also
    where no Python of the target's version is on this machine, unless that is allowed.
    """
    python = _python(target)
    if python is None and not allow_uncompiled:
        raise BundleError(
            f"There is no Python {target.python_version} on this machine to compile the functions'"
            f" code with: `.venv/bin/uv python install {target.python_version}` fetches one."
            " Without it cold starts take about twice as long; `-c allow_uncompiled=true` deploys"
            " so all the same."
        )
    path = bundles / f"{target.name}-{_content_key(target, python)}"
    if not path.exists():
        bundles.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=bundles) as scratch:
            draft = Path(scratch) / "bundle"
            _fill(draft, target, python)
            _publish(draft, path)
    return Bundle(path, compiled=python is not None)


def _python(target: Target) -> str | None:
    """A Python on this machine that makes bytecode for the target's Python."""
    if target.python_version is None:
        return sys.executable
    find = (uv.find_uv_bin(), "python", "find", "--no-config", "--no-project")
    found = subprocess.run(  # noqa: S603 - the command is ours
        (*find, "--no-python-downloads", target.python_version),
        check=False,
        capture_output=True,
        text=True,
    )
    return found.stdout.strip() or None


def _publish(draft: Path, path: Path) -> None:
    try:
        draft.rename(path)
    except OSError:
        if not path.exists():  # else another build of the same content was quicker
            raise


def _content_key(target: Target, python: str | None) -> str:
    """Changes with whatever decides the bundle's bytes: sources, versions, target, this file."""
    digest = hashlib.sha256(f"{target} {sys.version} {python}".encode())
    for path in (Path(__file__), REQUIREMENTS, *_sources()):
        digest.update(f"\0{path.relative_to(ROOT).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _sources() -> Iterator[Path]:
    """The service's files, without what Python leaves beside them, in an order of their own."""
    return (
        path
        for path in sorted(SOURCE.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    )


def _fill(bundle: Path, target: Target, python: str | None) -> None:
    bundle.mkdir()
    if target.requirements:
        _install_requirements(bundle, target)
        _trim(bundle)
    for path in _sources():
        copy = bundle / "orders" / path.relative_to(SOURCE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".toml":
            # Functions have no time to parse it.
            copy.with_suffix(".json").write_bytes(_json(tomllib.loads(path.read_text())))
        else:
            shutil.copyfile(path, copy)
    if python:
        _compile(bundle, python)
    for path in bundle.rglob("*"):
        os.utime(path, (MODIFIED_AT, MODIFIED_AT))


def _install_requirements(bundle: Path, target: Target) -> None:
    command = [uv.find_uv_bin(), "pip", "install", "--quiet", "--no-config", "--require-hashes"]
    command += ["--only-binary", ":all:", "--python", sys.executable, "--target", str(bundle)]
    # Links would let what is done to the bundle's files be done to uv's cache.
    command += ["--link-mode", "copy"]
    if target.python_platform:
        command += ["--python-platform", target.python_platform]
    if target.python_version:
        command += ["--python-version", target.python_version]
    _run([*command, "--requirement", str(REQUIREMENTS)], "install the functions' libraries")


def _trim(bundle: Path) -> None:
    """Drop what never runs in Lambda: a smaller bundle is fetched faster at a cold start.

    Each distribution's METADATA and licences stay, for the scanners that look for them there.
    """
    _trim_models(bundle / "botocore" / "data")
    shutil.rmtree(bundle / "bin", ignore_errors=True)
    (bundle / ".lock").unlink(missing_ok=True)
    for info in bundle.glob("*.dist-info"):
        for name in ("INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_cache.json"):
            (info / name).unlink(missing_ok=True)


def _trim_models(data: Path) -> None:
    """Keep of botocore's data what our services need, without what only people read.

    Every cold start parses the endpoints of all services, 1.2 MB of JSON: a fifth of its time
    (decision 0011).
    """
    for service in data.iterdir():
        if service.is_dir() and service.name not in SERVICES:
            shutil.rmtree(service)
    for model in data.glob("*/*/service-2.json.gz"):
        shapes = _without_documentation(json.loads(gzip.decompress(model.read_bytes())))
        # No time in the file's header: content alone decides the bytes.
        model.write_bytes(gzip.compress(_json(shapes), mtime=0))
    endpoints = data / "endpoints.json"
    known = json.loads(endpoints.read_bytes())
    for partition in known["partitions"]:
        services = partition["services"]
        partition["services"] = {name: services[name] for name in services if name in SERVICES}
    endpoints.write_bytes(_json(known))


def _without_documentation(model: Any) -> Any:
    """A shape may have a member of that name, which is no text."""
    if isinstance(model, dict):
        return {
            name: _without_documentation(value)
            for name, value in model.items()
            if not (name == "documentation" and isinstance(value, str))
        }
    if isinstance(model, list):
        return [_without_documentation(value) for value in model]
    return model


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _compile(bundle: Path, python: str) -> None:
    """Bytecode that is trusted without a check.

    By the source's time, the default, it would be found stale: unzipping doesn't keep times.
    """
    command = [python, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    command += ["-j", "0"]  # on all processors: each file's bytecode is its own
    _run([*command, "-s", str(bundle), str(bundle)], "compile the functions' code")


def _run(command: Sequence[str], purpose: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name[:6] != "PYTHON"}
    # A set's order would otherwise differ from one build to the next, and with it the bytecode.
    environment["PYTHONHASHSEED"] = "0"
    done = subprocess.run(  # noqa: S603 - the commands are ours
        command, env=environment, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise BundleError(f"Could not {purpose}: {(done.stderr or done.stdout).strip()}")
