"""The bundle that is deployed as every function's code, as zipped for Lambda."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from benchmarks.conftest import Figures
from infra import bundle

TITLE = "The bundle"
#: A larger one takes longer to fetch at a cold start.
ZIPPED_MAX = 8_000_000
_SHOWN = 10_000


def test_the_bundle_stays_small(figures: Figures) -> None:
    root = bundle.build(bundle.AWS, allow_uncompiled=True).path
    sizes = {path.name: _zipped(root, path) for path in root.iterdir()}
    for name, size in sorted(sizes.items(), key=lambda pair: -pair[1]):
        if size >= _SHOWN:
            figures[TITLE][name]["zipped, KB"] = round(size / 1000)
    whole = _zipped(root, root)
    figures[TITLE]["all of it"] = {"zipped, KB": round(whole / 1000), "at most": ZIPPED_MAX / 1000}
    assert whole <= ZIPPED_MAX


def _zipped(root: Path, part: Path) -> int:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in [part] if part.is_file() else sorted(part.rglob("*")):
            archive.write(path, path.relative_to(root))
    return content.tell()
