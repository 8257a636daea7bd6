"""Keep what this release writes, what it means, and the code that says so: `make record-release`.

Run once for each release, just before it is tagged. What is kept is never changed afterwards.
"""

from __future__ import annotations

import json
import sys
import tomllib
import zipfile
from pathlib import Path

from infra.bundle import ROOT, SOURCE
from tests.releases.read import meaning
from tests.releases.write import written

HERE = Path(__file__).parent


def main() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    record(HERE / version)
    sys.stdout.write(f"Kept what {version} writes in tests/releases/{version}.\n")


def record(release: Path) -> None:
    """Write the release's folder, anew if it is there."""
    release.mkdir(exist_ok=True)
    samples = written()
    for name, content in (("written", samples), ("meaning", meaning(samples))):
        (release / f"{name}.json").write_text(json.dumps(content, sort_keys=True) + "\n")
    with zipfile.ZipFile(release / "orders.zip", "w") as archive:
        _add(archive, HERE / "read.py", "__main__.py")
        for path in sorted(SOURCE.rglob("*.py")):
            _add(archive, path, f"orders/{path.relative_to(SOURCE).as_posix()}")


def _add(archive: zipfile.ZipFile, path: Path, name: str) -> None:
    # No time of its own, so that content alone decides the bytes.
    archive.writestr(zipfile.ZipInfo(name), path.read_bytes(), zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    main()
