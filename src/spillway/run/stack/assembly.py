"""The synthesised stacks, kept by the content of all that they are made of.

Synthesis is the slowest part of a start (10 s on 2 cores). Its result depends on nothing local:
ports and the like are parameters, which a deployment fills in.
"""

import fcntl
import hashlib
import shlex
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

from spillway.errors import SpillwayError
from spillway.paths import PROJECT, home
from spillway.run.stack.cdk import LOG, cdk
from spillway.run.stack.deployment import STAGE
from spillway.run.stack.fakes import Fakes

_SOURCES = (
    "infra",
    "src/orders",
    "web/edge",
    "web/storefront/pages",
    "requirements",
    "cdk.json",
    "package-lock.json",
    "pyproject.toml",
)
# Old ones are kept for those who go to and fro between two versions, and for a start in progress.
_KEPT = 4


def assembly(folder: Path, fakes: Fakes = Fakes.CONTRACTS) -> Path:
    """The cloud assembly of the project as it is now, synthesised unless it is known already.

    The CDK's log of the synthesis is in it, and in `folder` if it was made just now.
    """
    cache = home() / "cache" / "assemblies"
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    known = cache / fingerprint(fakes)
    # Of several that start at once one synthesises, and the others wait for what it makes.
    with cache.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if known.exists():
            known.touch()
            return known
        with tempfile.TemporaryDirectory(dir=cache, prefix="draft-") as draft:
            output = Path(draft) / "assembly"
            _synthesise(output, folder, fakes)
            output.rename(known)
        _forget_old(cache)
    return known


def _synthesise(output: Path, folder: Path, fakes: Fakes) -> None:
    application = f"{shlex.quote(sys.executable)} -m infra.app"
    arguments = ["synth", "--quiet", "--app", application, "--output", str(output)]
    arguments += ["--context", f"stage={STAGE}"]
    if fakes.overlay is not None:
        arguments += ["--context", f"downstreams={fakes.overlay}"]
    if cdk(arguments, folder=folder) != 0:
        raise SpillwayError(f"The CDK could not synthesise the stacks: see {folder / LOG}.")
    shutil.copy2(folder / LOG, output / LOG)


def _forget_old(cache: Path) -> None:
    known = sorted(
        (entry for entry in cache.iterdir() if not entry.name.startswith("draft-")),
        key=lambda entry: entry.stat().st_mtime,
        reverse=True,
    )
    for old in known[_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)


def fingerprint(fakes: Fakes = Fakes.CONTRACTS) -> str:
    """A digest of the sources' names and contents, of the platform that bundles are for, of which
    downstreams there are, and of this file, which says what is kept."""
    platform = f"{sys.version} {sysconfig.get_platform()} {PROJECT} {fakes}"
    digest = hashlib.sha256(platform.encode())
    digest.update(Path(__file__).read_bytes())
    for path in _source_files():
        content = path.read_bytes()
        digest.update(f"\0{path.relative_to(PROJECT)}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def _source_files() -> Iterator[Path]:
    for name in _SOURCES:
        source = PROJECT / name
        if source.is_file():
            yield source
        for path in sorted(source.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path
