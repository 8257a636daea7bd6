"""No two parts of any package need each other, however deep in them the import is written.

`make check` holds the same by import-linter's contracts, which say which arrow may run where. This
walk shares nothing with it: it reads every import statement, also those inside functions and under
TYPE_CHECKING.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from spillway.paths import PROJECT

ROOTS = {
    "orders": PROJECT / "src",
    "spillway": PROJECT / "src",
    "simulation": PROJECT,
    "infra": PROJECT,
    "benchmarks": PROJECT,
}

#: Module name to the modules that it imports.
Imports = Mapping[str, Iterable[str]]


@cache
def imports() -> dict[str, set[str]]:
    """Every module of the project and what it imports of the project."""
    files = {
        _name(path.relative_to(root)): path
        for top, root in ROOTS.items()
        for path in (root / top).rglob("*.py")
    }
    return {
        module: {name for name in _imported(path, files) if name != module}
        for module, path in files.items()
    }


def _name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(path: Path, modules: Iterable[str]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                if submodule in modules:
                    yield submodule
                elif node.module in modules:
                    yield node.module


def circles(imports: Imports) -> list[list[str]]:
    """The first circle among the siblings of each package, the top level included."""
    arrows: dict[str, dict[str, set[str]]] = {}
    for module, names in imports.items():
        for name in names:
            package, importer, imported = _siblings(module, name)
            if importer and imported:
                arrows.setdefault(package, {}).setdefault(importer, set()).add(imported)
    return [circle for siblings in arrows.values() for circle in _circle(siblings)]


def _siblings(importer: str, imported: str) -> tuple[str, str, str]:
    """The package that holds both, and which of its parts each is in ("": the package itself)."""
    mine, theirs = importer.split("."), imported.split(".")
    depth = 0
    while depth < min(len(mine), len(theirs)) and mine[depth] == theirs[depth]:
        depth += 1
    shared = ".".join(mine[:depth])
    return shared, ".".join(mine[: depth + 1][depth:]), ".".join(theirs[: depth + 1][depth:])


def _circle(siblings: Mapping[str, set[str]]) -> Iterator[list[str]]:
    try:
        TopologicalSorter(siblings).prepare()
    except CycleError as error:
        yield error.args[1]


def test_no_two_siblings_need_each_other() -> None:
    assert circles(imports()) == []


def test_every_import_statement_is_seen() -> None:
    found = imports()
    assert "orders.domain.saga" in found["orders.flow.relay"]
    # Written inside a function of the command line, and under TYPE_CHECKING.
    assert any(name.startswith("spillway.prove") for name in found["spillway.cli"])
    assert "spillway.run.stack.users" in found["spillway.run.stack.handle"]


@pytest.mark.parametrize(
    "graph",
    [
        {"a.x": ["b.y"], "b.y": ["c.z"], "c.z": ["a.w"], "a.w": []},
        {"a.one.p": ["a.two.q"], "a.two.q": ["a.one.r"], "a.one.r": []},
    ],
    ids=["between packages, through other modules", "inside a package"],
)
def test_a_circle_is_found(graph: Imports) -> None:
    assert len(circles(graph)) == 1
