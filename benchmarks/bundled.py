"""What is deployed as every function's code: how large it is, and of what it consists."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra import bundle

#: A larger one takes longer to fetch at a cold start.
ZIPPED_MAX = 8_000_000


@dataclass(frozen=True, slots=True)
class Bundled:
    """Bytes as zipped, in all and of each package or file in the bundle's root."""

    zipped: int
    parts: Sequence[tuple[str, int]]

    @property
    def met(self) -> bool:
        return self.zipped <= ZIPPED_MAX


def measure() -> Bundled:
    """The bundle for AWS, the largest part first. Raises bundle.BundleError."""
    root = bundle.build(bundle.AWS).path
    parts = [(path.name, _zipped(root, path)) for path in root.iterdir()]
    return Bundled(_zipped(root, root), sorted(parts, key=lambda part: -part[1]))


def _zipped(root: Path, part: Path) -> int:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in [part] if part.is_file() else sorted(part.rglob("*")):
            archive.write(path, path.relative_to(root))
    return content.tell()
