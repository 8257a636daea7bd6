"""How a bug is planted: small patches to the source, which is never changed on disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import CodeType, ModuleType

from spillway.paths import PROJECT

#: Where the service's source lies, and what its files are called in a function's code.
SERVICE = PROJECT / "src" / "orders"
PACKAGE = "orders"

#: The service's source: text by file name below the package `orders`.
Sources = Mapping[str, str]


class PatchMisplaced(Exception):
    """The guarded text is not there exactly once: the source has changed, so must the patch."""


@dataclass(frozen=True, slots=True)
class Patch:
    """In `file` (below the package `orders`) the text `guarded` becomes `unguarded`."""

    file: str
    guarded: str
    unguarded: str

    def applied(self, sources: Sources) -> dict[str, str]:
        """Raises PatchMisplaced."""
        text = sources.get(self.file, "")
        if text.count(self.guarded) != 1:
            raise PatchMisplaced(
                f"The guard in orders/{self.file} is not where it was:"
                " bring its patch in spillway/prove/mutants/bugs.py up to date."
            )
        return {**sources, self.file: text.replace(self.guarded, self.unguarded)}


@dataclass(frozen=True, slots=True)
class Bug:
    """`sentence` says what the service does with it."""

    name: str
    sentence: str
    patches: tuple[Patch, ...]


def planted(bugs: Iterable[Bug], intact: Sources) -> Sources:
    """The source with these bugs. Raises PatchMisplaced."""
    patched = intact
    for bug in bugs:
        for patch in bug.patches:
            patched = patch.applied(patched)
    return patched


@cache
def sources() -> Sources:
    """The service's source as it is, read once.

    Once, so that a change in the middle of a run cannot give two controls different services.
    """
    return {
        path.relative_to(SERVICE).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(SERVICE.rglob("*.py"))
    }


class PatchedService(MetaPathFinder, Loader):
    """Has `import orders...` bring this source instead of the one on disk."""

    def __init__(self, code: Sources) -> None:
        self._code = code

    def find_spec(
        self, name: str, _path: object = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        file = self._file(name)
        if file is None:
            return None
        is_package = file.endswith("__init__.py")
        return spec_from_loader(name, self, origin=f"patched {file}", is_package=is_package)

    def exec_module(self, module: ModuleType) -> None:
        file = self._file(module.__name__) or ""
        exec(self._compiled(file), module.__dict__)  # noqa: S102 - our own source, patched

    def _file(self, name: str) -> str | None:
        package, _, rest = name.partition(".")
        if package != PACKAGE:
            return None
        path = rest.replace(".", "/")
        candidates = (f"{path}.py", f"{path}/__init__.py".lstrip("/"))
        return next((file for file in candidates if file in self._code), None)

    def _compiled(self, file: str) -> CodeType:
        return compile(self._code[file], str(SERVICE / file), "exec")
