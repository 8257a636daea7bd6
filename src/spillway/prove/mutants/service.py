"""The service's source, and how a process imports it with a mutation. No file is changed."""

from __future__ import annotations

from functools import cache
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import ModuleType

from spillway.paths import PROJECT
from spillway.prove.mutants.mutations import Sources

#: The service's package, and where its source is.
PACKAGE = "orders"
SERVICE = PROJECT / "src" / PACKAGE


def descriptions() -> Sources:
    """The files beside the source that a function reads: no mutant changes them."""
    folder = SERVICE / "downstream" / "descriptions"
    return {
        path.relative_to(SERVICE).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.glob("*.toml"))
    }


@cache
def sources() -> Sources:
    """The service's source as it is on disk, read once.

    Once, so that an edit in the middle of a run cannot give two controls different services.
    """
    return {
        path.relative_to(SERVICE).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(SERVICE.rglob("*.py"))
    }


class MutatedService(MetaPathFinder, Loader):
    """Makes `import orders...` load this source instead of the files on disk."""

    def __init__(self, code: Sources) -> None:
        self._code = code

    def find_spec(
        self, name: str, _path: object = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        file = self._file(name)
        if file is None:
            return None
        is_package = file.endswith("__init__.py")
        return spec_from_loader(name, self, origin=f"mutated {file}", is_package=is_package)

    def exec_module(self, module: ModuleType) -> None:
        file = self._file(module.__name__) or ""
        # A module finds the files beside it by this.
        module.__file__ = str(SERVICE / file)
        code = compile(self._code[file], str(SERVICE / file), "exec")
        exec(code, module.__dict__)  # noqa: S102 - our own source, mutated

    def _file(self, name: str) -> str | None:
        package, _, rest = name.partition(".")
        if package != PACKAGE:
            return None
        path = rest.replace(".", "/")
        candidates = (f"{path}.py", f"{path}/__init__.py".lstrip("/"))
        return next((file for file in candidates if file in self._code), None)
